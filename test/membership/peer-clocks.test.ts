import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { PeerClocks } from '../../src/membership/peer-clocks.ts';
import { HandClock } from '../runtime/hand-clock.ts';

const HOUR = 3_600_000;
const [A, B, C] = ['a', 'b', 'c'] as unknown as [NodeId, NodeId, NodeId];

describe("the peers' clocks", () => {
  test('are no reason for doubt while none was read', () => {
    const { clocks } = newClocks();
    expect(clocks.skewMs()).toBe(0);
  });

  test('show that the own clock is ahead or behind', () => {
    for (const aheadMs of [HOUR, -HOUR]) {
      const { clock, clocks } = newClocks();
      for (const peer of [A, B, C]) read(clocks, clock, peer, clock.wallMs() - aheadMs);
      expect(clocks.skewMs()).toBeCloseTo(aheadMs, -2);
    }
  });

  test('show a jump of the own clock at once, without another reading', () => {
    const { clock, clocks } = newClocks();
    for (const peer of [A, B]) read(clocks, clock, peer, clock.wallMs());
    clock.advance(5_000);
    expect(clocks.skewMs()).toBeCloseTo(0);
    clock.jumpWall(HOUR);
    expect(clocks.skewMs()).toBeCloseTo(HOUR);
  });

  test('let two that agree outvote the third, on either side', () => {
    for (const wrongBy of [HOUR, -HOUR]) {
      const sound = newClocks();
      read(sound.clocks, sound.clock, A, sound.clock.wallMs());
      read(sound.clocks, sound.clock, B, sound.clock.wallMs() + wrongBy);
      expect(sound.clocks.skewMs()).toBeCloseTo(0);

      const wrong = newClocks();
      for (const peer of [A, B])
        read(wrong.clocks, wrong.clock, peer, wrong.clock.wallMs() - wrongBy);
      expect(wrong.clocks.skewMs()).toBeCloseTo(wrongBy);
    }
  });

  test('of two nodes that differ make both doubt', () => {
    const { clock, clocks } = newClocks();
    read(clocks, clock, A, clock.wallMs() + HOUR);
    expect(clocks.skewMs()).toBeCloseTo(-HOUR);
  });

  test('tell the latest time at which a sound version may have been drawn', () => {
    const { clock, clocks } = newClocks();
    expect(clocks.latestMs()).toBe(clock.wallMs());
    for (const peer of [A, B]) read(clocks, clock, peer, clock.wallMs() + HOUR);
    expect(clocks.latestMs()).toBeCloseTo(clock.wallMs() + HOUR);
  });

  test('keep the time of versions when all wall clocks are set back', () => {
    const { clock, clocks } = newClocks();
    const hourAhead = clock.wallMs() + HOUR;
    for (const peer of [A, B]) {
      clocks.record(peer, { wallMs: clock.wallMs(), hybridMs: hourAhead }, 0, 0);
    }
    expect(clocks.skewMs()).toBeCloseTo(0);
    expect(clocks.latestMs()).toBeCloseTo(hourAhead);
  });

  test('have no say after half a minute of silence', () => {
    const { clock, clocks } = newClocks();
    for (const peer of [A, B]) read(clocks, clock, peer, clock.wallMs() + HOUR);
    clock.advance(31_000);
    expect(clocks.known).toBe(false);
    expect(clocks.skewMs()).toBe(0);
  });

  test('are not taken from an answer that was long under way', () => {
    const { clock, clocks } = newClocks();
    const hourAhead = clock.wallMs() + HOUR;
    clocks.record(A, { wallMs: hourAhead, hybridMs: hourAhead }, 0, 3_000);
    expect(clocks.skewMs()).toBe(0);
  });
});

function newClocks(): { clock: HandClock; clocks: PeerClocks } {
  const clock = new HandClock();
  return { clock, clocks: new PeerClocks(clock) };
}

function read(clocks: PeerClocks, clock: HandClock, peer: NodeId, wallMs: number): void {
  clocks.record(peer, { wallMs, hybridMs: wallMs }, clock.monotonicMs(), clock.monotonicMs());
}
