/**
 * Frames on a byte stream: `[length, 4 bytes, big-endian][body]`. The length counts the body alone.
 */
import { FrameRefusedError } from './frame-refused-error.ts';

export const LENGTH_BYTES = 4;

/** Chunks below this size are joined as they come. */
const SMALL_CHUNK = 65_536;

/**
 * Cuts what a socket delivers into frames. An announced length reserves nothing: bytes are kept as
 * they arrive, and a length out of bounds is refused before its first byte is.
 */
export class FrameReader {
  readonly #chunks: Buffer[] = [];
  #buffered = 0;
  #least: number;
  #most: number;

  /** Bodies may have `least` to `most` bytes. */
  constructor(least: number, most: number) {
    this.#least = least;
    this.#most = most;
  }

  /** Other bounds, from the next frame on. */
  expect(least: number, most: number): void {
    this.#least = least;
    this.#most = most;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#buffered += chunk.length;
    // A peer that sends byte by byte must not cost an object per byte. Joining only what is no longer
    // than the newcomer copies each byte a logarithmic number of times.
    let joined = chunk;
    let last = this.#chunks.at(-1);
    while (last !== undefined && joined.length < SMALL_CHUNK && last.length <= joined.length) {
      joined = Buffer.concat([last, joined]);
      this.#chunks.pop();
      last = this.#chunks.at(-1);
    }
    this.#chunks.push(joined);
  }

  /**
   * The body of the next frame that is complete: a slice of what was pushed, not a copy.
   * @throws FrameRefusedError when the frame announces a length out of bounds
   */
  next(): Buffer | undefined {
    if (this.#buffered < LENGTH_BYTES) return undefined;
    const length = this.#start(LENGTH_BYTES).readUInt32BE(0);
    if (length < this.#least || length > this.#most) {
      throw new FrameRefusedError(
        `a frame of ${length} bytes, expected ${this.#least} to ${this.#most}`,
      );
    }
    const end = LENGTH_BYTES + length;
    if (this.#buffered < end) return undefined;
    const bytes = this.#start(end);
    this.#buffered -= end;
    if (bytes.length === end) this.#chunks.shift();
    else this.#chunks[0] = bytes.subarray(end);
    return bytes.subarray(LENGTH_BYTES, end);
  }

  /** The first chunk, once it has at least `count` bytes. */
  #start(count: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= count) return first;
    const all = Buffer.concat(this.#chunks, this.#buffered);
    this.#chunks.splice(0, this.#chunks.length, all);
    return all;
  }
}
