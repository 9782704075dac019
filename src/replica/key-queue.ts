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
      this.#leave(key, turn);
    }
  }

  /**
   * One step that concerns many keys: after all that came before it for any of them. It queues up for
   * all of them at once, so two such steps never wait for each other.
   */
  async runAll<Result>(keys: readonly Key[], step: () => Promise<Result>): Promise<Result> {
    const before = keys.map((key) => this.#tails.get(key)).filter((tail) => tail !== undefined);
    const turn = before.length === 0 ? step() : Promise.allSettled(before).then(step);
    for (const key of keys) this.#tails.set(key, turn);
    try {
      return await turn;
    } finally {
      for (const key of keys) this.#leave(key, turn);
    }
  }

  #leave(key: Key, turn: Promise<unknown>): void {
    if (this.#tails.get(key) === turn) this.#tails.delete(key);
  }
}
