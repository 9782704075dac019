import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { type Ballot, higherBallot, isBallot, nextBallot } from '../../src/paxos/ballot.ts';

const node = () =>
  fc
    .bigInt({ min: 0n, max: 2n ** 64n - 1n })
    .map((id) => id.toString(16).padStart(16, '0') as NodeId);
const ballot = () =>
  fc
    .record({ counter: fc.integer({ min: 0, max: 2 ** 48 - 2 }), by: node() })
    .map(({ counter, by }) => `${counter.toString(16).padStart(12, '0')}-${by}` as Ballot);

describe('a ballot', () => {
  test('drawn next is above the one it was drawn above, whoever drew that', () => {
    fc.assert(fc.property(ballot(), node(), (above, by) => nextBallot(above, by) > above));
  });

  test('is never drawn by two nodes', () => {
    fc.assert(
      fc.property(fc.option(ballot(), { nil: undefined }), node(), node(), (above, one, other) => {
        fc.pre(one !== other);
        expect(nextBallot(above, one)).not.toBe(nextBallot(above, other));
      }),
    );
  });

  test('of a peer is one when it has the shape, and another can be drawn above it', () => {
    fc.assert(fc.property(ballot(), (one) => isBallot(one)));
    expect(isBallot('ffffffffffff-0000000000000001')).toBe(false);
    for (const text of [
      '',
      '1-1',
      '00000000000g-0000000000000001',
      '000000000001-0000000000000001\n',
    ]) {
      expect(isBallot(text)).toBe(false);
    }
  });

  test('is higher than none at all', () => {
    fc.assert(
      fc.property(ballot(), ballot(), (a, b) => {
        expect(higherBallot(undefined, a)).toBe(a);
        expect(higherBallot(a, undefined)).toBe(a);
        expect(higherBallot(a, b)).toBe(a > b ? a : b);
      }),
    );
    expect(higherBallot(undefined, undefined)).toBeUndefined();
  });
});
