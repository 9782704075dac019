import { type Entry, type KeyRange, type Store, valueBytesOf } from './store.ts';

/**
 * Where a page of records ends, bytes: the value that crosses this is its last. A page is read in one go,
 * and values may be large.
 */
export const PAGE_BYTES = 512 * 1024;

export interface Page {
  readonly entries: readonly Entry[];
  /** Nothing of the range lies behind it. */
  readonly isLast: boolean;
}

/** The first entries of the range, at most `limit` and little more than `PAGE_BYTES`. @throws StoreReadError */
export async function readPage(store: Store, range: KeyRange, limit: number): Promise<Page> {
  const entries = await store.scan(range, limit, PAGE_BYTES);
  return { entries, isLast: entries.length < limit && valueBytesOf(entries) < PAGE_BYTES };
}
