import { expect, test } from 'vitest';
import { isEnoughToHeal } from '../../src/coordinator/replica-side.ts';
import type { NodeId, Partition } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';

const [A, B, C, D] = ['a', 'b', 'c', 'd'] as NodeId[] as [NodeId, NodeId, NodeId, NodeId];
const P = 0 as Partition;

test('a damaged copy is healed from n-q+1 others, at rest', () => {
  const ring = { assignment: [[A, B, C]], next: undefined } as unknown as Ring;
  expect(isEnoughToHeal(ring, P, A, [B, C])).toBe(true);
  expect(isEnoughToHeal(ring, P, A, [A, B])).toBe(false);
  expect(isEnoughToHeal(ring, P, A, [B, D])).toBe(false);
});

test('while the ring is joint, from others of the old set: the new one may have pulled nothing', () => {
  const growing = { assignment: [[A, B, C]], next: [[A, C, D]] } as unknown as Ring;
  expect(isEnoughToHeal(growing, P, D, [A, B])).toBe(true);
  expect(isEnoughToHeal(growing, P, A, [C, D])).toBe(false);
  const onlyOneStays = { assignment: [[A, B, C]], next: [[A]] } as unknown as Ring;
  expect(isEnoughToHeal(onlyOneStays, P, A, [B, C])).toBe(true);
});

test('an only copy has no others', () => {
  const ring = { assignment: [[A]], next: [[A, B]] } as unknown as Ring;
  expect(isEnoughToHeal(ring, P, A, [B, C, D])).toBe(false);
});
