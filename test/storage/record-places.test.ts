import { describe, expect, test } from 'vitest';
import type { Key, Partition } from '../../src/ids.ts';
import { ownKey, placeOf } from '../../src/storage/keys.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { keepOwn } from '../../src/storage/own-state.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';

const KEY = 'k' as Key;
const FIRST = 0 as Partition;
const LAST = 65_535 as Partition;

describe('the places of records', () => {
  test('are of the first generation until something else is kept', async () => {
    const store = new MemoryStore();
    expect((await RecordPlaces.open(store)).generation).toBe(1);
    await store.batch([keepOwn('records', { current: 2 })]);
    expect((await RecordPlaces.open(store)).generation).toBe(2);
  });

  test('of one generation are apart from those of the other, and from what a node keeps of itself', async () => {
    for (const generation of [1, 2] as const) {
      const store = new MemoryStore();
      const places = new RecordPlaces(generation);
      const other = new RecordPlaces(generation === 1 ? 2 : 1);
      for (const each of [FIRST, LAST]) {
        const put = { type: 'put', value: Uint8Array.of(generation) } as const;
        await store.batch([
          { ...put, key: places.at(each, KEY) },
          { ...put, key: other.at(each, KEY) },
          { ...put, key: ownKey(`count/${each}`) },
        ]);
      }
      const entries = await store.scan(places.all, 10);
      expect(entries.map(({ key }) => placeOf(key))).toEqual([
        { partition: FIRST, key: KEY },
        { partition: LAST, key: KEY },
      ]);
    }
  });

  test('tell partition and key, and nothing where no record can lie', () => {
    const place = new RecordPlaces(2).at(LAST, KEY);
    expect(placeOf(place)).toEqual({ partition: LAST, key: KEY });
    expect(placeOf(place.subarray(0, 3))).toBeUndefined();
    expect(placeOf(Uint8Array.of(3, 0, 0, 1))).toBeUndefined();
    expect(placeOf(ownKey('identity'))).toBeUndefined();
  });
});
