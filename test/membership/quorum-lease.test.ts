import { beforeEach, describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { QuorumLease } from '../../src/membership/quorum-lease.ts';
import { Ring } from '../../src/ring/ring.ts';
import { member, membersFrom, nodeId } from '../ring/placement.ts';
import { jointRing, ringOf } from '../ring/sample-rings.ts';
import { HandClock } from '../runtime/hand-clock.ts';

const GRACE_MS = 60_000;

describe('a replica', () => {
  let clock: HandClock;
  const acked = new Map<NodeId, { monotonicMs: number; wallMs: number }>();
  const five = ringOf(membersFrom(1, 5));
  let lease: QuorumLease;
  let ended: { monotonicMs: number; wallMs: number } | undefined;
  let stepMs: number;

  beforeEach(() => {
    clock = new HandClock();
    acked.clear();
    ended = undefined;
    stepMs = Number.NEGATIVE_INFINITY;
    lease = new QuorumLease({
      self: nodeId(1),
      clock,
      lastAcked: (id) => acked.get(id),
      endedSince: () => ended,
      lastStepMs: () => stepMs,
    });
  });

  function ack(...numbers: number[]): void {
    for (const number of numbers)
      acked.set(nodeId(number), { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() });
  }

  test('answers quorum requests while a majority answered its probes', () => {
    expect(lease.holds(five)).toBe(false);
    ack(2);
    expect(lease.holds(five)).toBe(false);
    ack(3);
    expect(lease.holds(five)).toBe(true);
  });

  test('stops a grace period after the last of those probes was sent', () => {
    ack(2, 3);
    clock.advance(GRACE_MS);
    expect(lease.holds(five)).toBe(true);
    clock.advance(1);
    expect(lease.holds(five)).toBe(false);
  });

  test('counts by the wall clock too, because the other stands still in a suspended machine', () => {
    ack(2, 3);
    clock.jumpWall(GRACE_MS + 1);
    expect(lease.holds(five)).toBe(false);
  });

  test('counts nothing from before a step, which may hide how long ago that was', () => {
    ended = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    ack(2, 3);
    clock.jumpWall(-2 * GRACE_MS);
    clock.advance(1);
    expect(lease.holds(five)).toBe(true);
    stepMs = clock.monotonicMs();
    expect(lease.holds(five)).toBe(false);
    ack(4, 5); // nor itself, which had helped to end the leases
    expect(lease.holds(five)).toBe(false);
    ack(2);
    expect(lease.holds(five)).toBe(true);
  });

  test('lends itself nothing any more a grace period after it accepted other terms', () => {
    ended = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    clock.advance(GRACE_MS);
    ack(2, 3);
    expect(lease.holds(five)).toBe(true);
    clock.advance(1);
    expect(lease.holds(five)).toBe(false);
    ack(2, 3, 4);
    expect(lease.holds(five)).toBe(true);
  });

  test('does not count newcomers, who have no vote yet', () => {
    const joint = jointRing(ringOf(membersFrom(1, 3)), membersFrom(1, 6));
    ack(4, 5, 6);
    expect(lease.holds(joint)).toBe(false);
    ack(2);
    expect(lease.holds(joint)).toBe(true);
  });

  test('has to have met a majority only once where the others never go on without it', () => {
    const waiting = new Ring({ ...five, lastSurvivor: 'wait' });
    expect(lease.holds(waiting)).toBe(false);
    ack(2, 3);
    clock.advance(100 * GRACE_MS);
    stepMs = clock.monotonicMs();
    expect(lease.holds(waiting)).toBe(true);
  });

  test('lends itself nothing for what it accepted in a former life, step or not', () => {
    const waiting = new Ring({ ...five, lastSurvivor: 'wait' });
    ended = { monotonicMs: Number.NEGATIVE_INFINITY, wallMs: Number.NEGATIVE_INFINITY };
    ack(2, 3);
    expect(lease.holds(waiting)).toBe(false);
    stepMs = clock.monotonicMs();
    expect(lease.holds(waiting)).toBe(false);
  });

  describe('for what was admitted before', () => {
    const next = new Ring({ ...five, epoch: (five.epoch + 1) as typeof five.epoch });
    const faster = new Ring({ ...next, graceMs: GRACE_MS / 2 });

    test('holds under the next ring for a grace period, of either', () => {
      const at = lease.now();
      for (const [ring, ms] of [
        [faster, GRACE_MS / 2],
        [next, GRACE_MS],
      ] as const) {
        clock.advance(ms - (lease.now().monotonicMs - at.monotonicMs));
        ack(2, 3);
        expect(lease.stillHolds(ring, five, at)).toBe(true);
        clock.advance(1);
        expect(lease.stillHolds(ring, five, at)).toBe(false);
        expect(lease.stillHolds(five, ring, at)).toBe(false);
      }
      // Nobody has gone on as long as the ring is the same.
      expect(lease.stillHolds(five, five, at)).toBe(true);
    });

    test('does not under another ring that came with a step, by which others may have gone on', () => {
      ack(2, 3);
      const at = lease.now();
      clock.advance(1);
      stepMs = clock.monotonicMs();
      expect(lease.stillHolds(five, five, at)).toBe(false);
      ack(2, 3);
      expect(lease.stillHolds(next, five, at)).toBe(false);
      expect(lease.stillHolds(five, five, at)).toBe(true);
    });

    test('does not where it does not for what comes now', () => {
      ack(2);
      const at = lease.now();
      expect(lease.stillHolds(five, five, at)).toBe(false);
      expect(lease.stillHolds(next, five, at)).toBe(false);
    });
  });

  test('needs nobody where it is alone', () => {
    expect(lease.holds(ringOf([member(1)]))).toBe(true);
  });
});
