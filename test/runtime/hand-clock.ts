import type { Cancellable, Clock } from '../../src/runtime/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly task: () => void;
}

/** A clock that a test moves by hand. Timers run in the order of their time. */
export class HandClock implements Clock {
  readonly #timers = new Set<Timer>();
  #monotonicMs = 0;
  #wallMs = 1_767_225_600_000;

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Timers that were neither run nor called off. */
  get timers(): number {
    return this.#timers.size;
  }

  schedule(delayMs: number, task: () => void): Cancellable {
    const timer = { atMs: this.#monotonicMs + delayMs, task };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  advance(byMs: number): void {
    const untilMs = this.#monotonicMs + byMs;
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs);
      const next = due.sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#move(next.atMs - this.#monotonicMs);
      next.task();
    }
    this.#move(untilMs - this.#monotonicMs);
  }

  /** Sets the wall clock forward or back; the monotonic clock does not notice. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  #move(byMs: number): void {
    this.#monotonicMs += byMs;
    this.#wallMs += byMs;
  }
}
