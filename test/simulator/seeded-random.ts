import { hash64 } from '../../src/hash.ts';
import type { Random } from '../../src/runtime/random.ts';

/**
 * A repeatable stream, different for each `name` under one seed (the generator is sfc32 of PractRand).
 * One stream for each node and purpose: a draw more for one shifts no other.
 */
export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name: string) {
    const first = hash64(Buffer.from(name), BigInt(seed));
    const second = hash64(Buffer.from(name), first);
    this.#a = Number(first & 0xffffffffn) | 0;
    this.#b = Number(first >> 32n) | 0;
    this.#c = Number(second & 0xffffffffn) | 0;
    for (let warmUp = 0; warmUp < 12; warmUp++) this.uint32();
  }

  /** Another stream, however much is drawn from which this one has moved on by a single number. */
  branch(): SeededRandom {
    return new SeededRandom(this.uint32(), 'branch');
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.uint32() & 0xff);
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<Value>(values: readonly Value[]): Value {
    const value = values[Math.floor(this.fraction() * values.length)];
    if (value === undefined) throw new RangeError('nothing to pick from');
    return value;
  }
}
