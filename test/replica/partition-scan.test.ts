import { describe, expect, test } from 'vitest';
import type { Key, Partition } from '../../src/ids.ts';
import { LEAVES } from '../../src/merkle/leaf-set.ts';
import { KeyCounts } from '../../src/replica/key-counts.ts';
import { PartitionScan } from '../../src/replica/partition-scan.ts';
import { tokenOf } from '../../src/ring/token.ts';
import { recordKey } from '../../src/storage/keys.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { keepOwn } from '../../src/storage/own-state.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import { StoreReadError } from '../../src/storage/store.ts';
import { type SealedRecord, sealRecord } from '../../src/version/record-codec.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { versionAt } from '../version/version-at.ts';

const P = 3 as Partition;
const LAST = 0xffff as Partition;
const ring = { tokenOf: (key: Key) => tokenOf(key, 7n) };

describe('a walk through a partition', () => {
  test('shows each of its records once, in the order of keys, and none of its neighbours', async () => {
    const { store, scan } = await open();
    for (const partition of [2, P, 4, LAST] as Partition[])
      for (let n = 0; n < 300; n++) await keep(store, partition, record(`${partition}/${n}`));
    for (const partition of [P, LAST]) {
      const keys = await keysOf(scan, partition);
      expect(keys).toHaveLength(300);
      expect(keys.every((key) => key.startsWith(`${partition}/`))).toBe(true);
      expect(keys).toEqual(keys.toSorted());
    }
  });

  test('goes on behind any key', async () => {
    const { store, scan } = await open();
    for (const key of ['a', 'a\0', 'ä', 'b']) await keep(store, P, record(key));
    const keys = await keysOf(scan, P);
    for (const [index, key] of keys.entries()) {
      expect(await keysOf(scan, P, key)).toEqual(keys.slice(index + 1));
    }
  });

  test('shows what fails its checksum, or is another key’s record, as damaged', async () => {
    const { store, scan } = await open();
    for (const key of ['a', 'b', 'c']) await keep(store, P, record(key));
    const bytes = Buffer.from(record('a').bytes);
    bytes.writeUInt8(bytes.readUInt8(30) ^ 1, 30);
    await store.batch([{ type: 'put', key: recordKey(1, P, 'a' as Key), value: bytes }]);
    await store.batch([
      { type: 'put', key: recordKey(1, P, 'b' as Key), value: record('elsewhere').bytes },
    ]);
    const { damaged, digests, extent } = await scan.contents(P, ring);
    expect(damaged).toEqual(['a', 'b']);
    expect(digests.records).toBe(1);
    expect(extent).toBe('whole');
  });

  test('breaks off when the node stops, and claims nothing of the rest', async () => {
    const { store, scan } = await open();
    for (let n = 0; n < 100; n++) await keep(store, P, record(`${n}`));
    const walk = scan.walk(P);
    expect((await walk.next()).done).toBe(false);
    const contents = scan.contents(P, ring);
    scan.close();
    await expect(walk.next()).rejects.toThrow(StoreReadError);
    expect((await contents).extent).toBe('unreadable');
  });

  test('says that a part of the disk cannot be read', async () => {
    const { store, scan } = await open();
    store.unreadable = true;
    expect(await scan.contents(P, ring)).toMatchObject({ extent: 'unreadable' });
    await expect(keysOf(scan, P)).rejects.toThrow(StoreReadError);
  });

  test('says that fewer keys are there than were counted', async () => {
    const { store } = await open();
    await store.batch([keepOwn(`count/${P}`, { values: 1, tombstones: 1 })]);
    for (const [key, extent] of [
      ['a', 'fewer'],
      ['b', 'whole'],
      ['c', 'whole'],
    ] as const) {
      await keep(store, P, record(key));
      const { scan } = await open(store);
      expect(await scan.contents(P, ring)).toMatchObject({ extent });
    }
  });

  test('reads fewer records at once when they are large, from the first on', async () => {
    const { store, scan } = await open();
    for (let n = 0; n < 40; n++) await keep(store, P, record(`key${n}`, 1, 300_000));
    expect((await scan.contents(P, ring)).digests.records).toBe(40);
    expect(store.largestPage).toBeLessThanOrEqual(2 * 300_100);
  });

  test('lets others have their turn every few milliseconds, however many walks there are', async () => {
    const { store, scan, clock } = await open();
    for (let n = 0; n < 400; n++) await keep(store, P, record(`key${n}`));
    let read = 0;
    store.onScan = () => {
      read += 1;
      clock.advance(1);
    };
    let walking = 3;
    const walks = Array.from({ length: walking }, async () => {
      await scan.contents(P, ring);
      walking -= 1;
    });
    const readInTurns: number[] = [];
    while (walking > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      if (clock.timers === 0) continue;
      readInTurns.push(read);
      read = 0;
      clock.advance(4);
    }
    await Promise.all(walks);
    expect(readInTurns.length).toBeGreaterThanOrEqual(10);
    // Two milliseconds, and what each of the walks had begun.
    expect(Math.max(...readInTurns)).toBeLessThanOrEqual(4);
  });
});

describe('the digests of a partition on disk', () => {
  test('are equal for equal records, and tell the leaf of the one that differs', async () => {
    const [one, other] = [await open(), await open()];
    for (let n = 0; n < 500; n++) {
      await keep(one.store, P, record(`key${n}`));
      await keep(other.store, P, record(`key${499 - n}`));
    }
    const contents = await one.scan.contents(P, ring);
    const same = await other.scan.contents(P, ring);
    expect(contents.digests.differingFrom(same.digests).size).toBe(0);
    expect(contents.digests.records).toBe(500);

    await keep(other.store, P, record('key7', 2));
    const changed = await other.scan.contents(P, ring);
    const leaf = Number(ring.tokenOf('key7' as Key) % BigInt(LEAVES));
    expect(contents.digests.differingFrom(changed.digests)).toEqual(new Set([leaf]));
  });
});

class TestStore extends MemoryStore {
  unreadable = false;
  largestPage = 0;
  onScan: () => void = () => undefined;

  override async scan(...args: Parameters<MemoryStore['scan']>) {
    if (this.unreadable) throw new StoreReadError('a page is damaged');
    this.onScan();
    const entries = await super.scan(...args);
    const bytes = entries.reduce((sum, { value }) => sum + value.length, 0);
    this.largestPage = Math.max(this.largestPage, bytes);
    return entries;
  }
}

async function open(store = new TestStore()) {
  const clock = new HandClock();
  const counts = await KeyCounts.open(store);
  return {
    store,
    clock,
    scan: new PartitionScan({ store, places: new RecordPlaces(1), counts, clock }),
  };
}

async function keysOf(scan: PartitionScan, partition: Partition, after?: Key): Promise<Key[]> {
  const keys: Key[] = [];
  for await (const page of scan.walk(partition, after)) keys.push(...page.map(({ key }) => key));
  return keys;
}

async function keep(store: MemoryStore, partition: Partition, sealed: SealedRecord) {
  const key = recordKey(1, partition, sealed.key);
  await store.batch([{ type: 'put', key, value: sealed.bytes }]);
}

function record(key: string, at = 1, valueBytes = 10): SealedRecord {
  const content = {
    type: 'value',
    value: new Uint8Array(valueBytes),
    contentType: 'text/plain',
    metadata: new Map<string, string>(),
  } as const;
  return sealRecord({ key: key as Key, version: versionAt(at), content });
}
