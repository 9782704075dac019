import type { Partition } from '../ids.ts';
import type { Membership } from '../membership/membership.ts';
import type { Ring } from '../ring/ring.ts';
import type { Counters } from '../telemetry/counters.ts';

/**
 * Counts the partitions that go on with what survives of their replicas. Every node counts those of the
 * rings that come into force on it, whoever proposed them: the one that did may be gone.
 */
export class SurvivorsCount {
  readonly #membership: Pick<Membership, 'ring' | 'survivorsRing'>;
  readonly #counters: Counters;
  /** The ring whose partitions were counted last; it may be over by now. */
  #counted: Ring | undefined;
  /** Those of them whose transition is not over: the rings that follow list them, too. */
  #underWay: readonly Partition[] = [];

  constructor(options: {
    readonly membership: Pick<Membership, 'ring' | 'survivorsRing'>;
    readonly counters: Counters;
  }) {
    this.#membership = options.membership;
    this.#counters = options.counters;
  }

  look(): void {
    const { ring, survivorsRing } = this.#membership;
    if (survivorsRing !== undefined && survivorsRing !== this.#counted) this.#count(survivorsRing);
    if (ring?.next === undefined) this.#underWay = [];
  }

  #count(ring: Ring): void {
    const fresh = ring.recovering.filter((partition) => !this.#underWay.includes(partition));
    this.#counters.add('partitions_on_survivors_total', fresh.length);
    this.#counted = ring;
    this.#underWay = ring.recovering;
  }
}
