import { type Clock, sleep } from '../runtime/clock.ts';

/**
 * After each step a pull rests so many times as long as that step took, and at most so long,
 * milliseconds: a request of a client seldom meets one, on whichever of its replicas. A busy machine
 * makes the steps longer, and so the rests. (`make bench-heal`: five nodes on two cores.)
 */
const RESTS = 5;
const LONGEST_REST_MS = 250;
/** Without a request for so long, milliseconds, there is nobody to make room for. */
const CLIENTS_GONE_MS = 1_000;

/** How hard pulls may go while this node serves clients. Alone they go on at once. */
export class Pacing {
  readonly #clock: Clock;
  readonly #servedMs: () => number;

  /** `servedMs`: when a client's request was served here last, monotonic. */
  constructor(clock: Clock, servedMs: () => number) {
    this.#clock = clock;
    this.#servedMs = servedMs;
  }

  /** After a step that began at `startedMs`, monotonic. */
  async restAfter(startedMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#servedMs() > CLIENTS_GONE_MS) return;
    await sleep(this.#clock, Math.min(RESTS * (nowMs - startedMs), LONGEST_REST_MS), signal);
  }
}
