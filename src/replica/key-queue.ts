import type { Key } from '../ids.ts';

/** Runs steps that concern one key one after the other, and those of different keys at once. */
export class KeyQueue {
  readonly #tails = new Map<Key, Promise<unknown>>();

  /** Keys with a step that is not done. */
  get size(): number {
    return this.#tails.size;
  }

  async run<Result>(key: Key, step: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(key);
    const turn = before === undefined ? step() : before.then(step, step);
    this.#tails.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(key) === turn) this.#tails.delete(key);
    }
  }
}
