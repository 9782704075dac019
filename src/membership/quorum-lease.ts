/**
 * Whether this node may answer quorum requests as a replica: unless the ring says `wait`, only while a majority
 * of the members answered probes that it sent within the last grace period. A node that is cut off stops
 * by itself that way before the others, who wait three grace periods, go on without it; else both sides of
 * a split would acknowledge writes.
 *
 * That rests on the majority that lends a lease and the one that goes on having a member in common. Where
 * the next ring has other voters they need not: so whoever has accepted such a ring lends nothing under the
 * present one any more, and a majority had to accept it. All leases of a ring with other terms are over one
 * grace period after the next one was decided, and nobody agrees to go on without others before three
 * (ADR 12).
 */
import type { NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import type { Clock } from '../runtime/clock.ts';
import { type Moment, momentOf } from './contacts.ts';

/** Whether leases are lent by the same members, and for the same time, under both rings. */
export function haveSameLeaseTerms(a: Ring, b: Ring): boolean {
  const lenders = (ring: Ring): string => ring.voters.map(({ id }) => id).join();
  return a.graceMs === b.graceMs && a.lastSurvivor === b.lastSurvivor && lenders(a) === lenders(b);
}

export class QuorumLease {
  readonly #self: NodeId;
  readonly #clock: Clock;
  /** When the last probe was sent that the member itself answered. */
  readonly #lastAcked: (member: NodeId) => Moment | undefined;
  /** Since when this node may have helped to end the leases of the ring in force. */
  readonly #endedSince: () => Moment | undefined;
  /** When the wall clock was last found stepped, by the monotonic one. */
  readonly #lastStepMs: () => number;

  constructor(options: {
    readonly self: NodeId;
    readonly clock: Clock;
    readonly lastAcked: (member: NodeId) => Moment | undefined;
    readonly endedSince: () => Moment | undefined;
    readonly lastStepMs: () => number;
  }) {
    this.#self = options.self;
    this.#clock = options.clock;
    this.#lastAcked = options.lastAcked;
    this.#endedSince = options.endedSince;
    this.#lastStepMs = options.lastStepMs;
  }

  /**
   * Whether it still holds for what was admitted `at` a time when it did, under `before`. The ring in force may
   * be one by which the others went on without this node, which is still a member of it, with a good lease,
   * until its copies are made good elsewhere. That takes them three grace periods: what is younger than one
   * was admitted by a majority that had not agreed to it.
   */
  stillHolds(ring: Ring, before: Ring, at: Moment): boolean {
    const graceMs = Math.min(ring.graceMs, before.graceMs);
    const isSure = ring === before || passedMs(at, this.now(), this.#lastStepMs()) <= graceMs;
    return isSure && this.holds(ring);
  }

  now(): Moment {
    return momentOf(this.#clock);
  }

  /** Asked at every message. */
  holds(ring: Ring): boolean {
    const { members, lastSurvivor, graceMs } = ring;
    // Where nobody goes on without it, having met them once in this life is enough: they would have said
    // if its disk was put back to an older state.
    const limitMs = lastSurvivor === 'wait' ? Number.MAX_VALUE : graceMs;
    const stepMs = this.#lastStepMs();
    const now = this.now();
    let [voters, fresh] = [0, 0];
    for (const { id, joining } of members) {
      if (joining) continue;
      voters += 1;
      const lentAt = id === this.#self ? (this.#endedSince() ?? now) : this.#lastAcked(id);
      if (lentAt !== undefined && passedMs(lentAt, now, stepMs) <= limitMs) fresh += 1;
    }
    return 2 * fresh > voters;
  }
}

/**
 * By the clock that has gone further: the monotonic one stands still while a virtual machine is suspended,
 * the wall clock may be set back. Both may have happened where it stepped since: nobody knows then how
 * long ago that was. Milliseconds.
 */
function passedMs(since: Moment, now: Moment, stepMs: number): number {
  const leastMs = since.monotonicMs < stepMs ? Number.MAX_VALUE : 0;
  return Math.max(leastMs, now.monotonicMs - since.monotonicMs, now.wallMs - since.wallMs);
}
