import type { RecordPlaces } from '../storage/record-places.ts';
import type { Store } from '../storage/store.ts';
import { keyAfter } from '../storage/store-limits.ts';

/** Enough for an estimate. */
const MAX_SAMPLE = 200;
/** A few long values are not to be read by the hundred. */
const MAX_SAMPLE_BYTES = 4 * 1024 * 1024;
const PAGE = 4;

/** The mean size of a record on this disk, bytes, by the first ones of it; 0 when there is none. */
export async function meanRecordBytes(store: Store, places: RecordPlaces): Promise<number> {
  let { start } = places.all;
  let count = 0;
  let bytes = 0;
  while (count < MAX_SAMPLE && bytes < MAX_SAMPLE_BYTES) {
    const page = await store.scan({ ...places.all, start }, PAGE);
    for (const { key, value } of page) {
      count += 1;
      bytes += key.length + value.length;
      start = keyAfter(key);
    }
    if (page.length < PAGE) break;
  }
  return count === 0 ? 0 : bytes / count;
}
