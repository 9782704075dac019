import type { NodeId } from '../ids.ts';
import { type ConsistencyLevel, requiredAnswers } from './consistency-level.ts';

/** Whether enough replicas said yes, whether they still can, or whether they no longer can. */
export type Verdict = 'pending' | 'met' | 'failed';

interface SetCount {
  readonly nodes: ReadonlySet<NodeId>;
  readonly required: number;
  yes: number;
  no: number;
}

/**
 * Counts what replicas said, each one once, in every replica set of a partition: one set while the
 * ring is at rest, the old and the new one while it is joint. Enough means enough in each set.
 */
export class AnswerCount {
  readonly #sets: readonly SetCount[];
  readonly #said = new Map<NodeId, 'yes' | 'no'>();

  /** `levelOfOld`: of the first set, when that is not the same. */
  constructor(
    sets: readonly (readonly NodeId[])[],
    level: ConsistencyLevel,
    levelOfOld: ConsistencyLevel = level,
  ) {
    this.#sets = sets.map((set, at) => ({
      nodes: new Set(set),
      required: requiredAnswers(at === 0 ? levelOfOld : level, set.length),
      yes: 0,
      no: 0,
    }));
  }

  /** What the replicas asked for must add up to: the largest of the sets' requirements. */
  get required(): number {
    return Math.max(...this.#sets.map((set) => set.required));
  }

  /** Replicas that said yes, over all sets. */
  get yes(): number {
    let count = 0;
    for (const said of this.#said.values()) if (said === 'yes') count += 1;
    return count;
  }

  /** The set that lacks most, in words: so many yes of those that it takes. */
  get shortfall(): string {
    const { yes, required } = this.#sets.reduce((one, other) =>
      lack(other) > lack(one) ? other : one,
    );
    return `${yes} of the ${required} replicas needed`;
  }

  get verdict(): Verdict {
    let verdict: Verdict = 'met';
    for (const set of this.#sets) {
      if (set.nodes.size - set.no < set.required) return 'failed';
      if (set.yes < set.required) verdict = 'pending';
    }
    return verdict;
  }

  /** A replica's word counts once; a node that is no replica counts nowhere. */
  count(node: NodeId, said: 'yes' | 'no'): Verdict {
    if (!this.#said.has(node)) {
      this.#said.set(node, said);
      for (const set of this.#sets) if (set.nodes.has(node)) set[said] += 1;
    }
    return this.verdict;
  }

  has(node: NodeId): boolean {
    return this.#said.has(node);
  }
}

function lack({ required, yes }: SetCount): number {
  return required - yes;
}
