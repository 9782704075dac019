import type { Cancellable, Clock } from '../../src/runtime/clock.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * One life of a simulated node's process, from its start to its crash. What was set off in an ended
 * life never happens: its timers, its answers, its batches.
 */
export class Life {
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    this.#ended = true;
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
      return scheduler.after(delayMs, () => {
        if (!life.ended) task();
      });
    },
  };
}
