import { expect, test } from 'vitest';
import type { Partition } from '../../src/ids.ts';
import { UnsoundCopies } from '../../src/stabilizer/unsound-copies.ts';
import { HandClock } from '../runtime/hand-clock.ts';

const [ONE, OTHER] = [1, 2] as Partition[] as [Partition, Partition];

test('a copy counts as unsound for as long as it was asked for in vain', () => {
  const { clock, copies } = newCopies();
  for (let passed = 0; passed < 6_000; passed += 1_000) {
    copies.noteDamaged(ONE);
    if (passed >= 3_000) copies.noteDamaged(OTHER);
    clock.advance(1_000);
  }
  expect(copies.forLongerThan(4_000)).toEqual([ONE]);
  expect(copies.forLongerThan(1_000)).toEqual([ONE, OTHER]);
  clock.advance(30_000); // nobody asks any more
  expect(copies.forLongerThan(0)).toEqual([]);
});

test('it begins anew when it was handed out, or not asked for, in between', () => {
  const { clock, copies } = newCopies();
  copies.noteDamaged(ONE);
  copies.noteDamaged(OTHER);
  clock.advance(20_000);
  copies.noteSound(ONE);
  copies.noteDamaged(ONE);
  copies.noteDamaged(OTHER);
  clock.advance(1_000);
  copies.noteDamaged(ONE);
  expect(copies.forLongerThan(10_000)).toEqual([OTHER]);
  clock.advance(30_001);
  copies.noteDamaged(OTHER);
  expect(copies.forLongerThan(0)).toEqual([]);
});

function newCopies() {
  const clock = new HandClock();
  return { clock, copies: new UnsoundCopies(clock) };
}
