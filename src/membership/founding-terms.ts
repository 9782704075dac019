import type { Address } from '../ids.ts';
import type { Member } from '../ring/member.ts';
import type { LastSurvivor } from '../ring/ring-parts.ts';

/** On what this node would form a cluster, or belong to one: its settings, as far as others must agree. */
export interface FoundingTerms {
  readonly nodeName: string;
  readonly clusterName: string;
  /** Where other nodes find this one. Only known once it listens. */
  readonly address: () => Address;
  readonly zone: string;
  readonly weight: number;
  /** As listed in `QUORATE_SEEDS`. */
  readonly founders: readonly Address[];
  readonly replicationFactor: number;
  /** Whether it was given; otherwise it is the default, and that of a ring counts. */
  readonly replicationFactorGiven: boolean;
  readonly partitionCount: number;
  /** How long a member may be dead before it is replaced, milliseconds. */
  readonly graceMs: number;
  readonly lastSurvivor: LastSurvivor;
}

/** The settings by which this start of a member differs from what the ring has of it. */
export function settingsUnlike(member: Member, terms: FoundingTerms): readonly string[] {
  return [
    ...(member.name === terms.nodeName ? [] : ['QUORATE_NODE_NAME']),
    ...(member.zone === terms.zone ? [] : ['QUORATE_ZONE']),
    ...(member.weight === terms.weight ? [] : ['QUORATE_WEIGHT']),
  ];
}

/** The founders that count: a node that was given no list founds alone. */
export function foundersOf({
  founders,
  address,
}: Pick<FoundingTerms, 'founders' | 'address'>): readonly Address[] {
  return founders.length > 0 ? founders : [address()];
}
