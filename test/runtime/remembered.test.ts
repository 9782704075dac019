import { expect, test } from 'vitest';
import { remembered } from '../../src/runtime/remembered.ts';
import { HandClock } from './hand-clock.ts';

test('what was found is found again only after its time', async () => {
  const clock = new HandClock();
  let count = 0;
  const find = remembered(clock, 1_000, async () => ++count);
  expect([await find(), await find()]).toEqual([1, 1]);
  clock.advance(1_000);
  expect(await find()).toBe(1);
  clock.advance(1);
  expect(await find()).toBe(2);
});

test('those who ask at once share one search, and a failed one is not remembered', async () => {
  const clock = new HandClock();
  let count = 0;
  const find = remembered(clock, 1_000, async () => {
    count += 1;
    if (count === 1) throw new Error('no');
    return count;
  });
  await expect(Promise.all([find(), find()])).rejects.toThrow('no');
  expect(count).toBe(1);
  expect(await find()).toBe(2);
});
