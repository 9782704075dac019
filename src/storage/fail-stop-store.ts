import { InvariantError } from '../invariant.ts';
import type { Supervisor } from '../runtime/supervisor.ts';
import {
  type Change,
  type Entry,
  type KeyRange,
  type Space,
  type Store,
  StoreFailedError,
  StoreFullError,
} from './store.ts';

/**
 * A store whose first failed write or sync ends the node. After a failed sync nobody knows what the
 * disk holds, and trying again can report success for data that is gone (PostgreSQL's "fsyncgate",
 * 2018; measured for LMDB's default mode in `docs/adr/0003-lmdb-options.md`).
 */
export class FailStopStore implements Store {
  readonly #store: Store;
  readonly #supervisor: Pick<Supervisor, 'fail'>;
  #failed = false;
  #closed = false;

  constructor(store: Store, supervisor: Pick<Supervisor, 'fail'>) {
    this.#store = store;
    this.#supervisor = supervisor;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#unlessFailed(() => this.#store.get(key));
  }

  async batch(changes: readonly Change[]): Promise<void> {
    await this.#orFail(() => this.#store.batch(changes));
  }

  async scan(range: KeyRange, limit: number, maxBytes?: number): Promise<readonly Entry[]> {
    return this.#unlessFailed(() => this.#store.scan(range, limit, maxBytes));
  }

  async deleteRange(range: KeyRange): Promise<void> {
    await this.#orFail(() => this.#store.deleteRange(range));
  }

  async space(): Promise<Space> {
    return this.#unlessFailed(() => this.#store.space());
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#store.close();
  }

  async #orFail(write: () => Promise<void>): Promise<void> {
    try {
      await this.#unlessFailed(write);
    } catch (error) {
      if (this.#isHarmless(error)) throw error;
      if (!this.#failed) {
        this.#failed = true;
        this.#supervisor.fail('the store could not write or sync', error);
      }
      throw new StoreFailedError('the store could not write or sync; this node stops', {
        cause: error,
      });
    }
  }

  /** A call that was under way when a write failed is not to be trusted either. */
  async #unlessFailed<Result>(call: () => Promise<Result>): Promise<Result> {
    this.#refuseAfterFailure();
    if (this.#closed) throw new StoreFailedError('the store is closed');
    const result = await call();
    this.#refuseAfterFailure();
    return result;
  }

  /**
   * Nothing was written: the disk is full, or the arguments are refused (a key that every replica is
   * sent must not stop all of them). Or the node is stopping already, and a late call finds the store closed.
   */
  #isHarmless(error: unknown): boolean {
    if (error instanceof StoreFullError || error instanceof InvariantError) return true;
    return this.#closed && error instanceof StoreFailedError;
  }

  #refuseAfterFailure(): void {
    if (this.#failed) throw new StoreFailedError('the store failed earlier; this node stops');
  }
}
