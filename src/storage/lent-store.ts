import type { Change, Entry, KeyRange, Space, Store } from './store.ts';
import { StoreFailedError } from './store.ts';

/**
 * A store for one life of a node that starts again within its process: closing it ends the loan, and the
 * store stays open for the next life. As with any store, what is under way is finished first, so that
 * nothing of the old life is written under the new one.
 */
export class LentStore implements Store {
  readonly #store: Store;
  readonly #underWay = new Set<Promise<unknown>>();
  #ended = false;

  constructor(store: Store) {
    this.#store = store;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#unlessEnded(() => this.#store.get(key));
  }

  batch(changes: readonly Change[]): Promise<void> {
    return this.#unlessEnded(() => this.#store.batch(changes));
  }

  scan(range: KeyRange, limit: number, maxBytes?: number): Promise<readonly Entry[]> {
    return this.#unlessEnded(() => this.#store.scan(range, limit, maxBytes));
  }

  deleteRange(range: KeyRange): Promise<void> {
    return this.#unlessEnded(() => this.#store.deleteRange(range));
  }

  space(): Promise<Space> {
    return this.#unlessEnded(() => this.#store.space());
  }

  async close(): Promise<void> {
    this.#ended = true;
    await Promise.allSettled(this.#underWay);
  }

  async #unlessEnded<Result>(call: () => Promise<Result>): Promise<Result> {
    if (this.#ended) throw new StoreFailedError('the store is closed');
    const result = call();
    this.#underWay.add(result);
    try {
      return await result;
    } finally {
      this.#underWay.delete(result);
    }
  }
}
