import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { ClusterEvents } from '../telemetry/cluster-events.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';

/** A disk that goes bad yields thousands of damaged records; one event a second tells of all of them. */
const TELL_EVERY_MS = 1_000;

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
  #told: Repair = { damaged: 0, missing: 0, healed: 0 };

  constructor(options: {
    readonly counters: Counters;
    readonly events: ClusterEvents;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    const { counters, events, clock, random, log } = options;
    this.#counters = counters;
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

  #tell(): void {
    const { damaged, missing, healed } = this.#told;
    const now: Repair = {
      damaged: this.#counters.get('records_damaged_total'),
      missing: this.#counters.get('records_missing_total'),
      healed: this.#counters.get('records_healed_total'),
    };
    if (now.damaged === damaged && now.missing === missing && now.healed === healed) return;
    this.#told = now;
    this.#events.tell({ type: 'repair.progress', ...now });
  }
}
