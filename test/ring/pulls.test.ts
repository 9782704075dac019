import { describe, expect, test } from 'vitest';
import type { NodeId, Partition } from '../../src/ids.ts';
import { mustPull, partitionsToPull } from '../../src/ring/pulls.ts';
import { A, B, C, D, P, ringOf } from '../stabilizer/copies.ts';

const nodes = [A, B, C, D];
const pullers = (old: readonly NodeId[], wanted?: readonly NodeId[]): readonly NodeId[] => {
  const ring = ringOf(2, old, wanted);
  return nodes.filter((node) => mustPull(ring, node, P));
};

describe('a partition is pulled', () => {
  test('by every replica of a wanted set that differs, those that keep their place too', () => {
    expect(pullers([A, B, C], [A, B, D])).toEqual([A, B, D]);
    expect(pullers([A, B, C], [A, B])).toEqual([A, B]);
    expect(pullers([A], [A, B])).toEqual([A, B]);
  });

  test('by nobody where the set stays, whatever the order of preference', () => {
    expect(pullers([A, B, C], [C, A, B])).toEqual([]);
    expect(pullers([A, B, C])).toEqual([]);
  });
});

test('the partitions to pull are those, and none that the ring does not have', () => {
  const ring = ringOf(2, [A, B, C], [A, B, D]);
  expect(partitionsToPull(ring, D)).toEqual([P]);
  expect(partitionsToPull(ring, C)).toEqual([]);
  expect(mustPull(ring, D, 1 as Partition)).toBe(false);
});
