import type { NodeId } from '../ids.ts';
import type { Clock } from '../runtime/clock.ts';

/** A reading that took longer than this says too little about the other clock, milliseconds. */
const MAX_ROUND_TRIP_MS = 1_000;

/**
 * What the peers' wall clocks say, carried on between readings by this node's monotonic clock, so
 * that a jump of the own wall clock shows at once.
 */
export class PeerClocks {
  readonly #clock: Clock;
  /** Peer's wall clock minus own monotonic clock, milliseconds. */
  readonly #offsets = new Map<NodeId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `wallMs` was read by the peer somewhere between the two moments of the own monotonic clock. */
  record(peer: NodeId, wallMs: number, sentMs: number, receivedMs: number): void {
    if (receivedMs - sentMs > MAX_ROUND_TRIP_MS) return;
    this.#offsets.set(peer, wallMs - (sentMs + receivedMs) / 2);
  }

  /** How far the own wall clock is ahead of the median of the peers; 0 while none is known. Milliseconds. */
  skewMs(): number {
    const median = this.#medianMs();
    return median === undefined ? 0 : this.#clock.wallMs() - median;
  }

  /** The later of the own wall clock and the peers' median: no sound version is far beyond it. */
  latestMs(): number {
    return Math.max(this.#clock.wallMs(), this.#medianMs() ?? 0);
  }

  /**
   * The peers' median now. Of an even number of peers the one in the middle that is nearer to the own
   * clock: with two peers, one of them wrong, the two that agree go on.
   */
  #medianMs(): number | undefined {
    const offsets = [...this.#offsets.values()].sort((a, b) => a - b);
    const own = this.#clock.wallMs() - this.#clock.monotonicMs();
    const low = offsets[Math.ceil(offsets.length / 2) - 1];
    const high = offsets[Math.floor(offsets.length / 2)];
    if (low === undefined || high === undefined) return undefined;
    const median = Math.abs(low - own) <= Math.abs(high - own) ? low : high;
    return median + this.#clock.monotonicMs();
  }
}
