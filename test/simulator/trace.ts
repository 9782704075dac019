import { hash64 } from '../../src/hash.ts';

/**
 * What happened in a run, as lines, and a hash over all of them: two runs of a seed must hash the
 * same. Only the last lines are kept, unless all are wanted.
 */
export class Trace {
  readonly #kept: string[] = [];
  readonly #keep: number;
  #hash = 0n;
  #lines = 0;

  constructor(keep = 200) {
    this.#keep = keep;
  }

  line(nowMs: number, text: string): void {
    const line = `${nowMs.toFixed(3)} ${text}`;
    this.#hash = hash64(Buffer.from(line), this.#hash);
    this.#lines += 1;
    if (this.#keep === 0) return;
    this.#kept.push(line);
    if (this.#kept.length > 2 * this.#keep) this.#kept.splice(0, this.#kept.length - this.#keep);
  }

  /** 16 hex digits over every line so far. */
  get hash(): string {
    return this.#hash.toString(16).padStart(16, '0');
  }

  get lines(): number {
    return this.#lines;
  }

  get last(): readonly string[] {
    return this.#keep === 0 ? [] : this.#kept.slice(-this.#keep);
  }
}
