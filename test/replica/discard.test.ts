import { describe, expect, test } from 'vitest';
import type { Key, Partition } from '../../src/ids.ts';
import { KeyCounts } from '../../src/replica/key-counts.ts';
import { Scrub } from '../../src/replica/scrub.ts';
import { partitionRange, recordKey } from '../../src/storage/keys.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { type Change, StoreFullError, valueBytesOf } from '../../src/storage/store.ts';
import { type SealedRecord, sealRecord } from '../../src/version/record-codec.ts';
import { silentLog } from '../telemetry/silent-log.ts';
import { versionAt } from '../version/version-at.ts';
import { openReplica } from './open-replica.ts';

const P = 3 as Partition;
const OTHER = 7 as Partition;
const OVER = 0;
const MIB = 1024 * 1024;
const surplus = (): boolean => true;

describe('a partition that is given up', () => {
  test('leaves nothing on the disk but its neighbours, counts and marks included', async () => {
    const node = await filled(700);
    await node.lose('key3');
    await node.walk();
    expect(node.lossy.has(P)).toBe(true);
    expect(await node.discardAll()).toEqual(['more', 'more', 'all']);
    expect(await node.store.scan(partitionRange(1, P), 1)).toEqual([]);
    expect((await node.replica.read(OTHER, 'other' as Key)).state).toBe('record');
    const again = await open(node.store);
    expect(again.lossy.has(P)).toBe(false);
    expect(again.counts.partitions).toEqual([OTHER]);
    expect(node.replica.values).toBe(1);
  });

  test('is removed in small steps when its records are large, and read in small ones by a scrub', async () => {
    const node = await open();
    for (let n = 0; n < 12; n++) await node.replica.apply(P, large(`key${n}`), OVER);
    await node.walk();
    expect(node.store.largestPage).toBeLessThan(MIB + 1_000);
    const steps = await node.discardAll();
    expect(steps).toHaveLength(13);
    expect(node.store.largestPage).toBeLessThan(MIB + 1_000);
    expect(await node.store.scan(partitionRange(1, P), 1)).toEqual([]);
    expect((await open(node.store)).counts.partitions).toEqual([]);
  });

  test('is not missed by a scrub, wherever the two meet, nor what was lost of it before', async () => {
    for (let turns = 0; turns < 6; turns++) {
      const node = await filled(700);
      await node.lose('key3');
      for (let turn = 0; turn < turns; turn++) {
        if (turn % 2 === 0) await node.replica.discard(P, surplus);
        else await node.scrub.turn();
      }
      const before = node.counters.get('records_missing_total');
      await node.discardAll();
      await node.walk();
      expect(node.counters.get('records_missing_total')).toBe(before);
      const again = await open(node.store);
      await again.walk();
      expect(again.counters.get('records_missing_total')).toBe(0);
    }
  });

  test('is not missed after a crash between any two of its batches', async () => {
    const node = await filled(700);
    for (const expected of ['more', 'more', 'all']) {
      const again = await open(node.store);
      await again.walk();
      expect(again.counters.get('records_missing_total')).toBe(0);
      expect(await again.replica.discard(P, surplus)).toBe(expected);
    }
    const last = await open(node.store);
    await last.walk();
    expect(last.counters.get('records_missing_total')).toBe(0);
  });

  test('counts as before when a full disk refuses the removal', async () => {
    const node = await filled(100);
    node.store.full = true;
    await expect(node.replica.discard(P, surplus)).rejects.toThrow(StoreFullError);
    node.store.full = false;
    expect(node.counts.keys(P)).toBe(100);
    await node.lose('key3');
    await node.walk();
    expect(node.counters.get('records_missing_total')).toBeLessThanOrEqual(1);
  });

  test('stays when it is no surplus at that moment', async () => {
    const node = await filled(10);
    expect(await node.replica.discard(P, () => false)).toBe('kept');
    expect(await node.store.scan(partitionRange(1, P), 20)).toHaveLength(10);
  });

  test('takes a write that comes meanwhile only when the step is over, and keeps it', async () => {
    const node = await filled(10);
    const release = node.store.holdBatches();
    const removed = node.replica.discard(P, surplus);
    // Older than what is being removed: told "held" before the removal, it would be gone after it.
    const applied = node.replica.apply(P, record('key3', 1), OVER);
    const read = node.replica.read(P, 'key4' as Key);
    release();
    expect(await removed).toBe('all');
    expect(await applied).toEqual({ state: 'held', version: versionAt(1) });
    expect(await read).toEqual({ state: 'nothing' });
    expect((await node.replica.read(P, 'key3' as Key)).state).toBe('record');
    expect((await KeyCounts.open(node.store)).keys(P)).toBe(1);
  });
});

async function filled(count: number) {
  const node = await open();
  for (let n = 0; n < count; n++)
    await node.replica.apply(P, record(`key${n}`, 2, n % 5 === 0), OVER);
  await node.replica.apply(OTHER, record('other'), OVER);
  return node;
}

async function open(from = new TestStore()) {
  const { store, places, counts, lossy, counters, replica } = await openReplica(from);
  const onDamaged = (): void => undefined;
  const scrub = new Scrub({ store, places, counts, lossy, counters, log: silentLog, onDamaged });
  return {
    store,
    counters,
    counts,
    lossy,
    replica,
    scrub,
    /** The rest of a walk and a whole one after it. */
    async walk() {
      for (let turn = 0; turn < 6; turn++) await scrub.turn();
    },
    async discardAll() {
      const steps = [await replica.discard(P, surplus)];
      while (steps.at(-1) === 'more') steps.push(await replica.discard(P, surplus));
      return steps;
    },
    lose: (key: string) => store.batch([{ type: 'delete', key: recordKey(1, P, key as Key) }]),
  };
}

class TestStore extends MemoryStore {
  full = false;
  largestPage = 0;
  #held: Promise<void> | undefined;

  holdBatches(): () => void {
    let release = (): void => undefined;
    this.#held = new Promise((resolve) => (release = resolve));
    return release;
  }

  override async batch(changes: readonly Change[]): Promise<void> {
    if (this.full) throw new StoreFullError('full');
    await this.#held;
    return super.batch(changes);
  }

  override async scan(...args: Parameters<MemoryStore['scan']>) {
    const entries = await super.scan(...args);
    this.largestPage = Math.max(this.largestPage, valueBytesOf(entries));
    return entries;
  }
}

function large(key: string): SealedRecord {
  return record(key, 1, false, new Uint8Array(MIB));
}

function record(
  key: string,
  at = 1,
  tombstone = false,
  bytes: Uint8Array = Buffer.from('v'),
): SealedRecord {
  const value = {
    type: 'value',
    value: bytes,
    contentType: 'text/plain',
    metadata: new Map<string, string>(),
  } as const;
  const content = tombstone ? ({ type: 'tombstone' } as const) : value;
  return sealRecord({ key: key as Key, version: versionAt(at), content });
}
