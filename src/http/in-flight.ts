import { ClientError } from '../errors.ts';
import type { Counters } from '../telemetry/counters.ts';

/**
 * The requests being worked on, bounded. A request whose body is still on its way does not count, or
 * a few slow clients could shut everyone else out; bodies have a bound of their own.
 */
export class InFlight {
  readonly #most: number;
  readonly #counters: Counters;
  #count = 0;

  constructor(most: number, counters: Counters) {
    this.#most = most;
    this.#counters = counters;
  }

  /** To be told early, before a body is read. @throws ClientError */
  refuseWhenFull(): void {
    if (this.#count < this.#most) return;
    this.#counters.add('client_requests_shed_total');
    throw new ClientError(
      'overloaded',
      `this node works on ${this.#most} requests already, as many as QUORATE_MAX_IN_FLIGHT allows;` +
        ' try again in a moment, or ask another node',
      { outcome: 'not_applied' },
    );
  }

  /** @throws ClientError, and what `work` throws */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.refuseWhenFull();
    this.#count++;
    try {
      return await work();
    } finally {
      this.#count--;
    }
  }
}
