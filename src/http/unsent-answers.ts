import type { ServerResponse } from 'node:http';
import type { Cancellable, Clock } from '../runtime/clock.ts';

export const MAX_UNSENT_BYTES = 256 * 1024 * 1024;
/** A client that does not take its answer within this time is cut off. */
const MAX_MS = 30_000;

interface Unsent {
  readonly bytes: number;
  readonly timer: Cancellable;
}

/**
 * Values that were handed over for clients slow to take them: bounded in bytes and in time. Over the
 * bound, the client that was given the most time is cut off, so that slow ones are in nobody's way.
 */
export class UnsentAnswers {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  /** Oldest first. */
  readonly #unsent = new Map<ServerResponse, Unsent>();
  #bytes = 0;

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /** To be told after a response was ended; nearly always all of it is with the system by then. */
  watch(response: ServerResponse): void {
    const bytes = response.writableLength;
    if (bytes === 0) return;
    const timer = this.#clock.schedule(MAX_MS, () => this.#cutOff(response));
    this.#unsent.set(response, { bytes, timer });
    this.#bytes += bytes;
    response.once('close', () => this.#forget(response));
    for (const oldest of this.#unsent.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#cutOff(oldest);
    }
  }

  #cutOff(response: ServerResponse): void {
    this.#forget(response);
    response.destroy();
  }

  #forget(response: ServerResponse): void {
    const unsent = this.#unsent.get(response);
    if (unsent === undefined) return;
    this.#unsent.delete(response);
    this.#bytes -= unsent.bytes;
    unsent.timer.cancel();
  }
}
