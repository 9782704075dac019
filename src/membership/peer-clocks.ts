import type { NodeId } from '../ids.ts';
import type { Clock } from '../runtime/clock.ts';

/** A reading that took longer than this says too little about the other clock, milliseconds. */
const MAX_ROUND_TRIP_MS = 1_000;
/** A peer that was silent for this long has no say, milliseconds. */
const KEPT_FOR_MS = 30_000;

/** Peer's clocks minus own monotonic clock, milliseconds. */
interface Reading {
  readonly wallOffsetMs: number;
  readonly hybridOffsetMs: number;
  readonly takenMs: number;
}

/**
 * What the peers' clocks say, carried on between readings by this node's monotonic clock, so that a
 * jump of the own wall clock shows at once.
 */
export class PeerClocks {
  readonly #clock: Clock;
  readonly #readings = new Map<NodeId, Reading>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The peer read its clocks somewhere between the two moments of the own monotonic clock. */
  record(
    peer: NodeId,
    clocks: { readonly wallMs: number; readonly hybridMs: number },
    sentMs: number,
    receivedMs: number,
  ): void {
    if (receivedMs - sentMs > MAX_ROUND_TRIP_MS) return;
    for (const [other, { takenMs }] of this.#readings) {
      if (takenMs < receivedMs - KEPT_FOR_MS) this.#readings.delete(other);
    }
    const readMs = (sentMs + receivedMs) / 2;
    this.#readings.set(peer, {
      wallOffsetMs: clocks.wallMs - readMs,
      hybridOffsetMs: clocks.hybridMs - readMs,
      takenMs: receivedMs,
    });
  }

  /** Whether a peer's clock was read lately. */
  get known(): boolean {
    return this.#fresh().length > 0;
  }

  /** How far the own wall clock is ahead of the median of the peers; 0 while none is known. Milliseconds. */
  skewMs(): number {
    const median = this.#medianMs(({ wallOffsetMs }) => wallOffsetMs);
    return median === undefined ? 0 : this.#clock.wallMs() - median;
  }

  /**
   * The time that no sound version is far beyond, milliseconds: the peers' median, of their wall clocks
   * or their hybrid ones, which stay ahead when all wall clocks are set back. The own wall clock only
   * counts while no peer's is known: it may be the wrong one.
   */
  latestMs(): number {
    const wall = this.wallMs();
    return Math.max(wall, this.#medianMs(({ hybridOffsetMs }) => hybridOffsetMs) ?? 0);
  }

  /** The peers' median of the wall clocks, or the own one while no peer's is known. Milliseconds. */
  wallMs(): number {
    return this.#medianMs(({ wallOffsetMs }) => wallOffsetMs) ?? this.#clock.wallMs();
  }

  /**
   * The peers' median now. Of an even number of peers the one in the middle that is nearer to the own
   * clock: with two peers, one of them wrong, the two that agree go on.
   */
  #medianMs(offsetOf: (reading: Reading) => number): number | undefined {
    const offsets = this.#fresh()
      .map(offsetOf)
      .sort((a, b) => a - b);
    const own = this.#clock.wallMs() - this.#clock.monotonicMs();
    const low = offsets[Math.ceil(offsets.length / 2) - 1];
    const high = offsets[Math.floor(offsets.length / 2)];
    if (low === undefined || high === undefined) return undefined;
    const median = Math.abs(low - own) <= Math.abs(high - own) ? low : high;
    return median + this.#clock.monotonicMs();
  }

  #fresh(): readonly Reading[] {
    const sinceMs = this.#clock.monotonicMs() - KEPT_FOR_MS;
    return [...this.#readings.values()].filter(({ takenMs }) => takenMs >= sinceMs);
  }
}
