import type { Cancellable, Clock } from './clock.ts';
import type { Random } from './random.ts';

export interface LoopOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Mean pause between the end of one turn and the start of the next, milliseconds. */
  readonly everyMs: number;
  /** One unit of work. It handles its own errors: a rejection ends the process's trust in it, see `onError`. */
  readonly turn: (signal: AbortSignal) => Promise<void>;
  /** A turn that rejected all the same: reported, and the loop goes on. */
  readonly onError: (error: unknown) => void;
}

/**
 * Repeats a task with jitter (each pause is 0.75 to 1.25 of the mean, so that nodes started together
 * drift apart). Turns never overlap. The first turn starts at once.
 */
export class Loop {
  readonly #options: LoopOptions;
  readonly #abort = new AbortController();
  #timer: Cancellable | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#next(0);
  }

  /** No turn starts any more; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#timer?.cancel();
    await this.#running;
  }

  #next(delayMs: number): void {
    this.#timer = this.#options.clock.schedule(delayMs, () => {
      this.#running = this.#turn();
    });
  }

  async #turn(): Promise<void> {
    const { turn, onError, random, everyMs } = this.#options;
    try {
      await turn(this.#abort.signal);
    } catch (error) {
      onError(error);
    }
    if (!this.#abort.signal.aborted) this.#next(everyMs * (0.75 + random.fraction() / 2));
  }
}
