import type { Clock } from '../runtime/clock.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import type { Store } from '../storage/store.ts';

/** The first step, milliseconds; each further one is twice as long. A request that lasts longer than all before costs a sync. */
const FIRST_STEP_MS = 1_000;

interface Kept {
  readonly longestMs: number;
}

/**
 * How long the longest request lasts that this node acknowledges: on disk before it does. A life that ended
 * may have acknowledged a write that still waits for other replicas; the next life remembers nothing of it,
 * but for this: after so long it is over.
 */
export class RequestHorizon {
  readonly #store: Store;
  readonly #clock: Clock;
  /** The longest that there can be. */
  readonly #longestMs: number;
  readonly #formerOverMs: number;
  /** What is on disk for certain. */
  #keptMs: number;
  /** What this life needs. */
  #neededMs = 0;
  #writing: Promise<void> | undefined;

  private constructor(options: HorizonOptions, keptMs: number) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#longestMs = options.longestRequestMs;
    this.#keptMs = keptMs;
    this.#formerOverMs = options.clock.monotonicMs() + keptMs;
  }

  static async open(options: HorizonOptions): Promise<RequestHorizon> {
    if (options.isFirstLife) return new RequestHorizon(options, 0);
    const kept = (await readOwn(options.store, 'horizon')) as Kept | undefined;
    return new RequestHorizon(options, kept?.longestMs ?? options.longestRequestMs);
  }

  /** When every request is over that a former life acknowledged, monotonic. */
  get formerOverMs(): number {
    return this.#formerOverMs;
  }

  /**
   * Resolves when a request may be acknowledged that ends at `deadlineMs`, monotonic.
   * @throws StoreFullError, StoreFailedError
   */
  async reachTo(deadlineMs: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const lastsMs = Math.min(inSteps(deadlineMs - nowMs), this.#longestMs);
    this.#neededMs = Math.max(this.#neededMs, lastsMs);
    while (this.#keptMs !== this.#targetMs) {
      this.#writing ??= this.#write(this.#targetMs);
      await this.#writing;
    }
  }

  /** What former lives needed counts no more when their requests are over. */
  get #targetMs(): number {
    const isFormerOver = this.#clock.monotonicMs() >= this.#formerOverMs;
    return isFormerOver ? this.#neededMs : Math.max(this.#neededMs, this.#keptMs);
  }

  async #write(longestMs: number): Promise<void> {
    try {
      await this.#store.batch([keepOwn('horizon', { longestMs } satisfies Kept)]);
      this.#keptMs = longestMs;
    } finally {
      this.#writing = undefined;
    }
  }
}

interface HorizonOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly longestRequestMs: number;
  /** Nothing was acknowledged before. */
  readonly isFirstLife: boolean;
}

function inSteps(lastsMs: number): number {
  if (lastsMs <= 0) return 0;
  const doublings = Math.max(0, Math.ceil(Math.log2(lastsMs / FIRST_STEP_MS)));
  return FIRST_STEP_MS * 2 ** doublings;
}
