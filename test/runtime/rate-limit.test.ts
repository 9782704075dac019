import { describe, expect, test } from 'vitest';
import { RateLimit } from '../../src/runtime/rate-limit.ts';
import { HandClock } from './hand-clock.ts';

const NEVER = new AbortController().signal;
const LATE = Number.POSITIVE_INFINITY;

describe('a rate limit of 1000 a second', () => {
  test('lets through that much over any time, in the order of asking', async () => {
    const clock = new HandClock();
    const rate = new RateLimit(clock, 1_000);
    const passed: { number: number; atMs: number }[] = [];
    for (let number = 0; number < 5; number++) {
      const asked = rate.take(500, LATE, NEVER);
      void asked.then(() => passed.push({ number, atMs: clock.monotonicMs() }));
    }
    for (let step = 0; step < 25; step++) {
      await settled();
      clock.advance(100);
    }
    await settled();
    expect(passed).toEqual([0, 1, 2, 3, 4].map((number) => ({ number, atMs: number * 500 })));
  });

  test('gives no credit for the time in which nobody asked', async () => {
    const clock = new HandClock();
    const rate = new RateLimit(clock, 1_000);
    clock.advance(60_000);
    expect(await rate.take(1_000, LATE, NEVER)).toBe(true);
    let second = false;
    void rate.take(1_000, LATE, NEVER).then(() => (second = true));
    clock.advance(999);
    await settled();
    expect(second).toBe(false);
    clock.advance(1);
    await settled();
    expect(second).toBe(true);
  });

  test('refuses at once what could not pass in time, and takes nothing for it', async () => {
    const clock = new HandClock();
    const rate = new RateLimit(clock, 1_000);
    await rate.take(2_000, LATE, NEVER);
    expect(await rate.take(1_000_000, clock.monotonicMs() + 1_999, NEVER)).toBe(false);
    const inTime = rate.take(1, clock.monotonicMs() + 2_000, NEVER);
    clock.advance(2_000);
    expect(await inTime).toBe(true);
  });

  test('ends the waiting with the signal, and leaves no timer behind', async () => {
    const clock = new HandClock();
    const rate = new RateLimit(clock, 1_000);
    const abort = new AbortController();
    await rate.take(1_000, LATE, abort.signal);
    const waiting = rate.take(1, LATE, abort.signal);
    abort.abort();
    expect(await waiting).toBe(false);
    expect(clock.timers).toBe(0);
  });
});

/** Everything that can go on without the outside has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
