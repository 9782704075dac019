import { readPage } from '../storage/page.ts';
import type { RecordPlaces } from '../storage/record-places.ts';
import type { Store } from '../storage/store.ts';
import { keyAfter } from '../storage/store-limits.ts';

/** Enough for an estimate. */
const MAX_SAMPLE = 200;
/** A few long values are not to be read by the hundred. */
const MAX_SAMPLE_BYTES = 4 * 1024 * 1024;

/** The mean size of a record on this disk, bytes, by the first ones of it; 0 when there is none. */
export async function meanRecordBytes(store: Store, places: RecordPlaces): Promise<number> {
  let { start } = places.all;
  let count = 0;
  let bytes = 0;
  while (count < MAX_SAMPLE && bytes < MAX_SAMPLE_BYTES) {
    const { entries, isLast } = await readPage(store, { ...places.all, start }, MAX_SAMPLE - count);
    for (const { key, value } of entries) {
      count += 1;
      bytes += key.length + value.length;
      start = keyAfter(key);
    }
    if (isLast) break;
  }
  return count === 0 ? 0 : bytes / count;
}
