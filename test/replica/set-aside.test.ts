import { describe, expect, test } from 'vitest';
import type { Key, Partition } from '../../src/ids.ts';
import { openIdentity } from '../../src/membership/identity.ts';
import { KeyCounts } from '../../src/replica/key-counts.ts';
import { LossyPartitions } from '../../src/replica/lossy-partitions.ts';
import { setAsideIfDeparted } from '../../src/replica/set-aside.ts';
import { VersionClock } from '../../src/replica/version-clock.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { keepOwn, readOwn } from '../../src/storage/own-state.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import { type Change, StoreFailedError, valueBytesOf } from '../../src/storage/store.ts';
import { openSealed, type SealedRecord, sealRecord } from '../../src/version/record-codec.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { silentLog } from '../telemetry/silent-log.ts';
import { versionAt } from '../version/version-at.ts';

const P = 3 as Partition;
const FIRST = new RecordPlaces(1);
const SECOND = new RecordPlaces(2);
/** What was learnt of the cluster that goes on; its form is the membership's business. */
const FORMER = { clusterName: 'c' };

describe('a node that departed', () => {
  test('keeps its records aside, and begins with none', async () => {
    const store = await departedStore();
    await setAsideIfDeparted(store, silentLog);
    const places = await RecordPlaces.open(store);
    expect(await keysIn(store, places)).toEqual([]);
    expect(await keysIn(store, places.other)).toEqual(['a', 'b']);
    expect(await readOwn(store, 'aside')).toEqual(FORMER);
  });

  test('is another node, which remembers no ring, votes, counts or losses', async () => {
    const store = await departedStore();
    const before = await openIdentity(store, new SeededRandom(1, 'before'));
    await setAsideIfDeparted(store, silentLog);
    const after = await openIdentity(store, new SeededRandom(2, 'after'));
    expect(after.nodeId).not.toBe(before.nodeId);
    expect(after.incarnation).toBe(1);
    for (const name of ['ring', 'votes', 'departed', 'count/3', 'lossy/3'] as const)
      expect(await readOwn(store, name), name).toBeUndefined();
    expect((await KeyCounts.open(store)).partitions).toEqual([]);
    expect((await LossyPartitions.open(store, 0)).has(P)).toBe(false);
  });

  test('draws no version below those of its former life', async () => {
    const store = await departedStore();
    await setAsideIfDeparted(store, silentLog);
    const { nodeId: node, incarnation } = await openIdentity(store, new SeededRandom(1, 'after'));
    const versions = await VersionClock.open({ node, incarnation, clock: new HandClock(), store });
    expect(versions.latestMs).toBe(5_000);
  });

  test('still knows what it was started with before: it did not come to ask for that', async () => {
    const store = await departedStore();
    await setAsideIfDeparted(store, silentLog);
    expect(await readOwn(store, 'ring/started-with')).toEqual({ replicationFactor: 3 });
  });

  test('does all of this once: the next start leaves everything as it is', async () => {
    const store = await departedStore();
    await setAsideIfDeparted(store, silentLog);
    await setAsideIfDeparted(store, silentLog);
    expect((await RecordPlaces.open(store)).generation).toBe(2);
    expect(await keysIn(store, FIRST)).toEqual(['a', 'b']);
  });

  test('takes along what was not offered yet when it is replaced again', async () => {
    const store = await departedStore();
    await setAsideIfDeparted(store, silentLog);
    await store.batch([
      put(SECOND, record('b', 9)),
      put(SECOND, record('c', 2)),
      { type: 'put', key: FIRST.at(P, 'rotten' as Key), value: Uint8Array.of(1, 2, 3) },
      keepOwn('departed', { clusterName: 'c', again: true }),
    ]);
    await setAsideIfDeparted(store, silentLog);
    expect((await RecordPlaces.open(store)).generation).toBe(1);
    expect(await keysIn(store, FIRST)).toEqual([]);
    expect(await versionsIn(store, SECOND)).toEqual({
      a: versionAt(1),
      b: versionAt(9),
      c: versionAt(2),
    });
    expect(await readOwn(store, 'aside')).toEqual({ clusterName: 'c', again: true });
  });

  test('reads large records a few at a time when it takes them along', async () => {
    const store = await departedStore(new WatchedStore());
    await setAsideIfDeparted(store, silentLog);
    for (let n = 0; n < 8; n++) {
      const { bytes } = record(`large ${n}`, 1, 400_000);
      await store.batch([{ type: 'put', key: FIRST.at(P, `large ${n}` as Key), value: bytes }]);
    }
    await store.batch([keepOwn('departed', FORMER)]);
    await setAsideIfDeparted(store, silentLog);
    expect(store.largestPage).toBeLessThan(1_000_000);
    expect(await keysIn(store, SECOND)).toHaveLength(10);
  });

  test('takes the newer one along, and the sound one where the other is damaged', async () => {
    const store = await departedStore();
    await setAsideIfDeparted(store, silentLog);
    await store.batch([
      put(FIRST, record('a', 7)),
      put(SECOND, record('a', 2)),
      { type: 'put', key: SECOND.at(P, 'b' as Key), value: Uint8Array.of(1, 2, 3) },
      keepOwn('departed', FORMER),
    ]);
    await setAsideIfDeparted(store, silentLog);
    expect(await versionsIn(store, SECOND)).toEqual({ a: versionAt(7), b: versionAt(1) });
  });

  test('loses no record and is not both nodes at once, wherever a crash interrupts it', async () => {
    for (let batches = 0; ; batches++) {
      const store = new CrashingStore();
      await twiceDeparted(store);
      store.batchesLeft = batches;
      const crashed = await setAsideIfDeparted(store, silentLog).then(
        () => false,
        () => true,
      );
      store.batchesLeft = Number.POSITIVE_INFINITY;
      const departed = (await readOwn(store, 'departed')) !== undefined;
      expect((await readOwn(store, 'identity')) !== undefined).toBe(departed);
      await setAsideIfDeparted(store, silentLog); // the next start
      const places = await RecordPlaces.open(store);
      expect(await keysIn(store, places)).toEqual([]);
      expect(Object.keys(await versionsIn(store, places.other))).toHaveLength(251);
      if (!crashed) {
        expect(batches).toBeGreaterThan(2);
        return;
      }
    }
  });
});

test('a node that is a member is left alone', async () => {
  const store = await departedStore();
  await store.batch([{ type: 'delete', key: Buffer.from('\0departed') }]);
  const before = await store.scan({ start: Uint8Array.of(0), end: Uint8Array.of(3) }, 100);
  await setAsideIfDeparted(store, silentLog);
  expect(await store.scan({ start: Uint8Array.of(0), end: Uint8Array.of(3) }, 100)).toEqual(before);
});

/** A node with two records that has learnt that it was replaced. */
async function departedStore<Disk extends MemoryStore>(
  store: Disk = new MemoryStore() as Disk,
): Promise<Disk> {
  await store.batch([
    keepOwn('identity', { nodeId: 'a'.repeat(16), incarnation: 4 }),
    keepOwn('ring', { base64: '' }),
    keepOwn('votes', {}),
    keepOwn('clock-bound', { boundMs: 5_000 }),
    keepOwn('ring/started-with', { replicationFactor: 3 }),
    keepOwn('count/3', { values: 2, tombstones: 0 }),
    keepOwn('lossy/3', {}),
    keepOwn('departed', FORMER),
    put(FIRST, record('a', 1)),
    put(FIRST, record('b', 1)),
  ]);
  return store;
}

/** Replaced for the second time, with more records left from the first than are moved at once. */
async function twiceDeparted(store: MemoryStore): Promise<void> {
  await departedStore(store);
  await setAsideIfDeparted(store, silentLog);
  for (let n = 0; n < 250; n++) await store.batch([put(FIRST, record(`left ${n}`, 1))]);
  await store.batch([
    { type: 'delete', key: FIRST.at(P, 'b' as Key) },
    keepOwn('identity', { nodeId: 'b'.repeat(16), incarnation: 1 }),
    keepOwn('departed', FORMER),
  ]);
}

class CrashingStore extends MemoryStore {
  batchesLeft = Number.POSITIVE_INFINITY;

  override async batch(changes: readonly Change[]): Promise<void> {
    if (this.batchesLeft === 0) throw new StoreFailedError('crashed');
    this.batchesLeft -= 1;
    return super.batch(changes);
  }
}

class WatchedStore extends MemoryStore {
  largestPage = 0;

  override async scan(...args: Parameters<MemoryStore['scan']>) {
    const entries = await super.scan(...args);
    this.largestPage = Math.max(this.largestPage, valueBytesOf(entries));
    return entries;
  }
}

function put(places: RecordPlaces, { key, bytes }: SealedRecord): Change {
  return { type: 'put', key: places.at(P, key), value: bytes };
}

function record(key: string, at: number, bytes = 0): SealedRecord {
  const value = { type: 'value', value: new Uint8Array(bytes), contentType: 'text/plain' } as const;
  const content =
    bytes === 0 ? ({ type: 'tombstone' } as const) : { ...value, metadata: new Map() };
  return sealRecord({ key: key as Key, version: versionAt(at), content });
}

async function keysIn(store: MemoryStore, places: RecordPlaces): Promise<readonly string[]> {
  return Object.keys(await versionsIn(store, places));
}

async function versionsIn(store: MemoryStore, places: RecordPlaces) {
  const entries = await store.scan(places.all, 1_000);
  const records = entries.map(({ value }) => openSealed(value));
  return Object.fromEntries(records.map((each) => [each?.key ?? 'damaged', each?.version]));
}
