import type { NodeId } from '../ids.ts';

export interface SuspicionTerms {
  readonly leastMs: number;
  readonly mostMs: number;
  /** Confirmations after which it lasts no longer than `leastMs`; 0: nobody else could confirm it. */
  readonly enough: number;
}

/**
 * The timer of a suspicion (Lifeguard, section IV-B, "LHA-Suspicion"). A member that only one node
 * suspects may be well, and that node sick: it has long to refute. Each independent confirmation
 * shortens the time, the first ones most:
 *
 *     most - (most - least) * log(confirmations + 1) / log(enough + 1), at least `least`
 */
export class Suspicion {
  readonly #terms: SuspicionTerms;
  readonly #accusers = new Set<NodeId>();
  #startMs: number;
  #hurriedMs = Number.POSITIVE_INFINITY;

  constructor(terms: SuspicionTerms, by: NodeId, startMs: number) {
    this.#terms = terms;
    this.#accusers.add(by);
    this.#startMs = startMs;
  }

  /** Whether this is the word of one more node, and still shortens the time. */
  confirm(by: NodeId): boolean {
    if (this.#accusers.has(by) || this.#confirmations >= this.#terms.enough) return false;
    this.#accusers.add(by);
    return true;
  }

  /** It lasts until `untilMs` at the most. */
  hurry(untilMs: number): void {
    this.#hurriedMs = Math.min(this.#hurriedMs, untilMs);
  }

  /** That much time did not count: this node was not there to hear a refutation. */
  extend(byMs: number): void {
    this.#startMs += byMs;
    this.#hurriedMs += byMs;
  }

  /** When the member is dead, unless it refuted before. */
  get untilMs(): number {
    const { leastMs, mostMs, enough } = this.#terms;
    const share = enough === 0 ? 1 : Math.log(this.#confirmations + 1) / Math.log(enough + 1);
    return Math.min(this.#startMs + mostMs - (mostMs - leastMs) * share, this.#hurriedMs);
  }

  get #confirmations(): number {
    return this.#accusers.size - 1;
  }
}
