import { describe, expect, test } from 'vitest';
import type { Key, Partition } from '../../src/ids.ts';
import { KeyCounts } from '../../src/replica/key-counts.ts';
import { Scrub } from '../../src/replica/scrub.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import { type Store, StoreFullError, StoreReadError } from '../../src/storage/store.ts';
import { type SealedRecord, sealRecord } from '../../src/version/record-codec.ts';
import { silentLog } from '../telemetry/silent-log.ts';
import { versionAt } from '../version/version-at.ts';
import { openReplica } from './open-replica.ts';

const PLACES = new RecordPlaces(1);
const P = 3 as Partition;
const OTHER = 7 as Partition;
const OVER = 0;

describe('a scrub', () => {
  test('finds nothing wrong while keys come, change, go and are refused', async () => {
    const node = await open();
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 40; n++) {
        const partition = n % 2 === 0 ? P : OTHER;
        await node.replica.apply(partition, record(`${round}/${n}`), OVER);
        if (n % 10 === 0)
          await node.replica.apply(partition, record(`${round}/${n}`, 2, true), OVER);
        if (n % 7 === 0) await node.scrub.turn();
      }
      await node.damage(P, `${round}/0`);
      await node.replica.heal(P, `${round}/0` as Key, undefined, node.replica.ticket(), OVER);
      await node.walk();
    }
    expect(node.counters.get('records_missing_total')).toBe(0);
    expect((await KeyCounts.open(node.store)).keys(P)).toBe(95);
  });

  test('counts what never was, and names its partition to those who look for what is to go', async () => {
    const node = await open();
    const place = PLACES.at(OTHER, 'uncounted' as Key);
    await node.store.batch([{ type: 'put', key: place, value: record('uncounted').bytes }]);
    const later = await open(node.store);
    await later.walk();
    await later.walk();
    const counts = await KeyCounts.open(node.store);
    expect([counts.partitions, counts.keys(OTHER)]).toEqual([[OTHER], 1]);
  });

  test('notices a record that is gone without a trace: from then on absence is damage', async () => {
    const node = await open();
    for (const key of ['a', 'b', 'c']) await node.replica.apply(P, record(key), OVER);
    await node.lose(P, 'b');
    await node.walk();
    expect(node.counters.get('records_missing_total')).toBe(1);
    expect(await node.stateOf(P, 'b')).toBe('damaged');
    expect(await node.stateOf(P, 'never written')).toBe('damaged');
    expect(await node.stateOf(P, 'a')).toBe('record');
    expect(await node.stateOf(OTHER, 'b')).toBe('nothing');
  });

  test('notices when a whole partition is gone', async () => {
    const node = await open();
    await node.replica.apply(P, record('a'), OVER);
    await node.replica.apply(OTHER, record('b'), OVER);
    await node.lose(P, 'a');
    await node.walk();
    expect(await node.stateOf(P, 'a')).toBe('damaged');
  });

  test('notices a record under the key of another: its own place may be empty', async () => {
    const node = await open();
    await node.replica.apply(P, record('a'), OVER);
    const { bytes } = record('b');
    await node.store.batch([{ type: 'put', key: PLACES.at(P, 'a' as Key), value: bytes }]);
    await node.walk();
    expect(node.damaged).toEqual(['a']);
    expect(await node.stateOf(P, 'b')).toBe('damaged');
  });

  test('names the keys whose records fail their checksum', async () => {
    const node = await open();
    for (const key of ['a', 'b', 'c']) await node.replica.apply(P, record(key), OVER);
    await node.damage(P, 'b');
    await node.walk();
    expect(node.damaged).toEqual(['b']);
    expect(node.counters.get('records_missing_total')).toBe(0);
  });

  test('does not forget the loss over a restart, and reports it once', async () => {
    const node = await open();
    for (const key of ['a', 'b']) await node.replica.apply(P, record(key), OVER);
    await node.lose(P, 'b');
    await node.walk();
    const again = await open(node.store);
    expect(await again.stateOf(P, 'b')).toBe('damaged');
    await again.walk();
    expect(again.counters.get('records_missing_total')).toBe(0);
  });

  test('notices what went missing while the node was down', async () => {
    const node = await open();
    for (const key of ['a', 'b']) await node.replica.apply(P, record(key), OVER);
    await node.lose(P, 'a');
    const again = await open(node.store);
    await again.walk();
    expect(await again.stateOf(P, 'a')).toBe('damaged');
  });

  test('misses the same records again when a full disk kept it from writing that down', async () => {
    const node = await open();
    for (const key of ['a', 'b']) await node.replica.apply(P, record(key), OVER);
    await node.lose(P, 'a');
    node.store.full = true;
    await expect(node.walk()).rejects.toThrow(StoreFullError);
    expect(await node.stateOf(P, 'a')).toBe('damaged');
    node.store.full = false;
    await node.walk();
    expect(await (await open(node.store)).stateOf(P, 'a')).toBe('damaged');
  });

  test('starts again when it was interrupted, and misses nothing that it had read', async () => {
    const node = await open();
    for (let n = 0; n < 10; n++) await node.replica.apply(P, record(`${n}`), OVER);
    for (let n = 0; n < 10; n++) await node.replica.apply(OTHER, record(`${n}`), OVER);
    // A record that was not counted makes the walk write, which the disk refuses.
    const { bytes } = record('uncounted');
    await node.store.batch([{ type: 'put', key: PLACES.at(P, 'uncounted' as Key), value: bytes }]);
    node.store.full = true;
    await expect(node.scrub.turn()).rejects.toThrow(StoreFullError);
    node.store.full = false;
    await node.walk();
    expect(node.counters.get('records_missing_total')).toBe(0);
  });

  test('counts what it cannot read as missing', async () => {
    const node = await open();
    await node.replica.apply(P, record('a'), OVER);
    node.store.unreadable = true;
    await node.walk();
    node.store.unreadable = false;
    expect(await node.stateOf(P, 'b')).toBe('damaged');
  });

  test('holds only the partition against the disk that cannot be read by itself', async () => {
    const node = await open();
    const partitions = [1, 3, 5, 7, 9] as Partition[];
    for (const partition of partitions) {
      for (let n = 0; n < 40; n++) await node.replica.apply(partition, record(`${n}`), OVER);
    }
    node.store.unreadableAt = PLACES.at(5 as Partition, '20' as Key);
    await node.walk();
    await node.lose(9 as Partition, '0');
    await node.walk(); // what lies behind the unreadable place is still walked through
    node.store.unreadableAt = undefined;
    const absent = partitions.map((partition) => node.stateOf(partition, 'never written'));
    expect(await Promise.all(absent)).toEqual([
      ...['nothing', 'nothing'],
      ...['damaged', 'nothing'],
      'damaged',
    ]);
    await node.walk();
    const counts = await KeyCounts.open(node.store);
    expect(partitions.map((partition) => counts.keys(partition))).toEqual([40, 40, 40, 40, 39]);
  });

  test('holds an error that passes against nobody', async () => {
    const node = await open();
    for (const partition of [P, OTHER]) await node.replica.apply(partition, record('a'), OVER);
    node.store.unreadable = true;
    await node.scrub.turn();
    node.store.unreadable = false;
    await node.walk();
    expect(await node.stateOf(P, 'b')).toBe('nothing');
    expect(await node.stateOf(OTHER, 'b')).toBe('nothing');
    expect(node.counters.get('records_missing_total')).toBe(0);
  });

  test('walks on page by page, so that one turn never reads everything', async () => {
    const node = await open();
    for (let n = 0; n < 1_200; n++) await node.replica.apply(P, record(`key${n}`), OVER);
    node.store.scanned = 0;
    await node.scrub.turn();
    expect(node.store.scanned).toBeGreaterThanOrEqual(500);
    expect(node.store.scanned).toBeLessThan(600);
    await node.lose(P, 'key999');
    await node.walk();
    expect(node.counters.get('records_missing_total')).toBe(1);
  });
});

describe('a lossy partition', () => {
  test('takes a key again when the others told what it held, or that it held nothing', async () => {
    const node = await lossy();
    expect(await node.replica.apply(P, record('b', 5), OVER)).toEqual({ state: 'damaged' });
    await node.replica.heal(P, 'b' as Key, record('b', 4), node.replica.ticket(), OVER);
    expect(await node.stateOf(P, 'b')).toBe('record');
    await node.replica.heal(P, 'new' as Key, undefined, node.replica.ticket(), OVER);
    expect(await node.stateOf(P, 'new')).toBe('nothing');
    expect(await node.replica.apply(P, record('new', 5), OVER)).toMatchObject({ state: 'held' });
    await node.walk();
    expect((await KeyCounts.open(node.store)).keys(P)).toBe(3);
    expect(node.counters.get('records_missing_total')).toBe(1);
  });

  test('notices a second loss', async () => {
    const node = await lossy();
    await node.replica.heal(P, 'new' as Key, undefined, node.replica.ticket(), OVER);
    await node.replica.apply(P, record('new', 5), OVER);
    await node.walk();
    await node.lose(P, 'new');
    await node.walk();
    expect(node.counters.get('records_missing_total')).toBe(2);
    expect(await node.stateOf(P, 'new')).toBe('damaged');
  });

  async function lossy() {
    const node = await open();
    for (const key of ['a', 'b']) await node.replica.apply(P, record(key), OVER);
    await node.lose(P, 'b');
    await node.walk();
    return node;
  }
});

async function open(from = new TestStore()) {
  const { store, places, counts, lossy, counters, replica } = await openReplica(from);
  const damaged: string[] = [];
  const onDamaged = (key: Key): void => void damaged.push(key);
  const scrub = new Scrub({ store, places, counts, lossy, counters, log: silentLog, onDamaged });
  return {
    store,
    counters,
    replica,
    scrub,
    damaged,
    /** Turns enough for the rest of a walk and a whole one after it. */
    async walk() {
      for (let turn = 0; turn < 6; turn++) await scrub.turn();
      damaged.splice(0, damaged.length, ...new Set(damaged));
    },
    async stateOf(partition: Partition, key: string) {
      return (await replica.read(partition, key as Key)).state;
    },
    lose: (partition: Partition, key: string) =>
      store.batch([{ type: 'delete', key: PLACES.at(partition, key as Key) }]),
    async damage(partition: Partition, key: string) {
      const place = PLACES.at(partition, key as Key);
      const bytes = Buffer.from((await store.get(place)) ?? []);
      bytes.writeUInt8(bytes.readUInt8(30) ^ 1, 30);
      await store.batch([{ type: 'put', key: place, value: bytes }]);
    },
  };
}

class TestStore extends MemoryStore implements Store {
  full = false;
  unreadable = false;
  /** A scan that would come across this place fails. */
  unreadableAt: Uint8Array | undefined;
  scanned = 0;

  override async batch(...[changes]: Parameters<MemoryStore['batch']>): Promise<void> {
    if (this.full) throw new StoreFullError('full');
    return super.batch(changes);
  }

  override async scan(...args: Parameters<MemoryStore['scan']>) {
    if (this.unreadable) throw new StoreReadError('a page is damaged');
    const entries = await super.scan(...args);
    const bad = this.unreadableAt;
    if (bad && entries.some(({ key }) => Buffer.compare(key, bad) === 0))
      throw new StoreReadError('a page is damaged');
    this.scanned += entries.length;
    return entries;
  }
}

function record(key: string, at = 1, tombstone = false): SealedRecord {
  const content = {
    type: 'value',
    value: Buffer.from('v'),
    contentType: 'text/plain',
    metadata: new Map<string, string>(),
  } as const;
  return sealRecord({
    key: key as Key,
    version: versionAt(at),
    content: tombstone ? { type: 'tombstone' } : content,
  });
}
