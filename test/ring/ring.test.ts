import { describe, expect, test } from 'vitest';
import type { Key, NodeId, Partition } from '../../src/ids.ts';
import { InvariantError } from '../../src/invariant.ts';
import { Ring } from '../../src/ring/ring.ts';
import { tokenOf } from '../../src/ring/token.ts';
import { member, membersFrom, nodeId } from './placement.ts';
import { jointRing, ringOf } from './sample-rings.ts';

const partitionsOf = (ring: Ring) => ring.assignment.map((_, number) => number as Partition);

describe('the first ring', () => {
  test('has epoch 1, all founders in order of their ids, and every partition on N of them', () => {
    const ring = ringOf([member(3), member(1), member(2), member(4)]);
    expect(ring.epoch).toBe(1);
    expect(ring.members.map(({ id }) => id)).toEqual([1, 2, 3, 4].map(nodeId));
    for (const partition of partitionsOf(ring)) expect(ring.replicasOf(partition)).toHaveLength(3);
  });

  test('of fewer founders than N puts every partition on all of them', () => {
    const ring = ringOf(membersFrom(1, 2));
    for (const partition of partitionsOf(ring)) {
      expect([...ring.replicasOf(partition)].sort()).toEqual([nodeId(1), nodeId(2)]);
    }
  });
});

describe('a ring', () => {
  test('places a key by its token under the hash seed of the cluster', () => {
    const ring = ringOf(membersFrom(1, 5));
    const key = 'somebody' as Key;
    expect(ring.tokenOf(key)).toBe(tokenOf(key, ring.hashSeed));
    expect(ring.partitionOf(key)).toBe(Number(ring.tokenOf(key) >> 60n)); // 16 partitions
  });

  test('at rest has one replica set for each partition', () => {
    const ring = ringOf(membersFrom(1, 5));
    for (const partition of partitionsOf(ring)) {
      expect(ring.replicaSets(partition)).toEqual([ring.assignment[partition]]);
      expect(ring.replicasOf(partition)).toEqual(ring.assignment[partition]);
    }
  });

  test('while joint has the old and the new set, and asks each replica of both once', () => {
    const ring = jointRing(ringOf(membersFrom(1, 4)), membersFrom(2, 4));
    for (const partition of partitionsOf(ring)) {
      const old = ring.assignment[partition] ?? [];
      const next = ring.next?.[partition] ?? [];
      expect(ring.replicaSets(partition)).toEqual([old, next]);
      const joined = next.filter((id) => !old.includes(id));
      expect(ring.replicasOf(partition)).toEqual([...old, ...joined]);
    }
  });

  test('knows who keeps a partition, in the old set or in the new one', () => {
    const ring = jointRing(ringOf(membersFrom(1, 4)), membersFrom(2, 4));
    for (const partition of partitionsOf(ring)) {
      for (const { id } of ring.members) {
        const inEither = ring.replicaSets(partition).some((set) => set.includes(id));
        expect(ring.keeps(id, partition)).toBe(inEither);
      }
    }
    expect(ring.keeps('ffffffffffffffff' as NodeId, 0 as Partition)).toBe(false);
  });

  test('counts the partitions that a node keeps', () => {
    const ring = ringOf(membersFrom(1, 6));
    expect(ring.members.map(({ id }) => ring.partitionsOf(id))).toEqual(Array(6).fill(8));
    expect(ring.partitionsOf(nodeId(99))).toBe(0);
  });

  test('finds a member by its id', () => {
    const ring = ringOf(membersFrom(1, 3));
    expect(ring.member(nodeId(2))?.name).toBe('node2');
    expect(ring.member(nodeId(99))).toBeUndefined();
  });

  test('has no other partitions than its own', () => {
    const ring = ringOf(membersFrom(1, 3));
    expect(() => ring.replicasOf(16 as Partition)).toThrow(InvariantError);
    expect(() => ring.replicaSets(-1 as Partition)).toThrow(InvariantError);
  });

  const sound = ringOf(membersFrom(1, 3));
  const one = nodeId(1);
  test.each([
    ['a replica twice in a set', { assignment: sound.assignment.map(() => [one, one]) }],
    ['a replica that is no member', { assignment: sound.assignment.map(() => [nodeId(9)]) }],
    ['too few or too many replicas', { assignment: sound.assignment.map(() => []) }],
    ['an assignment of another number of partitions', { assignment: sound.assignment.slice(1) }],
    ['an assignment of another number of partitions', { next: sound.assignment.slice(1) }],
    ['a partition count that is no power of two', { partitionCount: 12 }],
    ['a replication factor out of range', { replicationFactor: 8 }],
    ['members out of order, or one twice', { members: [...sound.members, member(1)] }],
    [
      'an address that is none',
      { members: sound.members.map((each) => ({ ...each, address: 'a\nb' })) },
    ],
    ['a weight out of range', { members: sound.members.map((each) => ({ ...each, weight: 0 })) }],
    [
      'a member that neither stays nor leaves',
      { members: sound.members.map((each) => ({ ...each, leaving: 'maybe' })) },
    ],
    ['a grace period out of range', { graceMs: 0 }],
    ['a recovery without a transition', { recovering: [0] }],
    ['recovering partitions in disorder', { next: sound.assignment, recovering: [3, 1] }],
    ['a hash seed beyond 64 bits', { hashSeed: 2n ** 64n }],
    ['an unreadable cluster name', { clusterName: 'red \u001b[31m' }],
  ])('cannot be made with %s', (flaw, parts) => {
    expect(() => new Ring({ ...sound, ...parts } as Ring)).toThrow(flaw);
  });
});
