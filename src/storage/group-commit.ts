import { type Change, StoreFailedError, StoreFullError } from './store.ts';

/** A group is closed when it has grown beyond this; one batch may be larger by itself. */
const MAX_GROUP_BYTES = 16 * 1024 * 1024;

export interface GroupCommitOptions {
  /** Applies all changes or none, and resolves when they are on disk. */
  readonly commit: (changes: readonly Change[]) => Promise<void>;
  /** Resolves when all that is going on in this turn of the event loop has been done. */
  readonly endOfTurn: () => Promise<void>;
}

interface Waiting {
  readonly changes: readonly Change[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Many batches, one sync: what is asked for while a commit is under way goes into the next one, in
 * the order of the calls. There is never more than one commit under way, so an error belongs to the
 * batches of that commit and to no other, and after an error nothing is written any more.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #failure: StoreFailedError | undefined;
  #ended = false;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Resolves when `changes` and all that was added before are on disk. @throws StoreFullError */
  add(changes: readonly Change[]): Promise<void> {
    if (this.#ended) return Promise.reject(new StoreFailedError('the store is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Refuses what is added from now on; resolves when all that was added before has ended. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#options.endOfTurn(); // those just answered ask again at once: let them in
      await this.#settle(this.#nextGroup());
    }
    this.#running = undefined;
  }

  async #settle(group: readonly Waiting[]): Promise<void> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#options.commit(group.flatMap(({ changes }) => changes));
    } catch (error) {
      if (error instanceof StoreFullError && group.length > 1) {
        for (const one of group) await this.#settle([one]); // the smaller ones may fit
        return;
      }
      for (const { reject } of group) reject(error);
      if (!(error instanceof StoreFullError)) this.#fail(error);
      return;
    }
    for (const { resolve } of group) resolve();
  }

  /** Nobody knows what is on disk: what waits was not begun, and never will be. */
  #fail(cause: unknown): void {
    this.#failure ??= new StoreFailedError('an earlier commit failed', { cause });
  }

  #nextGroup(): readonly Waiting[] {
    let bytes = 0;
    const full = this.#waiting.findIndex(({ changes }) => {
      bytes += bytesIn(changes);
      return bytes >= MAX_GROUP_BYTES;
    });
    return this.#waiting.splice(0, full === -1 ? this.#waiting.length : full + 1);
  }
}

function bytesIn(changes: readonly Change[]): number {
  let bytes = 0;
  for (const change of changes) {
    bytes += change.key.length + (change.type === 'put' ? change.value.length : 0);
  }
  return bytes;
}
