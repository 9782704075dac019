/**
 * The store on LMDB: memory-mapped, copy on write, one file; a crash leaves the state of the last
 * commit. The options and how they were chosen: `docs/adr/0003-lmdb-options.md`.
 *
 * - `overlappingSync: false`: with lmdb's default, a commit is visible before it is synced, and stays
 *   visible when the sync fails.
 * - `eventTurnBatching: false`: with the default, lmdb begins a block of its own around each turn and
 *   drops its promise, so a failed commit is an unhandled rejection, which ends the process without
 *   a word. The groups are made by `GroupCommit`.
 * - A commit writes the changed pages to free places, syncs, and then writes one page that refers to
 *   them. So a commit that failed before that last page has changed nothing; one that failed there
 *   leaves it open, and LMDB refuses to go on.
 * - Reads are calls into the mapped file: they do not wait for writes, but a cold page holds up the
 *   whole process until the disk has it.
 */
import { open, type RangeOptions, type RootDatabase } from 'lmdb';
import { GroupCommit } from './group-commit.ts';
import { unusable, usableFolder } from './lmdb-folder.ts';
import { inUse, takeOwnership } from './lmdb-owner.ts';
import { LmdbRoom, type LmdbStats } from './lmdb-room.ts';
import {
  type Change,
  type Entry,
  type KeyRange,
  MAX_STORE_KEY_BYTES,
  type Space,
  type Store,
  StoreFailedError,
  StoreReadError,
} from './store.ts';
import { keyAfter, requireKey, requireKeys, usersPart } from './store-limits.ts';

type Database = RootDatabase<Uint8Array, Uint8Array>;

/** Keys removed by one commit of `deleteRange`. */
const DELETED_AT_ONCE = 1_000;

/** The folders this process has open: LMDB's own table cannot tell them apart from a former life of it. */
const openFolders = new Set<string>();

/** Opens the store in `folder`, which is made if need be. @throws StartupError */
export async function openLmdbStore(folder: string): Promise<Store> {
  const path = await usableFolder(folder);
  if (openFolders.has(path)) throw inUse(path, 'this process');
  openFolders.add(path);
  try {
    const db = openDatabase(path);
    try {
      takeOwnership(db, path);
    } catch (error) {
      await db.close();
      throw error;
    }
    return new LmdbStore(db, path);
  } catch (error) {
    openFolders.delete(path);
    throw error;
  }
}

class LmdbStore implements Store {
  readonly #db: Database;
  readonly #path: string;
  readonly #room: LmdbRoom;
  readonly #commits: GroupCommit;
  #closing: Promise<void> | undefined;

  constructor(db: Database, path: string) {
    this.#db = db;
    this.#path = path;
    this.#room = new LmdbRoom(path, () => statsOf(db));
    this.#commits = new GroupCommit({ commit: (changes) => this.#commit(changes), endOfTurn });
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#requireOpen();
    requireKey(key);
    const value = orReadError(() => this.#db.get(key));
    return value === undefined ? undefined : plain(value);
  }

  async batch(changes: readonly Change[]): Promise<void> {
    this.#requireOpen();
    requireKeys(changes);
    await this.#commits.add(changes);
  }

  async scan(
    range: KeyRange,
    limit: number,
    maxBytes = Number.POSITIVE_INFINITY,
  ): Promise<readonly Entry[]> {
    this.#requireOpen();
    const part = usersPart(range);
    if (part === undefined || limit <= 0) return [];
    const entries = orReadError(() => this.#entriesIn(lmdbRange(part, limit), maxBytes));
    await endOfTurn(); // a loop of scans must not keep everything else waiting
    return entries;
  }

  async deleteRange(range: KeyRange): Promise<void> {
    this.#requireOpen();
    await this.#commits.add([]); // what was asked for before is to be removed as well
    for (let part = usersPart(range); part !== undefined; ) {
      const keys = this.#keysIn(part);
      await this.#commits.add(keys.map((key) => ({ type: 'delete', key })));
      const last = keys.at(-1);
      if (last === undefined || keys.length < DELETED_AT_ONCE) return;
      part = usersPart({ start: keyAfter(last), end: range.end });
    }
  }

  async space(): Promise<Space> {
    this.#requireOpen();
    return this.#room.space();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#commits.end();
    await this.#db.close();
    openFolders.delete(this.#path);
  }

  async #commit(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    await this.#room.makeFor(changes);
    try {
      // One `batch` of lmdb is one transaction; it resolves after the sync.
      await this.#db.batch(() => {
        for (const change of changes) {
          if (change.type === 'put') void this.#db.put(change.key, change.value);
          else void this.#db.remove(change.key);
        }
      });
    } catch (error) {
      throw await causeOfCommitFailure(error);
    }
  }

  #entriesIn(range: RangeOptions, maxBytes: number): readonly Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    // Each value is read when it is its turn: those behind the last one are not.
    for (const { key, value } of this.#db.getRange(range)) {
      entries.push({ key: plain(key), value: plain(value) });
      bytes += value.length;
      if (bytes >= maxBytes) break;
    }
    return entries;
  }

  #keysIn(range: KeyRange): readonly Uint8Array[] {
    this.#requireOpen();
    return orReadError(() => [...this.#db.getKeys(lmdbRange(range, DELETED_AT_ONCE))]);
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new StoreFailedError('the store is closed');
  }
}

function endOfTurn(): Promise<void> {
  // biome-ignore lint/style/noRestrictedGlobals: the turns of lmdb are those of the event loop.
  return new Promise((resolve) => setImmediate(resolve));
}

function openDatabase(path: string): Database {
  try {
    return open<Uint8Array, Uint8Array>({
      path,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      overlappingSync: false,
      eventTurnBatching: false,
    });
  } catch (error) {
    throw unusable(path, error);
  }
}

/** LMDB takes no bound longer than a key may be; the keys below such a bound are those up to its first part. */
function lmdbRange({ start, end }: KeyRange, limit: number): RangeOptions {
  if (end.length <= MAX_STORE_KEY_BYTES) return { start, end, limit };
  return { start, end: end.subarray(0, MAX_STORE_KEY_BYTES), inclusiveEnd: true, limit };
}

function statsOf(db: Database): LmdbStats {
  return orReadError(() => db.getStats()) as LmdbStats;
}

/** lmdb rejects with a general error, which holds a promise that is rejected with the real one. */
async function causeOfCommitFailure(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  return Promise.resolve(error.commitError).then(
    () => error,
    (cause: unknown) => cause,
  );
}

function orReadError<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    throw new StoreReadError(`LMDB cannot read this (${textOf(error)})`, { cause: error });
  }
}

/** The number that LMDB gives its errors: of the operating system when positive. */
function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'number' ? error.code : undefined;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same bytes as no special kind of array. lmdb has copied them out of its file already. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
