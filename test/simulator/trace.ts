import { hash64 } from '../../src/hash.ts';

const HASHED_AT_ONCE = 16_384;

/**
 * What happened in a run, as lines, and a hash over all of them: two runs of a seed must hash the
 * same. Only the last lines are kept, unless all are wanted.
 */
export class Trace {
  readonly #kept: string[] = [];
  readonly #keep: number;
  #hash = 0n;
  /** Lines that are not in the hash yet: to hash each by itself takes longer than to write it. */
  #unhashed = '';
  #lines = 0;

  constructor(keep = 200) {
    this.#keep = keep;
  }

  line(nowMs: number, text: string): void {
    const line = `${nowMs.toFixed(3)} ${text}`;
    this.#unhashed += `${line}\n`;
    if (this.#unhashed.length > HASHED_AT_ONCE) this.#hashAll();
    this.#lines += 1;
    if (this.#keep === 0) return;
    this.#kept.push(line);
    if (this.#kept.length > 2 * this.#keep) this.#kept.splice(0, this.#kept.length - this.#keep);
  }

  /** 16 hex digits over every line so far. */
  get hash(): string {
    this.#hashAll();
    return this.#hash.toString(16).padStart(16, '0');
  }

  get lines(): number {
    return this.#lines;
  }

  #hashAll(): void {
    if (this.#unhashed === '') return;
    this.#hash = hash64(Buffer.from(this.#unhashed), this.#hash);
    this.#unhashed = '';
  }

  get last(): readonly string[] {
    return this.#keep === 0 ? [] : this.#kept.slice(-this.#keep);
  }
}
