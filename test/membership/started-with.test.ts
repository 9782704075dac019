import { describe, expect, test } from 'vitest';
import type { Address } from '../../src/ids.ts';
import { invariant } from '../../src/invariant.ts';
import { RingHolder } from '../../src/membership/ring-holder.ts';
import { changedRing } from '../../src/ring/next-ring.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { type Change, StoreFullError } from '../../src/storage/store.ts';
import { membersFrom, nodeId } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';
import { silentLog } from '../telemetry/silent-log.ts';

const OF_3 = ringOf(membersFrom(1, 5));
const OF_2 = changedTo(2, OF_3);

describe('a replication factor given at a start', () => {
  test('is a wish at first, and none any more when the ring has it', async () => {
    const store = new MemoryStore();
    const first = await started(3, store);
    expect(first.startedWith.wish).toBe(3);
    await first.adopt(encodeRing(OF_3));
    expect(first.startedWith.wish).toBeUndefined();
    expect((await started(3, store)).startedWith.wish).toBeUndefined();
  });

  test('is none when the ring became another one since, however often it is given again', async () => {
    const store = await formed();
    await (await started(3, store)).adopt(encodeRing(OF_2));
    for (let again = 0; again < 3; again++)
      expect((await started(3, store)).startedWith.wish).toBeUndefined();
  });

  test('is a wish over any number of starts, when it is another one than before, until the ring has it', async () => {
    const store = await formed();
    for (let again = 0; again < 3; again++)
      expect((await started(2, store)).startedWith.wish).toBe(2);
    await (await started(2, store)).adopt(encodeRing(OF_2));
    expect((await started(2, store)).startedWith.wish).toBeUndefined();
    expect((await started(3, store)).startedWith.wish).toBe(3);
  });

  test('is a wish against a ring that was decided before the members were asked, and not one after', async () => {
    const store = await formed();
    const rings = await started(5, store);
    await rings.adopt(encodeRing(OF_2));
    expect(rings.startedWith.wish).toBe(5);
    rings.startedWith.noteAsked();
    await rings.adopt(encodeRing(changedTo(1, OF_2)));
    expect(rings.startedWith.wish).toBeUndefined();
    expect((await started(5, store)).startedWith.wish).toBeUndefined();
  });

  test('is settled in one batch with the ring that settles it, or not at all', async () => {
    const store = new FullStore();
    const rings = await started(3, store);
    store.isFull = true;
    await rings.adopt(encodeRing(OF_3));
    expect([rings.ring, rings.startedWith.wish]).toEqual([undefined, 3]);
    store.isFull = false;
    await rings.adopt(encodeRing(OF_3));
    expect(store.batches).toBe(1);
    expect((await started(3, store)).startedWith.wish).toBeUndefined();
  });

  test('is not one that was left out: that asks for nothing, and makes any other one a wish', async () => {
    const store = await formed();
    const { startedWith } = await started(undefined, store);
    expect(startedWith.wish).toBeUndefined();
    expect(startedWith.isSettledBy(OF_3, OF_3)).toBe(true);
    await startedWith.settle();
    expect(startedWith.isSettledBy(OF_3, OF_3)).toBe(false);
    expect((await started(3, store)).startedWith.wish).toBe(3);
  });
});

class FullStore extends MemoryStore {
  isFull = false;
  batches = 0;

  override async batch(changes: readonly Change[]): Promise<void> {
    if (this.isFull) throw new StoreFullError('no room');
    this.batches += 1;
    await super.batch(changes);
  }
}

/** The store of a node that was started with 3, as its ring has it. */
async function formed(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await (await started(3, store)).adopt(encodeRing(OF_3));
  return store;
}

function started(factor: number | undefined, store: MemoryStore): Promise<RingHolder> {
  return RingHolder.open({
    store,
    supervisor: { fail: () => undefined, restart: () => undefined },
    log: silentLog,
    self: nodeId(1),
    terms: {
      ...{ nodeName: 'node1', clusterName: OF_3.clusterName, zone: 'default', weight: 1 },
      ...{ address: () => 'node1:7400' as Address, founders: [], partitionCount: 16 },
      ...{ replicationFactor: factor ?? 3, replicationFactorGiven: factor !== undefined },
      ...{ graceMs: OF_3.graceMs, lastSurvivor: 'use' },
    },
    isHeld: async () => true,
    hasEnded: () => false,
    onRing: () => undefined,
    onDeparture: () => undefined,
  });
}

function changedTo(replicationFactor: number, ring: Ring): Ring {
  const changed = changedRing(ring, { replicationFactor });
  invariant(changed !== undefined, 'a ring that changes');
  return changed;
}
