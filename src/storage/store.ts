/**
 * The store port: an ordered map of bytes to bytes that can be trusted after a crash. One conformance
 * suite (`test/storage/conformance.ts`) says what every adapter owes.
 *
 * - What `get` and `scan` return is synced: nothing that a crash could still take back is visible.
 * - Batches become durable in the order of the calls; a crash keeps a prefix of them, each whole or not at all.
 * - Bytes handed in are copied or written before the call's promise resolves, and never changed; bytes
 *   handed out belong to the caller.
 */

export type Change =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: Uint8Array };

export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The keys k with start <= k < end, compared byte by byte. */
export interface KeyRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/**
 * Room on the disk. `low`: below the first reserve, new values are refused. `exhausted`: below the
 * second one, where repair and votes stop as well.
 */
export type Space = 'ample' | 'low' | 'exhausted';

/** Longer keys are refused by every adapter: the most that LMDB takes. */
export const MAX_STORE_KEY_BYTES = 1_978;

export interface Store {
  /** @throws StoreReadError when the adapter knows that what it holds there is damaged. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /**
   * Applies all changes or none; resolves when they are on disk.
   * @throws StoreFullError when the disk is full and certainly nothing was applied. Any other error
   * leaves it open what is on disk: the node must stop (see `FailStopStore`).
   */
  batch(changes: readonly Change[]): Promise<void>;
  /**
   * At most `limit` entries of the range, in key order, and none behind the one whose value makes it
   * `maxBytes` of values or more. Less of both means that the range has ended.
   */
  scan(range: KeyRange, limit: number, maxBytes?: number): Promise<readonly Entry[]>;
  /** Removes all entries of the range. Durable when it resolves; a crash before that may leave some. */
  deleteRange(range: KeyRange): Promise<void>;
  space(): Promise<Space>;
  /** Ends what the adapter opened. Batches under way are finished first. Calling it twice is fine. */
  close(): Promise<void>;
}

export function valueBytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { value }) => sum + value.length, 0);
}

/** What lies at this place cannot be read. */
export class StoreReadError extends Error {
  override readonly name = 'StoreReadError';
}

/** The disk is full; nothing of the batch was applied. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
}

/** For whom a full disk is no failure, because it is tried again: throws any other `error`. */
export function unlessFull(error: unknown): void {
  if (!(error instanceof StoreFullError)) throw error;
}

/** The store failed earlier and takes no more calls. */
export class StoreFailedError extends Error {
  override readonly name = 'StoreFailedError';
}
