import type { NodeId } from '../ids.ts';
import { AnswerCount, type Verdict } from './answer-count.ts';
import type { ConsistencyLevel } from './consistency-level.ts';

/**
 * Whether a write is acknowledged: met when enough different replicas of every set stored it
 * durably, failed when they no longer can (Gifford, "Weighted Voting", 1979, with equal votes).
 */
export class WriteQuorum {
  readonly #count: AnswerCount;

  constructor(sets: readonly (readonly NodeId[])[], level: ConsistencyLevel) {
    this.#count = new AnswerCount(sets, level);
  }

  get required(): number {
    return this.#count.required;
  }

  get acknowledged(): number {
    return this.#count.yes;
  }

  /** Of the set that lacks most, in words. */
  get shortfall(): string {
    return this.#count.shortfall;
  }

  get verdict(): Verdict {
    return this.#count.verdict;
  }

  acknowledge(node: NodeId): Verdict {
    return this.#count.count(node, 'yes');
  }

  fail(node: NodeId): Verdict {
    return this.#count.count(node, 'no');
  }
}
