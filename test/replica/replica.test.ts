import { describe, expect, test } from 'vitest';
import type { Key, Partition } from '../../src/ids.ts';
import { KeyCounts } from '../../src/replica/key-counts.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import {
  type Change,
  type Store,
  StoreFullError,
  StoreReadError,
} from '../../src/storage/store.ts';
import { type SealedRecord, sealRecord } from '../../src/version/record-codec.ts';
import { versionAt } from '../version/version-at.ts';
import { openReplica } from './open-replica.ts';

const PLACES = new RecordPlaces(1);
const P = 3 as Partition;
const K = 'k' as Key;
/** Deadline of a request that is over: its write has reached whom it could. */
const OVER = 0;

describe('a replica', () => {
  test('keeps the higher version, in whatever order two records arrive', async () => {
    for (const order of [
      [1, 2],
      [2, 1],
    ]) {
      const { replica } = await newReplica();
      for (const at of order) await replica.apply(P, value(at), OVER);
      expect(await replica.read(P, K)).toMatchObject({ record: { version: versionAt(2) } });
    }
  });

  test('answers an older write with the version that it keeps instead', async () => {
    const { replica } = await newReplica();
    await replica.apply(P, value(2), OVER);
    expect(await replica.apply(P, value(1), OVER)).toEqual({
      state: 'held',
      version: versionAt(2),
    });
  });

  test('writes nothing when a record comes twice', async () => {
    const { replica, store } = await newReplica();
    await replica.apply(P, value(1), OVER);
    store.batches.length = 0;
    await replica.apply(P, value(1), OVER);
    expect(store.batches).toHaveLength(0);
  });

  test('keeps many records of a partition by one batch, and what is newer or damaged as it is', async () => {
    const { replica, store } = await newReplica();
    const named = (key: string, at: number) => value(at, key as Key);
    await replica.apply(P, named('newer', 5), OVER);
    await replica.apply(P, named('unsound', 1), OVER);
    await store.batch([
      { type: 'put', key: PLACES.at(P, 'unsound' as Key), value: Buffer.from('nonsense') },
    ]);
    store.batches.length = 0;
    const left = await replica.applyAll(P, [
      named('a', 1),
      named('newer', 2),
      named('unsound', 3),
      named('b', 1),
    ]);
    expect([...left]).toEqual(['unsound']);
    expect(store.batches).toHaveLength(1);
    for (const [key, at] of [
      ['a', 1],
      ['b', 1],
      ['newer', 5],
    ] as const)
      expect(await replica.read(P, key as Key)).toMatchObject({
        record: { version: versionAt(at) },
      });
    expect(replica.values).toBe(4);
    expect([replica.applies, replica.queuedKeys, replica.unsyncedKeys]).toEqual([0, 0, 0]);
  });

  test('keeps the higher version of one written alone and one among many, whichever is first', async () => {
    for (const aloneIsFirst of [true, false]) {
      const { replica, store } = await newReplica();
      const release = store.holdReads();
      const both = [
        () => replica.apply(P, value(2), OVER),
        () => replica.applyAll(P, [value(1), value(1, 'other' as Key)]),
      ];
      const done = (aloneIsFirst ? both : both.reverse()).map((write) => write());
      await settled();
      release();
      await Promise.all(done);
      expect(await replica.read(P, K)).toMatchObject({ record: { version: versionAt(2) } });
      expect(replica.values).toBe(2);
    }
  });

  test('keeps none of many records that the disk has no room for', async () => {
    const { replica, store } = await newReplica();
    store.failNextBatch(new StoreFullError('full'));
    await expect(replica.applyAll(P, [value(1), value(1, 'b' as Key)])).rejects.toThrow(
      StoreFullError,
    );
    expect(replica.values).toBe(0);
    expect(await replica.read(P, K)).toEqual({ state: 'nothing' });
  });

  test('acknowledges only after the sync, and shows nothing before it', async () => {
    const { replica, store } = await newReplica();
    const release = store.holdBatches();
    let acknowledged = false;
    const applied = replica.apply(P, value(1), OVER).then(() => (acknowledged = true));
    await settled();
    expect(acknowledged).toBe(false);
    expect((await replica.read(P, K)).state).toBe('nothing');
    release();
    await applied;
    expect((await replica.read(P, K)).state).toBe('record');
  });

  test('lets an older record wait for the sync of the newer one that beats it', async () => {
    const { replica, store } = await newReplica();
    const release = store.holdBatches();
    const newer = replica.apply(P, value(2), OVER);
    let answered = false;
    const older = replica.apply(P, value(1), OVER).then((applied) => {
      answered = true;
      return applied;
    });
    await settled();
    expect(answered).toBe(false);
    release();
    await newer;
    expect(await older).toEqual({ state: 'held', version: versionAt(2) });
  });

  test('still knows a record on its way to the disk when the disk has no room for a later one', async () => {
    const { replica, store } = await newReplica();
    const release = store.holdBatches();
    const first = replica.apply(P, value(2), OVER);
    await settled();
    store.failNextBatch(new StoreFullError('full'));
    await expect(replica.apply(P, value(3), OVER)).rejects.toThrow(StoreFullError);
    const older = replica.apply(P, value(1), OVER).catch(() => undefined);
    await settled();
    release();
    await Promise.all([first, older]);
    expect(await replica.read(P, K)).toMatchObject({ record: { version: versionAt(2) } });
  });

  test('counts values and tombstones, across a restart too', async () => {
    const { replica, store } = await newReplica();
    await replica.apply(P, value(1, 'a' as Key), OVER);
    await replica.apply(P, value(1, 'b' as Key), OVER);
    await replica.apply(P, value(2, 'b' as Key), OVER);
    expect(replica.values).toBe(2);
    await replica.apply(P, tombstone(3, 'a' as Key), OVER);
    expect(replica.values).toBe(1);
    expect((await KeyCounts.open(store)).values).toBe(1);
  });

  test('does not count what a full disk refused', async () => {
    const { replica, store } = await newReplica();
    store.failNextBatch(new StoreFullError('full'));
    await expect(replica.apply(P, value(1), OVER)).rejects.toThrow(StoreFullError);
    expect(replica.values).toBe(0);
    await replica.apply(P, value(1), OVER);
    expect(replica.values).toBe(1);
  });

  test('raises an alarm when one version stands for two records, and keeps the same one anywhere', async () => {
    const { replica, counters } = await newReplica();
    const other = await newReplica();
    const [one, two] = [value(1, K, 'one'), value(1, K, 'two')];
    await replica.apply(P, one, OVER);
    await replica.apply(P, two, OVER);
    await other.replica.apply(P, two, OVER);
    await other.replica.apply(P, one, OVER);
    expect(await replica.read(P, K)).toEqual(await other.replica.read(P, K));
    expect(counters.get('records_conflicting_total')).toBe(1);
  });
});

describe('a damaged record', () => {
  test('is a failed answer, never "nothing"', async () => {
    for (const damage of [flip, cutOff, misplace, unreadable]) {
      const { replica, store, counters } = await newReplica();
      await replica.apply(P, value(1), OVER);
      await damage(store);
      expect((await replica.read(P, K)).state).toBe('damaged');
      expect(counters.get('records_damaged_total')).toBe(1);
    }
  });

  test('is not overwritten by a write: it could have been newer and acknowledged', async () => {
    const { replica, store } = await newReplica();
    await replica.apply(P, value(1), OVER);
    await flip(store);
    expect(await replica.apply(P, value(2), OVER)).toEqual({ state: 'damaged' });
    expect((await replica.read(P, K)).state).toBe('damaged');
  });

  test('is healed by what the other replicas hold together', async () => {
    const { replica, store, counters } = await newReplica();
    await replica.apply(P, value(1), OVER);
    await flip(store);
    await replica.heal(P, K, value(2), replica.ticket(), OVER);
    expect(await replica.read(P, K)).toMatchObject({ record: { version: versionAt(2) } });
    expect(counters.get('records_healed_total')).toBe(1);
    expect(replica.values).toBe(1);
  });

  test('is removed when the other replicas hold nothing', async () => {
    const { replica, store } = await newReplica();
    await replica.apply(P, value(1), OVER);
    await flip(store);
    await replica.heal(P, K, undefined, replica.ticket(), OVER);
    expect((await replica.read(P, K)).state).toBe('nothing');
    expect(replica.values).toBe(0);
  });

  test('is healed once: a late healing is merged like any record, or changes nothing', async () => {
    const { replica } = await newReplica();
    await replica.apply(P, value(2), OVER);
    await replica.heal(P, K, value(1), replica.ticket(), OVER);
    await replica.heal(P, K, undefined, replica.ticket(), OVER);
    expect(await replica.read(P, K)).toMatchObject({ record: { version: versionAt(2) } });
  });

  test('is not healed by less than was acknowledged here, while that may be on its way to the others', async () => {
    const { replica, store, clock } = await newReplica();
    await replica.apply(P, value(2), 1_000);
    await flip(store);
    expect(await replica.heal(P, K, value(1), replica.ticket(), 1_000)).toBe(false);
    expect(await replica.heal(P, K, undefined, replica.ticket(), 1_000)).toBe(false);
    expect((await replica.read(P, K)).state).toBe('damaged');
    clock.advance(1_000);
    expect(await replica.heal(P, K, value(1), replica.ticket(), 2_000)).toBe(true);
    expect(await replica.read(P, K)).toMatchObject({ record: { version: versionAt(1) } });
  });
});

describe('a healing', () => {
  test('counts by the moment when the others were asked, however late it arrives', async () => {
    const { replica, store, clock } = await newReplica();
    await replica.apply(P, value(2), 1_000);
    await flip(store);
    const early = replica.ticket();
    clock.advance(5_000);
    expect(await replica.heal(P, K, value(1), early, 6_000)).toBe(false);
    expect(await replica.heal(P, K, value(1), replica.ticket(), 6_000)).toBe(true);
  });

  test('does not go below what a reader was told, who counts it with what others tell', async () => {
    const { replica, store, clock } = await newReplica();
    await replica.apply(P, value(2), OVER);
    await replica.tell(P, K, 1_000);
    await flip(store);
    const early = replica.ticket();
    clock.advance(5_000);
    expect(await replica.heal(P, K, value(1), early, 6_000)).toBe(false);
    expect(await replica.heal(P, K, value(1), replica.ticket(), 6_000)).toBe(true);
  });

  test('waits after a start for what a life before told its readers, too', async () => {
    const { replica, store } = await newReplica();
    await replica.apply(P, value(2), 1_000);
    await replica.tell(P, K, 30_000);
    await flip(store);
    const next = await newReplica(store, 'second');
    next.clock.advance(29_000);
    expect(await next.replica.heal(P, K, value(1), next.replica.ticket(), 60_000)).toBe(false);
    next.clock.advance(31_000);
    expect(await next.replica.heal(P, K, value(1), next.replica.ticket(), 90_000)).toBe(true);
  });

  test('lets readers go on where the disk is too full to note how long they ask', async () => {
    const { replica, store } = await newReplica();
    await replica.apply(P, value(2), 1_000);
    store.batch = () => Promise.reject(new StoreFullError('no room'));
    expect(await replica.tell(P, K, 30_000)).toMatchObject({ state: 'record' });
  });

  test('by those who have met what was acknowledged may come as early as it likes', async () => {
    const { replica, store } = await newReplica();
    await replica.apply(P, value(2), 1_000);
    await flip(store);
    expect(await replica.heal(P, K, value(2), replica.ticket(), 6_000)).toBe(true);
  });

  test('is refused when nobody remembers any more what was acknowledged: too late, or of a life that has ended', async () => {
    const { replica, store, clock } = await newReplica();
    await replica.apply(P, value(1), OVER);
    await flip(store);
    const ticket = replica.ticket();
    expect(await replica.heal(P, K, value(1), { ...ticket, life: 'another' }, OVER)).toBe(false);
    expect(await replica.heal(P, K, value(1), { ...ticket, foundMs: 1 }, OVER)).toBe(false);
    clock.advance(10_001);
    expect(await replica.heal(P, K, value(1), ticket, OVER)).toBe(false);
    expect((await replica.read(P, K)).state).toBe('damaged');
    expect(await replica.heal(P, K, value(1), replica.ticket(), OVER)).toBe(true);
  });

  test('waits after a restart for the requests of the life before', async () => {
    const { replica, store } = await newReplica();
    await replica.apply(P, value(2), 4_000);
    await flip(store);
    const { replica: again, clock } = await newReplica(store, 'second');
    const early = again.ticket();
    expect(await again.heal(P, K, value(1), early, 1_000)).toBe(false);
    clock.advance(4_000);
    expect(await again.heal(P, K, value(1), early, 5_000)).toBe(false);
    expect(await again.heal(P, K, value(2), again.ticket(), 5_000)).toBe(true);
  });
});

describe('the count of keys', () => {
  test('is never more than there are, on disk either, though a full disk refuses a write in between', async () => {
    const { replica, store } = await newReplica();
    const release = store.holdBatches();
    const before = replica.apply(P, value(1, 'a' as Key), OVER);
    await settled();
    store.failNextBatch(new StoreFullError('full'));
    const refused = replica.apply(P, value(1, 'b' as Key), OVER);
    const after = replica.apply(P, value(1, 'c' as Key), OVER);
    await expect(refused).rejects.toThrow(StoreFullError);
    release();
    await Promise.all([before, after]);
    expect(replica.values).toBe(2);
    expect((await KeyCounts.open(store)).keys(P)).toBeLessThanOrEqual(2);
  });
});

function value(at: number, key = K, text = 'v'): SealedRecord {
  const content = {
    type: 'value',
    value: Buffer.from(text),
    contentType: 'text/plain',
    metadata: new Map<string, string>(),
  } as const;
  return sealRecord({ key, version: versionAt(at), content });
}

function tombstone(at: number, key = K): SealedRecord {
  return sealRecord({ key, version: versionAt(at), content: { type: 'tombstone' } });
}

async function flip(store: TestStore): Promise<void> {
  const bytes = Buffer.from((await store.get(PLACES.at(P, K))) ?? []);
  bytes.writeUInt8(bytes.readUInt8(30) ^ 1, 30);
  await store.batch([{ type: 'put', key: PLACES.at(P, K), value: bytes }]);
}

async function cutOff(store: TestStore): Promise<void> {
  const bytes = (await store.get(PLACES.at(P, K))) ?? new Uint8Array();
  await store.batch([{ type: 'put', key: PLACES.at(P, K), value: bytes.subarray(0, -1) }]);
}

async function misplace(store: TestStore): Promise<void> {
  const bytes = value(9, 'another' as Key).bytes;
  await store.batch([{ type: 'put', key: PLACES.at(P, K), value: bytes }]);
}

async function unreadable(store: TestStore): Promise<void> {
  store.failReads(new StoreReadError('a page is damaged'));
}

function newReplica(store = new TestStore(), life = 'first') {
  return openReplica(store, life);
}

/** A memory store whose syncs can be held up and whose calls can be made to fail. */
class TestStore extends MemoryStore implements Store {
  readonly batches: (readonly Change[])[] = [];
  #held: Promise<void> | undefined;
  #heldReads: Promise<void> | undefined;
  #nextFailure: Error | undefined;
  #readFailure: Error | undefined;

  holdBatches(): () => void {
    let release = (): void => undefined;
    this.#held = new Promise((resolve) => (release = resolve));
    return release;
  }

  /** Reads wait until what this returns is called. */
  holdReads(): () => void {
    let release = (): void => undefined;
    this.#heldReads = new Promise((resolve) => (release = resolve));
    return release;
  }

  failNextBatch(error: Error): void {
    this.#nextFailure = error;
  }

  failReads(error: Error): void {
    this.#readFailure = error;
  }

  override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#readFailure !== undefined) throw this.#readFailure;
    await this.#heldReads;
    return super.get(key);
  }

  override async batch(changes: readonly Change[]): Promise<void> {
    const failure = this.#nextFailure;
    this.#nextFailure = undefined;
    if (failure !== undefined) throw failure;
    this.batches.push(changes);
    await this.#held;
    await super.batch(changes);
  }
}

/** Everything that can go on without the outside has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
