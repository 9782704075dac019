import { describe, expect, test } from 'vitest';
import { Ring } from '../../src/ring/ring.ts';
import { changesBetween } from '../../src/ring/ring-change.ts';
import { membersFrom, nodeId } from './placement.ts';
import { jointRing, ringOf } from './sample-rings.ts';

const resting = ringOf(membersFrom(1, 4));

describe('the changes between two rings', () => {
  test('are none between a ring and itself, in whatever order replicas are preferred', () => {
    const assignment = resting.assignment.map((replicas) => replicas.toReversed());
    expect(changesBetween(resting, new Ring({ ...resting, assignment }))).toEqual([]);
  });

  test('name for each partition who gained it and who lost it', () => {
    const assignment = resting.assignment.map((replicas, partition) =>
      partition === 5 ? [nodeId(1), nodeId(2)] : partition === 9 ? [nodeId(4)] : replicas,
    );
    const before = new Ring({ ...resting, assignment });
    const after = new Ring({
      ...resting,
      assignment: assignment.map((replicas, partition) =>
        partition === 5
          ? [nodeId(3), nodeId(2)]
          : partition === 9
            ? [nodeId(4), nodeId(1)]
            : replicas,
      ),
    });
    expect(changesBetween(before, after)).toEqual([
      { partition: 5, gained: [nodeId(3)], lost: [nodeId(1)] },
      { partition: 9, gained: [nodeId(1)], lost: [] },
    ]);
  });

  test('from rest to joint are only gains, from joint to the new ring only losses', () => {
    const joint = jointRing(resting, membersFrom(2, 4));
    const settled = new Ring({
      ...joint,
      members: membersFrom(2, 4),
      assignment: joint.next ?? [],
      next: undefined,
    });
    const gains = changesBetween(resting, joint);
    const losses = changesBetween(joint, settled);
    expect(gains.flatMap(({ lost }) => lost)).toEqual([]);
    expect(losses.flatMap(({ gained }) => gained)).toEqual([]);
    expect(losses.flatMap(({ lost }) => lost)).toContain(nodeId(1));
    expect(gains.length).toBeGreaterThan(0);
  });
});
