import { describe, expect, test } from 'vitest';
import { Pacing } from '../../src/stabilizer/pacing.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { settled } from './copies.ts';

const { signal } = new AbortController();

describe('the pace of pulls', () => {
  test.each([
    ['the first', 0, 20, 320],
    ['one half-way to those that are fast', 60, 20, 200],
    ['one of those that are fast', 120, 20, 80],
    ['a later one', 1_000, 20, 80],
    ['one that takes too long', 1_000, 500, 500],
  ])('leaves clients room after a step: %s', async (_which, before, tookMs, restsMs) => {
    const { clock, pacing } = newPacing();
    await steps(pacing, clock, before);
    expect(await restMs(pacing, clock, tookMs)).toBe(restsMs);
  });

  test('is slow again after a minute without a step, and not before', async () => {
    for (const [idleMs, restsMs] of [
      [60_000, 80],
      [60_001, 320],
    ] as const) {
      const { clock, pacing, serve } = newPacing();
      await steps(pacing, clock, 1_000);
      clock.advance(idleMs);
      serve();
      expect(await restMs(pacing, clock, 20)).toBe(restsMs);
    }
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

/** A client was served at the start, and whenever `serve` is called. */
function newPacing() {
  const clock = new HandClock();
  let servedMs = clock.monotonicMs();
  const serve = (): void => {
    servedMs = clock.monotonicMs();
  };
  return { clock, serve, pacing: new Pacing(clock, () => servedMs) };
}

/** Steps that take no time. */
async function steps(pacing: Pacing, clock: HandClock, count: number): Promise<void> {
  for (let step = 0; step < count; step++) {
    const rest = pacing.restAfter(clock.monotonicMs(), signal);
    clock.advance(0);
    await rest;
  }
}

/** How long the rest after a step is that takes `tookMs`. */
async function restMs(pacing: Pacing, clock: HandClock, tookMs: number): Promise<number> {
  clock.advance(tookMs);
  let over = false;
  const rest = pacing.restAfter(clock.monotonicMs() - tookMs, signal).then(() => (over = true));
  let ms = -1;
  while (!over && ms < 1_000) {
    ms += 1;
    clock.advance(ms === 0 ? 0 : 1);
    await settled();
  }
  await rest;
  return ms;
}
