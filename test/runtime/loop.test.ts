import { describe, expect, test, vi } from 'vitest';
import { sleep } from '../../src/runtime/clock.ts';
import { Loop } from '../../src/runtime/loop.ts';
import { HandClock } from './hand-clock.ts';

const random = { bytes: () => new Uint8Array(), fraction: () => 0.5 };

describe('a loop', () => {
  test('starts its first turn at once and the next one a pause after the end of it', async () => {
    const { clock, turns, loop } = newLoop();
    clock.advance(0);
    expect(turns).toHaveLength(1);
    clock.advance(10_000);
    expect(turns, 'turns never overlap').toHaveLength(1);
    await end(turns[0]);
    clock.advance(999);
    expect(turns).toHaveLength(1);
    clock.advance(1);
    expect(turns).toHaveLength(2);
    await end(turns[1]);
    await loop.stop();
  });

  test('goes on after a turn that failed, and reports it', async () => {
    const { clock, turns, errors, loop } = newLoop();
    clock.advance(0);
    turns[0]?.reject(new Error('no luck'));
    await vi.waitFor(() => expect(errors).toHaveLength(1));
    clock.advance(1_000);
    expect(turns).toHaveLength(2);
    turns[1]?.resolve();
    await loop.stop();
  });

  test('stops after the turn under way, and leaves no timer', async () => {
    const { clock, turns, loop } = newLoop();
    clock.advance(0);
    let stopped = false;
    const stopping = loop.stop().then(() => (stopped = true));
    await Promise.resolve();
    expect(stopped).toBe(false);
    turns[0]?.resolve();
    await stopping;
    expect(clock.timers).toBe(0);
  });
});

describe('sleep', () => {
  test('ends after its time', async () => {
    const clock = new HandClock();
    const slept = sleep(clock, 50, new AbortController().signal);
    clock.advance(50);
    expect(await slept).toBe(true);
  });

  test('ends when it is called off, and leaves no timer', async () => {
    const clock = new HandClock();
    const controller = new AbortController();
    const slept = sleep(clock, 50, controller.signal);
    controller.abort();
    expect(await slept).toBe(false);
    expect(clock.timers).toBe(0);
    expect(await sleep(clock, 50, controller.signal)).toBe(false);
  });
});

interface Turn {
  resolve(): void;
  reject(error: Error): void;
}

function newLoop(): { clock: HandClock; turns: Turn[]; errors: unknown[]; loop: Loop } {
  const clock = new HandClock();
  const turns: Turn[] = [];
  const errors: unknown[] = [];
  const loop = new Loop({
    clock,
    random,
    everyMs: 1_000,
    turn: () => new Promise<void>((resolve, reject) => turns.push({ resolve, reject })),
    onError: (error) => errors.push(error),
  });
  return { clock, turns, errors, loop };
}

async function end(turn: Turn | undefined): Promise<void> {
  turn?.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}
