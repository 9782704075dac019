/**
 * The states met so far, in the order in which they were met: a hash set that is a queue as well.
 * States are small rows of bytes of one width, kept side by side without an object each, so that
 * tens of millions of them fit.
 */
import { invariant } from '../../src/invariant.ts';

/** One state: fields of one byte each, and the same memory as words for hashing and comparing. */
export interface State {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

/** A state with all fields at 0, with room for at least `fields` of them. */
export function newState(fields: number): State {
  const words = new Uint32Array(Math.ceil(fields / 4));
  return { bytes: new Uint8Array(words.buffer), words };
}

const CHUNK_BITS = 16;
const CHUNK = 2 ** CHUNK_BITS;
/** What `parentOf` says of the first state. */
const NO_PARENT = 0xffff_ffff;

export class StateSet {
  readonly #width: number;
  readonly #states: Uint32Array[] = [];
  readonly #parents: Uint32Array[] = [];
  /** Open addressing; a place holds the number of a state plus one, or 0. */
  #places = new Uint32Array(2 ** 16);
  #size = 0;

  /** @param width words per state */
  constructor(width: number) {
    this.#width = width;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a state that was reached from state number `parent`; false when it is known already. */
  add(words: Uint32Array, parent: number | undefined): boolean {
    if (2 * this.#size >= this.#places.length) this.#grow();
    const mask = this.#places.length - 1;
    let place = hashOf(words, 0, this.#width) & mask;
    for (;;) {
      const entry = at(this.#places, place);
      if (entry === 0) break;
      if (this.#isAt(entry - 1, words)) return false;
      place = (place + 1) & mask;
    }
    this.#append(words, parent ?? NO_PARENT);
    this.#places[place] = this.#size;
    return true;
  }

  read(index: number, into: Uint32Array): void {
    const chunk = this.#chunkOf(index);
    const offset = (index & (CHUNK - 1)) * this.#width;
    for (let word = 0; word < this.#width; word++) into[word] = at(chunk, offset + word);
  }

  parentOf(index: number): number | undefined {
    const parents = this.#parents[index >>> CHUNK_BITS];
    invariant(parents !== undefined, 'a state that was added');
    const parent = at(parents, index & (CHUNK - 1));
    return parent === NO_PARENT ? undefined : parent;
  }

  #append(words: Uint32Array, parent: number): void {
    const slot = this.#size & (CHUNK - 1);
    if (slot === 0) {
      this.#states.push(new Uint32Array(CHUNK * this.#width));
      this.#parents.push(new Uint32Array(CHUNK));
    }
    this.#chunkOf(this.#size).set(words, slot * this.#width);
    const parents = this.#parents[this.#size >>> CHUNK_BITS];
    invariant(parents !== undefined, 'a chunk of parents for every chunk of states');
    parents[slot] = parent;
    this.#size += 1;
    invariant(this.#size < NO_PARENT, 'fewer states than a word can number');
  }

  #isAt(index: number, words: Uint32Array): boolean {
    const chunk = this.#chunkOf(index);
    const offset = (index & (CHUNK - 1)) * this.#width;
    for (let word = 0; word < this.#width; word++) {
      if (at(chunk, offset + word) !== at(words, word)) return false;
    }
    return true;
  }

  #chunkOf(index: number): Uint32Array {
    const chunk = this.#states[index >>> CHUNK_BITS];
    invariant(chunk !== undefined, 'a state that was added');
    return chunk;
  }

  #grow(): void {
    const places = new Uint32Array(2 * this.#places.length);
    const mask = places.length - 1;
    for (let index = 0; index < this.#size; index++) {
      const offset = (index & (CHUNK - 1)) * this.#width;
      let place = hashOf(this.#chunkOf(index), offset, this.#width) & mask;
      while (at(places, place) !== 0) place = (place + 1) & mask;
      places[place] = index + 1;
    }
    this.#places = places;
  }
}

/** FNV-1a over words instead of bytes, with the final mix of MurmurHash3. */
function hashOf(words: Uint32Array, offset: number, width: number): number {
  let hash = 0x811c_9dc5;
  for (let word = offset; word < offset + width; word++) {
    hash = Math.imul(hash ^ at(words, word), 0x0100_0193);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** An element that is known to be there; a bounds check here would be most of the running time. */
export function at(array: Uint8Array | Uint32Array, index: number): number {
  return array[index] as number;
}
