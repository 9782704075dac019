import type { NodeId } from '../ids.ts';
import { laterVersion, type Version } from '../version/version.ts';
import { AnswerCount, type Verdict } from './answer-count.ts';
import type { ConsistencyLevel } from './consistency-level.ts';

/**
 * What a quorum of replicas holds of one key. "Nothing" is an answer like any other. Beside the
 * verdict it knows whether the newest version may be returned as it is: only when a quorum of every
 * set is known to hold it, or a later read could meet another quorum and return something older
 * (Attiya, Bar-Noy, Dolev, "Sharing Memory Robustly in Message-Passing Systems", 1995: the second
 * phase of a read).
 */
export class ReadQuorum {
  readonly #sets: readonly (readonly NodeId[])[];
  readonly #count: AnswerCount;
  readonly #held = new Map<NodeId, Version | undefined>();
  #newest: Version | undefined;

  /** `levelOfOld`: of the first set, when that is not the same. */
  constructor(
    sets: readonly (readonly NodeId[])[],
    level: ConsistencyLevel,
    levelOfOld: ConsistencyLevel = level,
  ) {
    this.#sets = sets;
    this.#count = new AnswerCount(sets, level, levelOfOld);
  }

  get required(): number {
    return this.#count.required;
  }

  get answered(): number {
    return this.#count.yes;
  }

  /** Of the set that lacks most, in words. */
  get shortfall(): string {
    return this.#count.shortfall;
  }

  get verdict(): Verdict {
    return this.#count.verdict;
  }

  /** The highest version that any replica showed; `undefined` when none holds anything. */
  get newest(): Version | undefined {
    return this.#newest;
  }

  /** A replica answered that it holds `version` (nothing: `undefined`). Later, higher news of it count. */
  answer(node: NodeId, version: Version | undefined): Verdict {
    this.#held.set(node, laterVersion(this.#held.get(node), version));
    this.#newest = laterVersion(this.#newest, version);
    return this.#count.count(node, 'yes');
  }

  fail(node: NodeId): Verdict {
    return this.#count.count(node, 'no');
  }

  /** Whether a quorum of every set is known to hold the newest version, or nothing if there is none. */
  get settled(): boolean {
    const holders = new AnswerCount(this.#sets, 'quorum');
    for (const node of this.holders) holders.count(node, 'yes');
    return holders.verdict === 'met';
  }

  /** Replicas that showed the newest version. */
  get holders(): readonly NodeId[] {
    return this.#answeredWhere((version) => version === this.#newest);
  }

  /** Replicas that showed an older version, or nothing where others hold something. */
  get stale(): readonly NodeId[] {
    return this.#answeredWhere((version) => version !== this.#newest);
  }

  /** Replicas that answered at all. */
  get respondents(): readonly NodeId[] {
    return [...this.#held.keys()];
  }

  #answeredWhere(holds: (version: Version | undefined) => boolean): NodeId[] {
    const nodes: NodeId[] = [];
    for (const [node, version] of this.#held) if (holds(version)) nodes.push(node);
    return nodes;
  }
}
