/**
 * The clock port. Everything that depends on time asks it, so that a simulation can own time.
 */

/** Something that was started and can be called off. Calling it off twice is fine. */
export interface Cancellable {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970 by this machine's clock: may be wrong, drift and jump both ways. */
  wallMs(): number;
  /** Milliseconds since some moment in the past, with fractions: never jumps, not comparable between nodes. */
  monotonicMs(): number;
  /** Runs `task` once, `delayMs` from now, unless it is called off first. `task` must not throw. */
  schedule(delayMs: number, task: () => void): Cancellable;
}

/**
 * Resolves after `delayMs`, or at once when `signal` is aborted (then with `false`). The timer goes
 * with the signal: a finished request leaves none behind.
 */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const timer = clock.schedule(delayMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve(true);
    });
    function onAbort(): void {
      timer.cancel();
      resolve(false);
    }
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
