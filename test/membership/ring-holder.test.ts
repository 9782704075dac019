import { describe, expect, test } from 'vitest';
import type { Address, Epoch, Lineage } from '../../src/ids.ts';
import { invariant } from '../../src/invariant.ts';
import { RingHolder } from '../../src/membership/ring-holder.ts';
import { forcedRing } from '../../src/ring/forced-ring.ts';
import { changedRing, renewedRing, settledRing, withoutMissing } from '../../src/ring/next-ring.ts';
import { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { type Change, StoreFullError } from '../../src/storage/store.ts';
import type { Log } from '../../src/telemetry/log.ts';
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

  test('remembers by which ring it served last', async () => {
    const { rings } = await member();
    expect(rings.lastHeld).toBe(rings.ring);
    const renewed = renewedRing(RING);
    await rings.adopt(encodeRing(renewed));
    await rings.adopt(
      encodeRing(new Ring({ ...ringWithoutSelf(), epoch: (renewed.epoch + 1) as Epoch })),
    );
    expect(rings.ring).toBeUndefined();
    expect(rings.lastHeld?.epoch).toBe(renewed.epoch);
  });
});

test('a member that learns of its lost disk as it takes a ring holds none afterwards', async () => {
  const { store, rings } = await member();
  let lost: Promise<void> | undefined;
  store.during = () => {
    store.during = () => undefined;
    lost = rings.loseDisk();
  };
  await rings.adopt(encodeRing(renewedRing(RING)));
  await lost;
  expect([rings.ring, rings.departure]).toEqual([undefined, 'replaced']);
});

describe('a member that is started with another zone', () => {
  test('is told that the ring goes on with the former one', async () => {
    const { store } = await member();
    const warnings: unknown[][] = [];
    const log = { ...silentLog, warn: (...said: unknown[]) => warnings.push(said) };
    await opened(store, log);
    expect(warnings).toEqual([]);
    await opened(store, log, { zone: 'elsewhere' });
    expect(warnings).toEqual([[expect.any(String), { settings: ['QUORATE_ZONE'] }]]);
  });
});

describe('a forced ring', () => {
  test('is taken by a member that it lists, whatever that took of the former lineage meanwhile', async () => {
    const { rings } = await member();
    const forced = forcedWithout(4);
    await rings.adopt(encodeRing(renewedRing(RING)));
    await rings.adopt(encodeRing(forced));
    expect(rings.ring).toEqual(forced);
    await rings.adopt(encodeRing(renewedRing(renewedRing(RING)))); // of those who are given up
    expect(rings.ring).toEqual(forced);
  });

  test('ends the membership of one that it does not list', async () => {
    const { rings } = await member();
    await rings.adopt(encodeRing(forcedWithout(1)));
    expect([rings.ring, rings.departure]).toEqual([undefined, 'replaced']);
  });

  test("ends nobody's membership while only few of those that it lists hold it", async () => {
    const { rings } = await member(silentLog, { isHeld: false });
    await rings.adopt(encodeRing(forcedWithout(1)));
    expect([rings.ring, rings.departure]).toEqual([RING, undefined]);
    await rings.adopt(encodeRing(forcedWithout(4))); // which lists it
    expect(rings.ring?.epoch).toBeGreaterThan(RING.epoch);
  });

  test('is not taken by one that voted for a ring that ends it', async () => {
    const { rings } = await member(silentLog, { hasEnded: true });
    await rings.adopt(encodeRing(forcedWithout(4)));
    expect(rings.ring).toEqual(RING);
    await rings.adopt(encodeRing(renewedRing(RING)));
    expect(rings.ring).toEqual(renewedRing(RING));
  });

  test('that does not go on from the lineage held is passed over, loudly', async () => {
    const errors: string[] = [];
    const { rings } = await member({ ...silentLog, error: (said) => errors.push(said) });
    await rings.adopt(encodeRing(forcedWithout(4)));
    const held = rings.ring;
    for (let told = 0; told < 2; told++) await rings.adopt(encodeRing(forcedWithout(1, 'c')));
    expect([rings.ring, rings.departure]).toEqual([held, undefined]);
    expect(errors).toEqual([
      expect.stringContaining('an operator forced this ring'),
      expect.stringContaining('forced twice'),
    ]);
  });
});

function forcedWithout(number: number, digit = 'b'): Ring {
  const gone = new Set([nodeId(number)]);
  const lineage = digit.repeat(16) as Lineage;
  const ring = forcedRing({ before: RING, gone, lineage, over: [], versionsAboveMs: 0 });
  invariant(ring !== undefined, 'somebody who is left');
  return ring;
}

async function member(
  log: Log = silentLog,
  { isHeld = true, hasEnded = false } = {},
): Promise<{ store: WatchedStore; rings: RingHolder }> {
  const store = new WatchedStore();
  const rings = await opened(store, log, { isHeld, hasEnded });
  await rings.adopt(encodeRing(RING));
  return { store, rings };
}

function opened(
  store: MemoryStore,
  log: Log = silentLog,
  { isHeld = true, hasEnded = false, zone = 'default' } = {},
): Promise<RingHolder> {
  return RingHolder.open({
    store,
    supervisor: { fail: () => undefined, restart: () => undefined },
    log,
    self: SELF,
    terms: {
      ...{ nodeName: 'node1', clusterName: RING.clusterName, zone, weight: 1 },
      ...{ address: () => 'node1:7400' as Address, founders: [], partitionCount: 16 },
      ...{ replicationFactor: 3, replicationFactorGiven: false },
      ...{ graceMs: RING.graceMs, lastSurvivor: 'use' },
    },
    isHeld: async () => isHeld,
    hasEnded: () => hasEnded,
    onRing: () => undefined,
    onDeparture: () => undefined,
  });
}

function ringWithoutSelf() {
  const members = withoutMissing(RING.members, new Set([SELF]));
  const joint = changedRing(RING, { members });
  invariant(joint !== undefined, 'a ring that changes');
  return settledRing(joint);
}
