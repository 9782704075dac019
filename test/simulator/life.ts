import type { Cancellable, Clock } from '../../src/runtime/clock.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * One life of a simulated node's process, from its start to its crash. What was set off in an ended
 * life never happens: its timers, its answers, its batches.
 */
export class Life {
  #ended = false;
  #paused = false;
  /** Whether it did something since somebody last took that down. */
  stirred = false;
  /** Timers that are set. */
  timers = 0;
  readonly #held: (() => void)[] = [];
  readonly #atEnd: (() => void)[] = [];

  get ended(): boolean {
    return this.#ended;
  }

  /** Stopped like a process by SIGSTOP: its sockets stay open, and nothing in it goes on. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Lets the process do something: now, when it goes on after a pause, or never. */
  run(task: () => void): void {
    if (this.#ended) return;
    if (this.#paused) {
      this.#held.push(task);
      return;
    }
    this.stirred = true;
    task();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (const task of this.#held.splice(0)) this.run(task);
  }

  end(): void {
    this.#ended = true;
    this.#held.length = 0;
    for (const listener of this.#atEnd.splice(0)) listener();
  }

  /** Calls `listener` when this life ends. */
  atEnd(listener: () => void): void {
    if (this.#ended) listener();
    else this.#atEnd.push(listener);
  }
}

/** How wrong a node's wall clock is. */
export interface ClockFault {
  /** Milliseconds ahead of true time. */
  offsetMs: number;
  /** Fraction by which it runs fast: 0.0001 is 100 ppm. */
  drift: number;
}

/** True time at the start of every run: 2026-01-01. */
const EPOCH_MS = 1_767_225_600_000;

/** A node's clocks on virtual time. */
export function simulatedClock(scheduler: Scheduler, life: Life, fault: ClockFault): Clock {
  const bootMs = scheduler.nowMs;
  return {
    wallMs: () => EPOCH_MS + scheduler.nowMs * (1 + fault.drift) + fault.offsetMs,
    monotonicMs: () => scheduler.nowMs - bootMs,
    schedule(delayMs, task): Cancellable {
      let set = true;
      const unset = (): void => {
        if (set) life.timers -= 1;
        set = false;
      };
      life.timers += 1;
      const timer = scheduler.after(delayMs, () => {
        unset();
        life.run(task);
      });
      return {
        cancel: () => {
          unset();
          timer.cancel();
        },
      };
    },
  };
}
