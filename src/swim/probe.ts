import type { NodeId } from '../ids.ts';

/** What a ping came to. `refused`: the address refuses connections, no process listens there. */
export type PingOutcome = 'answered' | 'refused' | 'silent';

/**
 * What asking a helper came to: what its own ping came to; or it said nothing at all (`no_word`); or it is
 * certainly not there to help, or will not (`no_help`).
 */
export type HelperWord = PingOutcome | 'no_word' | 'no_help';

export type ProbeVerdict = 'pending' | 'answered' | 'refused' | 'silent';

/** One probe of one member: the ping, and when that failed, the pings of those that were asked to help. */
export class Probe {
  readonly target: NodeId;
  readonly #direct: PingOutcome;
  readonly #waiting: Set<NodeId>;
  readonly #words: HelperWord[] = [];

  /** `direct`: what the ping of this node came to; `helpers`: who was asked to ping it then. */
  constructor(target: NodeId, direct: PingOutcome, helpers: readonly NodeId[]) {
    this.target = target;
    this.#direct = direct;
    this.#waiting = new Set(helpers);
  }

  hear(helper: NodeId, word: HelperWord): void {
    if (this.#waiting.delete(helper)) this.#words.push(word);
  }

  /** Anybody's answer is enough; without one, all have to be heard. */
  get verdict(): ProbeVerdict {
    if (this.#direct === 'answered' || this.#words.includes('answered')) return 'answered';
    if (this.#waiting.size > 0) return 'pending';
    return this.#isRefused ? 'refused' : 'silent';
  }

  /** What speaks against this node itself: helpers without a word; a silence that nobody could check. */
  get doubts(): number {
    if (this.#witnesses > 0) return this.#words.filter((word) => word === 'no_word').length;
    return this.#direct === 'silent' ? 1 : 0;
  }

  /**
   * Helpers were asked, and this node heard none of them: it says more about the node than about the
   * target.
   */
  get isDoubtful(): boolean {
    return (
      this.#witnesses > 0 && this.#words.every((word) => word === 'no_word' || word === 'no_help')
    );
  }

  /** Silence, and there was nobody to ask. */
  get isUnchecked(): boolean {
    return this.#direct === 'silent' && this.#waiting.size === 0 && this.#words.length === 0;
  }

  /**
   * Refused to this node and to a helper. One of them alone may be behind a filter that refuses; unless
   * there is nobody else to ask.
   */
  get #isRefused(): boolean {
    return this.#direct === 'refused' && (this.#words.includes('refused') || this.#witnesses === 0);
  }

  /** Helpers that are there, as far as anybody knows. */
  get #witnesses(): number {
    return this.#words.filter((word) => word !== 'no_help').length;
  }
}
