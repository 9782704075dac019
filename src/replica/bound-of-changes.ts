import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import { StoreFullError } from '../storage/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { KeyCounts } from './key-counts.ts';
import type { VersionClock } from './version-clock.ts';

/** The part of a restored snapshot's time that peers cannot tell, milliseconds. */
const EVERY_MS = 1_000;

/**
 * Moves the bound of the clock soon after anything was stored. Peers find by it that a disk was put back to an
 * older state; what other replicas brought (a repair, a healing, a transfer) draws no versions, so without
 * this a disk from before it would pass for whole.
 */
export class BoundOfChanges {
  readonly #loop: Loop;
  #changes = 0;

  constructor(options: {
    readonly versions: Pick<VersionClock, 'moveBoundWith'>;
    readonly counts: Pick<KeyCounts, 'changesInAll'>;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    const { versions, counts, clock, random, log } = options;
    this.#loop = new Loop({
      clock,
      random,
      everyMs: EVERY_MS,
      turn: async () => {
        const changes = counts.changesInAll;
        if (changes === this.#changes) return;
        await versions.moveBoundWith([]);
        this.#changes = changes;
      },
      onError: (cause) => {
        if (cause instanceof StoreFullError) return; // tried again with the next turn
        log.error('the bound of the clock could not be moved', { err: cause });
      },
    });
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }
}
