import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeadlineWheel } from '../../src/rpc/deadline-wheel.ts';
import { HandClock } from '../runtime/hand-clock.ts';

interface Entry {
  readonly deadlineMs: number;
}

function start() {
  const clock = new HandClock();
  const expired: Entry[] = [];
  const wheel = new DeadlineWheel<Entry>(clock, (entry) => expired.push(entry));
  return { clock, expired, wheel };
}

describe('a deadline wheel', () => {
  test('tells of each deadline once, not before it and at most 10 ms after', () => {
    const times = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 50 });
    fc.assert(
      fc.property(times, (deadlines) => {
        const { clock, wheel } = start();
        const told: number[] = [];
        const late = new DeadlineWheel<Entry>(clock, ({ deadlineMs }) => {
          told.push(deadlineMs);
          const delayMs = clock.monotonicMs() - deadlineMs;
          expect(delayMs).toBeGreaterThanOrEqual(-1);
          expect(delayMs).toBeLessThanOrEqual(10);
        });
        for (const deadlineMs of deadlines) late.add({ deadlineMs });
        clock.advance(3010);
        expect(told.sort((x, y) => x - y)).toEqual(deadlines.sort((x, y) => x - y));
        wheel.close();
        expect(clock.timers).toBe(0);
      }),
    );
  });

  test('forgets what was deleted', () => {
    const { clock, expired, wheel } = start();
    const kept = { deadlineMs: 50 };
    const deleted = { deadlineMs: 50 };
    wheel.add(kept);
    wheel.add(deleted);
    wheel.delete(deleted);
    clock.advance(100);
    expect(expired).toEqual([kept]);
  });

  test('lets one that expires take others of the same moment with it', () => {
    const clock = new HandClock();
    const expired: Entry[] = [];
    const entries = [{ deadlineMs: 50 }, { deadlineMs: 50 }, { deadlineMs: 50 }];
    const wheel = new DeadlineWheel<Entry>(clock, (entry) => {
      expired.push(entry);
      for (const each of entries) wheel.delete(each);
    });
    for (const entry of entries) wheel.add(entry);
    clock.advance(100);
    expect(expired).toHaveLength(1);
  });

  test('is reset when an earlier deadline comes in', () => {
    const { clock, expired, wheel } = start();
    wheel.add({ deadlineMs: 500 });
    wheel.add({ deadlineMs: 20 });
    expect(clock.timers).toBe(1);
    clock.advance(20);
    expect(expired).toEqual([{ deadlineMs: 20 }]);
    clock.advance(480);
    expect(expired).toHaveLength(2);
  });

  test('leaves no timer when it is closed', () => {
    const { clock, expired, wheel } = start();
    wheel.add({ deadlineMs: 20 });
    wheel.close();
    expect(clock.timers).toBe(0);
    clock.advance(100);
    expect(expired).toEqual([]);
  });
});
