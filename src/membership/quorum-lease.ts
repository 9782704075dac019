/**
 * Whether this node may answer quorum requests as a replica: with the policy `use`, only while a majority
 * of the members answered probes that it sent within the last grace period. A node that is cut off stops
 * by itself that way before the others, who wait three grace periods, go on without it; else both sides of
 * a split would acknowledge writes.
 */
import type { NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import type { Clock } from '../runtime/clock.ts';

/** Own clocks at one moment, milliseconds. */
interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export class QuorumLease {
  readonly #self: NodeId;
  readonly #clock: Clock;
  /** When the last probe was sent that the member itself answered. */
  readonly #lastAcked: (member: NodeId) => Moment | undefined;

  constructor(options: {
    readonly self: NodeId;
    readonly clock: Clock;
    readonly lastAcked: (member: NodeId) => Moment | undefined;
  }) {
    this.#self = options.self;
    this.#clock = options.clock;
    this.#lastAcked = options.lastAcked;
  }

  /** Asked at every message. */
  holds(ring: Ring): boolean {
    const { voters, lastSurvivor, graceMs } = ring;
    // Where nobody goes on without it, having met them once in this life is enough: they would have said
    // if its disk was put back to an older state.
    const limitMs = lastSurvivor === 'wait' ? Number.MAX_VALUE : graceMs;
    const fresh = voters.filter(({ id }) => id === this.#self || this.#ageMs(id) <= limitMs);
    return 2 * fresh.length > voters.length;
  }

  /**
   * By the clock that has gone further: the monotonic one stands still while a virtual machine is
   * suspended, the wall clock may be set back.
   */
  #ageMs(member: NodeId): number {
    const sent = this.#lastAcked(member);
    if (sent === undefined) return Number.POSITIVE_INFINITY;
    const byMonotonicMs = this.#clock.monotonicMs() - sent.monotonicMs;
    return Math.max(byMonotonicMs, this.#clock.wallMs() - sent.wallMs);
  }
}
