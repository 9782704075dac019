import { describe, expect, test } from 'vitest';
import { fewestMoves, spreadOf } from '../../bench/moves.ts';
import { assign } from '../../src/ring/assignment.ts';
import { membersFrom, movesBetween } from '../ring/placement.ts';

describe('the fewest moves', () => {
  const before = [['a'], ['a'], ['b'], ['b'], ['b']];

  test('are what a newcomer is short of its share', () => {
    expect(fewestMoves(before, ['a', 'b', 'c'], 1)).toBe(1);
    expect(fewestMoves(before, ['a', 'b', 'c', 'd', 'e'], 1)).toBe(3);
  });

  test('are what somebody kept who is gone', () => {
    expect(fewestMoves(before, ['a'], 1)).toBe(3);
  });

  test('are all further copies where more are wanted, and none where fewer are', () => {
    expect(fewestMoves(before, ['a', 'b'], 2)).toBe(5);
    expect(fewestMoves([['a', 'b']], ['a', 'b'], 1)).toBe(0);
  });

  test.each([
    [3, 4],
    [4, 3],
    [5, 7],
    [7, 5],
    [12, 13],
  ])('are what the ring moves, from %i members to %i', (from, to) => {
    const settings = { partitionCount: 256, replicationFactor: 3 };
    const first = assign({ ...settings, previous: undefined, members: membersFrom(1, from) });
    const members = membersFrom(1, to);
    const second = assign({ ...settings, previous: first, members });
    expect(movesBetween(first, second)).toBe(
      fewestMoves(
        first,
        members.map(({ id }) => id),
        3,
      ),
    );
    expect(spreadOf(second)).toBeLessThanOrEqual(1);
  });
});
