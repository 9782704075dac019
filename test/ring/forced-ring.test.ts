import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Epoch, Lineage, NodeId, Partition } from '../../src/ids.ts';
import { flawOfForced, forcedRing, partitionsWithoutCopy } from '../../src/ring/forced-ring.ts';
import { changedRing, settledRing, withoutMissing } from '../../src/ring/next-ring.ts';
import { inTransition } from '../../src/ring/pulls.ts';
import { Ring } from '../../src/ring/ring.ts';
import { decodeRing, encodeRing } from '../../src/ring/ring-codec.ts';
import { flawOfSuccession } from '../../src/ring/succession.ts';
import { member, membersFrom, nodeId } from './placement.ts';
import { jointRing, ringOf } from './sample-rings.ts';

const FIVE = ringOf(membersFrom(1, 5), { partitionCount: 32 });
/** A bound of versions. */
const AT_MS = 1_767_225_600_000;
const FORCED = lineage('b');

describe('a forced ring', () => {
  test('lists those who are left, and begins a lineage far above the former one', () => {
    const ring = forced(FIVE, [3, 4, 5]);
    expect(ring.members.map(({ name }) => name)).toEqual(['node1', 'node2']);
    expect(ring.epoch).toBeGreaterThan(FIVE.epoch + 1_000_000);
    expect([ring.lineage, ring.formers]).toEqual([FORCED, [FIVE.lineage]]);
    expect(flawOfForced(FIVE, ring)).toBeUndefined();
    expect(flawOfSuccession(FIVE, ring)).toBeDefined();
  });

  test('has what survives of each partition as its old set, all of which has to be pulled from', () => {
    const ring = forced(FIVE, [3, 4, 5]);
    for (const [number, old] of FIVE.assignment.entries()) {
      const survivors = old.filter((id) => ring.member(id) !== undefined);
      if (survivors.length > 0) expect(ring.assignment[number]).toEqual(survivors);
      expect(ring.recovering.includes(number as Partition)).toBe(survivors.length < old.length);
    }
  });

  test('begins anew what nothing survives of, and says how many partitions that are', () => {
    const gone = new Set([3, 4, 5].map(nodeId));
    const lost = partitionsWithoutCopy(FIVE, gone);
    const ring = forced(FIVE, [3, 4, 5]);
    expect(lost.length).toBeGreaterThan(0);
    for (const partition of lost) {
      expect(ring.assignment[partition]).toEqual(ring.next?.[partition]);
      expect(inTransition(ring, partition)).toBe(true); // what is left of earlier is brought together
    }
    expect(partitionsWithoutCopy(FIVE, new Set([nodeId(1)]))).toEqual([]);
  });

  test('counts those that were to have a partition among its survivors, in the midst of a transition', () => {
    const joint = jointRing(ringOf(membersFrom(1, 3)), membersFrom(2, 3));
    const settledVoters = new Ring({
      ...joint,
      members: joint.members.map((one) => ({ ...one, joining: false })),
    });
    const ring = forced(settledVoters, [1, 2]);
    for (const [number, survivors] of ring.assignment.entries()) {
      const may = new Set([
        ...(settledVoters.assignment[number] ?? []),
        ...(settledVoters.next?.[number] ?? []),
      ]);
      const left = [...may].filter((id) => ring.member(id) !== undefined);
      if (left.length > 0) expect([...survivors].sort()).toEqual(left.sort());
    }
  });

  test('leaves those out that have no vote yet, who come as new members', () => {
    const joint = changedRing(FIVE, {
      members: [...FIVE.members, { ...member(6), joining: true }],
    });
    expect(forced(joint ?? FIVE, [3, 4, 5]).member(nodeId(6))).toBeUndefined();
  });

  test('cannot be where nobody is left', () => {
    const gone = idsOf([1, 2, 3, 4, 5]);
    expect(
      forcedRing({ before: FIVE, gone, lineage: FORCED, over: [], versionsAboveMs: AT_MS }),
    ).toBeUndefined();
  });

  test('keeps those who were on their way out where nobody else is left', () => {
    const members = withoutMissing(FIVE.members, idsOf([1]));
    const leaving = changedRing(FIVE, { members }) ?? FIVE;
    const ring = forced(leaving, [2, 3, 4, 5]);
    expect(ring.members).toMatchObject([{ name: 'node1', leaving: 'no' }]);
    expect(flawOfForced(leaving, ring)).toBeUndefined();
    expect(forced(leaving, [3, 4, 5]).member(nodeId(1))?.leaving).toBe('replaced');
  });

  test('over one that was forced earlier, and may be in force somewhere, lies above that, too', () => {
    const earlier = forced(FIVE, [4, 5]);
    const ring = forcedRing({
      before: FIVE,
      gone: idsOf([3, 4, 5]),
      lineage: lineage('c'),
      over: [earlier],
      versionsAboveMs: AT_MS,
    });
    expect(ring?.epoch).toBeGreaterThan(earlier.epoch + 1_000_000);
    expect(ring?.formers).toEqual([earlier.lineage, FIVE.lineage]);
    expect(ring && flawOfForced(FIVE, ring)).toBeUndefined();
  });

  test('goes on from the last lineages only, however often it happens', () => {
    let ring = ringOf(membersFrom(1, 20));
    for (let number = 20; number > 2; number--) {
      const next = forcedRing({
        before: ring,
        gone: idsOf([number]),
        lineage: number.toString(16).padStart(16, '0') as Lineage,
        over: [],
        versionsAboveMs: AT_MS,
      });
      expect(next && flawOfForced(ring, next)).toBeUndefined();
      ring = next ?? ring;
    }
    expect(ring.formers).toHaveLength(16);
    expect(decodeRing(encodeRing(ring))).toEqual(ring);
  });

  test('says where those lived who were given up, until somebody lives there again', () => {
    const lived = [3, 4, 5].map((number) => member(number).address);
    const ring = forced(FIVE, [3, 4, 5]);
    expect(ring.givenUp).toEqual(lived);
    const settled = settledRing(ring);
    expect(settled.givenUp).toEqual(lived);
    const back = { ...member(9), address: member(4).address, joining: true };
    const joint = changedRing(settled, { members: [...settled.members, back] });
    expect(joint?.givenUp).toEqual(lived);
    expect(joint && settledRing(joint).givenUp).toEqual([lived[0], lived[2]]);
    expect(forced(settled, [2]).givenUp).toEqual([...lived, member(2).address]);
  });

  test.each([
    ['of the same lineage', { lineage: FIVE.lineage, formers: [] }],
    ['that does not name the former lineage', { formers: [lineage('d')] }],
    ['of the next epoch', { epoch: 2 as Epoch }],
    ['of another cluster', { clusterId: 'f'.repeat(32) as Ring['clusterId'] }],
    ['with another replication factor', { replicationFactor: 2 }],
    ['that is joint no more', { next: undefined, recovering: [] }],
    ['that recovers less', { recovering: [] }],
    ['that forgets where the others lived', { givenUp: [] }],
    ['that lets old versions win', { versionsAboveMs: AT_MS - 1 }],
  ])('%s is none', (_, parts) => {
    const before = new Ring({ ...FIVE, versionsAboveMs: AT_MS });
    const ring = forced(before, [3, 4, 5]);
    expect(flawOfForced(before, new Ring({ ...ring, ...parts }))).toBeDefined();
  });

  test('with a stranger, or with an old set that is not what survives, is none', () => {
    const ring = forced(FIVE, [3, 4, 5]);
    const members = [...ring.members, member(9)];
    expect(flawOfForced(FIVE, new Ring({ ...ring, members }))).toBeDefined();
    const assignment = ring.assignment.map(() => [nodeId(1)]);
    expect(flawOfForced(FIVE, new Ring({ ...ring, assignment }))).toBeDefined();
  });

  test('is sound and the same for all that draw it, whoever is gone', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 1, max: 7 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 8 }),
        fc.boolean(),
        (count, replicationFactor, numbers, isJoint) => {
          const rest = ringOf(membersFrom(1, count), { replicationFactor });
          const wish = { replicationFactor: (replicationFactor % 7) + 1 };
          const before = (isJoint ? changedRing(rest, wish) : undefined) ?? rest;
          const gone = idsOf(numbers);
          const ring = forcedRing({
            before,
            gone,
            lineage: FORCED,
            over: [],
            versionsAboveMs: AT_MS,
          });
          const isLeft = before.members.some(({ id }) => !gone.has(id));
          expect(ring !== undefined).toBe(isLeft);
          if (ring === undefined) return;
          expect(flawOfForced(before, ring)).toBeUndefined();
          expect(decodeRing(encodeRing(ring))).toEqual(ring);
        },
      ),
    );
  });
});

function forced(before: Ring, numbers: readonly number[]): Ring {
  const ring = forcedRing({
    before,
    gone: idsOf(numbers),
    lineage: FORCED,
    over: [],
    versionsAboveMs: AT_MS,
  });
  if (ring === undefined) throw new Error('nobody is left');
  return ring;
}

function idsOf(numbers: readonly number[]): ReadonlySet<NodeId> {
  return new Set(numbers.map(nodeId));
}

function lineage(digit: string): Lineage {
  return digit.repeat(16) as Lineage;
}
