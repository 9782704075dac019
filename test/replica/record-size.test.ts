import { expect, test } from 'vitest';
import type { Key, Partition } from '../../src/ids.ts';
import { meanRecordBytes } from '../../src/replica/record-size.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';

const PLACES = new RecordPlaces(2);

/** Counts the bytes that were read. */
class CountingStore extends MemoryStore {
  read = 0;

  override async scan(...args: Parameters<MemoryStore['scan']>) {
    const page = await super.scan(...args);
    for (const { value } of page) this.read += value.length;
    return page;
  }
}

async function storeOf(lengths: readonly number[]): Promise<CountingStore> {
  const store = new CountingStore();
  for (const [index, length] of lengths.entries()) {
    const key = PLACES.at(0 as Partition, String(index).padStart(7, '0') as Key); // 10 bytes
    await store.batch([{ type: 'put', key, value: new Uint8Array(length) }]);
  }
  return store;
}

test('the mean size counts keys and values, and is 0 where nothing is kept', async () => {
  expect(await meanRecordBytes(await storeOf([]), PLACES)).toBe(0);
  expect(await meanRecordBytes(await storeOf([90, 90, 90, 90, 390]), PLACES)).toBe(160);
});

test('a few records are enough, and fewer where they are long', async () => {
  const many = await storeOf(Array.from({ length: 300 }, () => 10));
  await meanRecordBytes(many, PLACES);
  expect(many.read).toBe(2_000);
  const long = await storeOf(Array.from({ length: 20 }, () => 1024 * 1024));
  expect(await meanRecordBytes(long, PLACES)).toBe(1024 * 1024 + 10);
  expect(long.read).toBeLessThanOrEqual(8 * 1024 * 1024);
});
