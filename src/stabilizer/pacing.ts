import { type Clock, sleep } from '../runtime/clock.ts';

/**
 * After each step a pull rests so many times as long as that step took, and at most so long,
 * milliseconds: a request of a client seldom meets one, on whichever of its replicas. A busy machine
 * makes the steps longer, and so the rests. (`make bench-heal`: five nodes on two cores.)
 */
const RESTS = 4;
const LONGEST_REST_MS = 500;
/**
 * The first steps are slow, and all nodes take theirs at the same time, when a ring comes into force: the
 * code has not run lately. Their rests are so many times as long as they are, and shrink step by step.
 */
const FIRST_RESTS = 16;
const FIRST_STEPS = 120;
/** After so long without a step, milliseconds, the next is a first one. */
const COLD_AFTER_MS = 60_000;
/** Without a request for so long, milliseconds, there is nobody to make room for. */
const CLIENTS_GONE_MS = 1_000;

/** How hard pulls may go while this node serves clients. Alone they go on at once. */
export class Pacing {
  readonly #clock: Clock;
  readonly #servedMs: () => number;
  /** Steps since the last long time without one. */
  #steps = 0;
  #lastStepMs = Number.NEGATIVE_INFINITY;

  /** `servedMs`: when a client's request was served here last, monotonic. */
  constructor(clock: Clock, servedMs: () => number) {
    this.#clock = clock;
    this.#servedMs = servedMs;
  }

  /** After a step that began at `startedMs`, monotonic. */
  async restAfter(startedMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (startedMs - this.#lastStepMs > COLD_AFTER_MS) this.#steps = 0;
    const rests = restsAfter(this.#steps);
    this.#steps += 1;
    this.#lastStepMs = nowMs;
    if (nowMs - this.#servedMs() > CLIENTS_GONE_MS) return;
    await sleep(this.#clock, Math.min(rests * (nowMs - startedMs), LONGEST_REST_MS), signal);
  }
}

/** How many times as long as a step its rest is, after so many others. */
function restsAfter(steps: number): number {
  const share = Math.max(0, 1 - steps / FIRST_STEPS);
  return RESTS + (FIRST_RESTS - RESTS) * share;
}
