import { describe, expect, test } from 'vitest';
import { Pacing } from '../../src/stabilizer/pacing.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { settled } from './copies.ts';

const { signal } = new AbortController();

describe('the pace of pulls', () => {
  test.each([
    ['five times as long as a step', 20, 100],
    ['a quarter of a second at most', 500, 250],
  ])('leaves clients %s', async (_what, tookMs, restsMs) => {
    const { clock, pacing } = newPacing();
    clock.advance(tookMs);
    let over = false;
    const rest = pacing.restAfter(clock.monotonicMs() - tookMs, signal).then(() => (over = true));
    clock.advance(restsMs - 1);
    await settled();
    expect(over).toBe(false);
    clock.advance(1);
    await rest;
  });

  test('is the highest while no client asks for anything', async () => {
    const { clock, pacing } = newPacing();
    clock.advance(1_001);
    await pacing.restAfter(0, signal);
  });

  test('ends its rest with the signal', async () => {
    const { pacing, clock } = newPacing();
    const over = new AbortController();
    clock.advance(100);
    const rest = pacing.restAfter(0, over.signal);
    over.abort();
    await rest;
  });
});

/** A client was served at the start. */
function newPacing() {
  const clock = new HandClock();
  const servedMs = clock.monotonicMs();
  return { clock, pacing: new Pacing(clock, () => servedMs) };
}
