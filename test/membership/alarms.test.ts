import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { alarmsOf, damagedCopies } from '../../src/membership/alarms.ts';
import { changedRing } from '../../src/ring/next-ring.ts';
import { Ring } from '../../src/ring/ring.ts';
import { membersFrom, nodeId } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';

describe('the alarms', () => {
  test('are silent when all is well, and when one of five is dead', () => {
    const ring = ringOf(membersFrom(1, 5));
    expect(alarmsIn(ring)).toEqual([]);
    expect(alarmsIn(ring, 5)).toEqual([]);
    expect(alarmsIn(ringOf(membersFrom(1, 3)), 3)).toEqual([]);
  });

  test('tell of fewer members than the replication factor', () => {
    const few = 'fewer members (2) than the replication factor (3): each keeps all keys';
    expect(alarmsIn(ringOf(membersFrom(1, 2)))).toEqual([few]);
    const members = membersFrom(1, 3).map((one) =>
      one.id === nodeId(3) ? ({ ...one, leaving: 'replaced' } as const) : one,
    );
    expect(alarmsIn(changed(ringOf(membersFrom(1, 3)), { members }), 3)).toEqual([few]);
  });

  test('tell of how many partitions no copy is alive, at rest and while the ring is joint', () => {
    const ring = ringOf(membersFrom(1, 5), { replicationFactor: 1 });
    const kept = ring.partitionsOf(nodeId(5));
    const alarm = `no copy of ${kept} of 16 partitions is on a living member: requests for their keys fail`;
    const remedy =
      'start node5 again with the old data, or, if gone for good: quorate node remove node5 --force';
    expect(alarmsIn(ring, 5)).toEqual([`${alarm}; ${remedy}`]);
    const members = ring.members.map((one) =>
      one.id === nodeId(5) ? ({ ...one, leaving: 'replaced' } as const) : one,
    );
    const joint = changed(ring, { members });
    expect(joint.next).toBeDefined();
    expect(alarmsIn(joint, 5)).toEqual([`${alarm}, and the transition waits; ${remedy}`]);
  });

  test('name all that are dead where no majority is left, as a forced removal wants it', () => {
    const ring = ringOf(membersFrom(1, 5), { replicationFactor: 1, partitionCount: 1 });
    const [keeper] = ring.assignment[0] ?? [];
    const others = [1, 2, 3, 4, 5].filter((number) => nodeId(number) !== keeper);
    const keeperNumber = [1, 2, 3, 4, 5].find((number) => nodeId(number) === keeper) ?? 0;
    const [one = 0, two = 0] = others;
    expect(alarmsIn(ring, keeperNumber, one)).toEqual([
      expect.stringContaining(`remove node${keeperNumber} --force`),
    ]);
    const names = [keeperNumber, one, two].sort().map((number) => `node${number}`);
    expect(alarmsIn(ring, keeperNumber, one, two)).toEqual([
      expect.stringContaining(`remove ${names.join(' ')} --force`),
    ]);
  });

  test('tell of partitions with too few copies, and whether what survives goes on by itself', () => {
    const ring = ringOf(membersFrom(1, 5));
    const [alarm] = alarmsIn(ring, 4, 5);
    expect(alarm).toMatch(/^too few copies of \d+ of 16 partitions are on living members/);
    expect(alarm).toContain('what survives goes on by itself after three grace periods (180 s), ');
    expect(alarm).toContain('; start node4, node5 again');
    const waiting = new Ring({ ...ring, lastSurvivor: 'wait' });
    const [waits] = alarmsIn(waiting, 4, 5);
    expect(waits).toContain('fail at the levels quorum and all; start node4, node5 again');
  });

  test('name members whose damaged copies nobody can heal, and who has to do something', () => {
    const ring = ringOf(membersFrom(1, 3));
    const unsound = new Map([
      [nodeId(1), 0],
      [nodeId(2), 5],
    ]);
    const [alarm, ...more] = damagedCopies(ring, unsound);
    expect(more).toEqual([]);
    expect(alarm).toMatch(/damaged copies of 5 partitions .* it goes on with what is left/);
    const waiting = damagedCopies(new Ring({ ...ring, lastSurvivor: 'wait' }), unsound);
    expect(waiting.join()).toContain('quorate node remove --force');
  });

  test('promise nothing by itself while replacement is frozen, or without a majority', () => {
    const dead = new Set([nodeId(2), nodeId(3)]);
    const three = alarmsOf({ ring: ringOf(membersFrom(1, 3)), dead, frozen: NOT_FROZEN });
    expect(three).toEqual([expect.not.stringContaining('what survives')]);
    const frozen = alarmsOf({
      ring: ringOf(membersFrom(1, 7)),
      dead,
      frozen: { replacement: true, survivors: true },
    });
    expect(frozen).toEqual([
      expect.stringContaining('replacement is frozen'),
      expect.not.stringContaining('what survives'),
    ]);
    const replacing = { replacement: false, survivors: true };
    const others = alarmsOf({ ring: ringOf(membersFrom(1, 7)), dead, frozen: replacing });
    expect(others).toEqual([expect.not.stringMatching('what survives|frozen')]);
  });
});

const NOT_FROZEN = { replacement: false, survivors: false };

function alarmsIn(ring: Ring, ...dead: readonly number[]): readonly string[] {
  return alarmsOf({ ring, dead: new Set<NodeId>(dead.map(nodeId)), frozen: NOT_FROZEN });
}

function changed(ring: Ring, wish: Parameters<typeof changedRing>[1]): Ring {
  const after = changedRing(ring, wish);
  if (after === undefined) throw new Error('nothing changes');
  return after;
}
