import { expect, test } from 'vitest';
import { isEnoughToHeal } from '../../src/coordinator/replica-side.ts';
import type { NodeId, Partition } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';

const [A, B, C, D] = ['a', 'b', 'c', 'd'] as NodeId[] as [NodeId, NodeId, NodeId, NodeId];
const P = 0 as Partition;

test('a damaged copy is healed from n-q+1 others, at rest', () => {
  const ring = { assignment: [[A, B, C]], recovering: [] } as unknown as Ring;
  expect(isEnoughToHeal(ring, P, A, [B, C])).toBe(true);
  expect(isEnoughToHeal(ring, P, A, [A, B])).toBe(false);
  expect(isEnoughToHeal(ring, P, A, [B, D])).toBe(false);
});

test('while the ring is joint, from others of the old set: the new one may have pulled nothing', () => {
  const growing = ringOf([A, B, C], [A, C, D]);
  expect(isEnoughToHeal(growing, P, D, [A, B])).toBe(true);
  expect(isEnoughToHeal(growing, P, A, [C, D])).toBe(false);
  const onlyOneStays = ringOf([A, B, C], [A]);
  expect(isEnoughToHeal(onlyOneStays, P, A, [B, C])).toBe(true);
});

test('an only copy has no others', () => {
  const ring = ringOf([A], [A, B]);
  expect(isEnoughToHeal(ring, P, A, [B, C, D])).toBe(false);
});

test('where only survivors are left, from all the others of them, and from enough of the new set', () => {
  const survivors = ringOf([A, B], [A, B, C], [P]);
  expect(isEnoughToHeal(survivors, P, A, [B, C])).toBe(true);
  expect(isEnoughToHeal(survivors, P, A, [C])).toBe(false);
  expect(isEnoughToHeal(survivors, P, A, [B])).toBe(false);
  expect(isEnoughToHeal(ringOf([A, B], [A, C, D], [P]), P, A, [C, D])).toBe(false);
  const last = ringOf([A], [A, B, C], [P]);
  expect(isEnoughToHeal(last, P, A, [B, C])).toBe(true);
  expect(isEnoughToHeal(last, P, A, [B])).toBe(false);
  expect(isEnoughToHeal(last, P, B, [C])).toBe(false); // the survivor has to be asked
  expect(isEnoughToHeal(ringOf([A], [A], [P]), P, A, [])).toBe(true);
});

function ringOf(old: NodeId[], wanted: NodeId[], recovering: Partition[] = []): Ring {
  return { assignment: [old], next: [wanted], recovering } as unknown as Ring;
}
