import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { ClusterEvents } from '../telemetry/cluster-events.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * A disk that goes bad yields thousands of damaged records, for hours: one event tells of many of them, so
 * that what else happened is kept.
 */
const TELL_EVERY_MS = 10_000;

interface Repair {
  /** Damaged records that were found on this disk; one that is read twice counts twice. */
  readonly damaged: number;
  /** Records that are gone from this disk without a trace. */
  readonly missing: number;
  /** Damaged or missing ones that other replicas made good. */
  readonly healed: number;
}

/** Tells how the repair of this node's own disk goes on, as long as there is anything to repair. */
export class RepairReport {
  readonly #counters: Counters;
  readonly #events: ClusterEvents;
  readonly #loop: Loop;
  #told: Repair;

  constructor(options: {
    readonly counters: Counters;
    readonly events: ClusterEvents;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    const { counters, events, clock, random, log } = options;
    this.#counters = counters;
    this.#told = this.#now; // a former life of this node told of it
    this.#events = events;
    this.#loop = new Loop({
      clock,
      random,
      everyMs: TELL_EVERY_MS,
      turn: async () => this.#tell(),
      onError: (cause) => log.error('repairs could not be told', { err: cause }),
    });
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  get #now(): Repair {
    return {
      damaged: this.#counters.get('records_damaged_total'),
      missing: this.#counters.get('records_missing_total'),
      healed: this.#counters.get('records_healed_total'),
    };
  }

  #tell(): void {
    const now = this.#now;
    const { damaged, missing, healed } = this.#told;
    if (now.damaged === damaged && now.missing === missing && now.healed === healed) return;
    this.#told = now;
    this.#events.tell({ type: 'repair.progress', ...now });
  }
}
