import { describe, expect, test } from 'vitest';
import type { Address } from '../../src/ids.ts';
import { invariant } from '../../src/invariant.ts';
import { RingHolder } from '../../src/membership/ring-holder.ts';
import { changedRing, settledRing, withoutMissing } from '../../src/ring/next-ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { type Change, StoreFullError } from '../../src/storage/store.ts';
import { membersFrom, nodeId } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';
import { silentLog } from '../telemetry/silent-log.ts';

const SELF = nodeId(1);
const RING = ringOf(membersFrom(1, 4));

/** Calls `during` while a batch is on its way to the disk. */
class WatchedStore extends MemoryStore {
  during: () => void = () => undefined;

  override async batch(changes: readonly Change[]): Promise<void> {
    this.during();
    await super.batch(changes);
  }
}

describe('a node without which its cluster goes on', () => {
  test('is never without a ring and without the reason for it', async () => {
    const { store, rings } = await member();
    const seen: unknown[] = [];
    store.during = () => seen.push([rings.ring, rings.departure]);
    await rings.adopt(encodeRing(ringWithoutSelf()));
    expect(seen).toEqual([[undefined, 'replaced']]);
  });

  test('is a member until that is on its disk', async () => {
    const { store, rings } = await member();
    store.during = () => {
      throw new StoreFullError('no room');
    };
    await rings.adopt(encodeRing(ringWithoutSelf())); // it comes again
    expect([rings.ring?.epoch, rings.departure]).toEqual([RING.epoch, undefined]);
    store.during = () => undefined;
    await rings.adopt(encodeRing(ringWithoutSelf()));
    expect([rings.ring, rings.departure]).toEqual([undefined, 'replaced']);
  });
});

async function member(): Promise<{ store: WatchedStore; rings: RingHolder }> {
  const store = new WatchedStore();
  const rings = await RingHolder.open({
    store,
    supervisor: { fail: () => undefined, restart: () => undefined },
    log: silentLog,
    self: SELF,
    terms: {
      ...{ nodeName: 'node1', clusterName: RING.clusterName, zone: 'default', weight: 1 },
      ...{ address: () => 'node1:7400' as Address, founders: [], partitionCount: 16 },
      ...{ replicationFactor: 3, replicationFactorGiven: false },
      ...{ graceMs: RING.graceMs, lastSurvivor: 'use' },
    },
    onRing: () => undefined,
    onDeparture: () => undefined,
  });
  await rings.adopt(encodeRing(RING));
  return { store, rings };
}

function ringWithoutSelf() {
  const members = withoutMissing(RING.members, new Set([SELF]));
  const joint = changedRing(RING, { members });
  invariant(joint !== undefined, 'a ring that changes');
  return settledRing(joint);
}
