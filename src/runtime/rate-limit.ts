import { type Clock, sleep } from './clock.ts';

/**
 * Lets through so much a second, over all who share it, in the order in which they ask. Whoever asks
 * while the limit is idle goes at once; the next one waits until that is paid. Time without any
 * traffic earns no credit, so there are no bursts.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #perSecond: number;
  /** When all that was let through is paid, monotonic. */
  #paidMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /**
   * Resolves when `amount` may pass. False, and nothing is taken, when its turn would come after
   * `deadlineMs` (monotonic); false as well when `signal` ended the wait.
   */
  async take(amount: number, deadlineMs: number, signal: AbortSignal): Promise<boolean> {
    const nowMs = this.#clock.monotonicMs();
    const turnMs = Math.max(nowMs, this.#paidMs);
    if (turnMs > deadlineMs) return false;
    this.#paidMs = turnMs + (amount / this.#perSecond) * 1_000;
    if (turnMs === nowMs) return !signal.aborted;
    return sleep(this.#clock, turnMs - nowMs, signal);
  }
}
