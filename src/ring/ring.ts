/**
 * The ring: which members keep which partition (DeCandia et al., "Dynamo", 2007, section 6.2,
 * strategy 3: a fixed number of equal partitions, placed explicitly).
 *
 * A ring is a value. A change of membership makes another ring with the next epoch, so two rings can
 * be compared to see what moves. Every node that holds an epoch of a lineage holds the same ring,
 * byte for byte.
 */
import type { Address, ClusterId, Epoch, Key, Lineage, NodeId, Partition } from '../ids.ts';
import { invariant } from '../invariant.ts';
import { assign } from './assignment.ts';
import { inOrderOfId, type Member } from './member.ts';
import type { Assignment, ReplicaSet } from './replica-set.ts';
import { flawOf, type LastSurvivorRule, type RingParts } from './ring-parts.ts';
import { partitionOf, tokenOf } from './token.ts';

export class Ring {
  readonly epoch: Epoch;
  readonly lineage: Lineage;
  /** The lineages that it goes on from, latest first. */
  readonly formers: readonly Lineage[];
  /** Where those lived who were given up by force, and may live still. */
  readonly givenUp: readonly Address[];
  /** Who was asked to leave and did, the latest last. */
  readonly sentAway: readonly NodeId[];
  /** Versions drawn under this ring lie above this time, milliseconds. */
  readonly versionsAboveMs: number;
  readonly clusterId: ClusterId;
  readonly clusterName: string;
  readonly hashSeed: bigint;
  readonly replicationFactor: number;
  readonly lastSurvivor: LastSurvivorRule;
  /** Milliseconds. */
  readonly graceMs: number;
  readonly partitionCount: number;
  /** In order of their ids. */
  readonly members: readonly Member[];
  readonly assignment: Assignment;
  /** While the ring is joint: the assignment that will hold after it. */
  readonly next: Assignment | undefined;
  /** While the ring is joint: partitions whose old set is only what survived of it. */
  readonly recovering: readonly Partition[];

  readonly #membersById: ReadonlyMap<NodeId, Member>;
  readonly #replicaSets: readonly (readonly ReplicaSet[])[];
  readonly #replicas: Assignment;
  readonly #partitionsKept: ReadonlyMap<NodeId, number>;

  /** `parts.members` may come in any order. */
  constructor(parts: RingParts) {
    const members = inOrderOfId(parts.members);
    const flaw = flawOf({ ...parts, members });
    invariant(flaw === undefined, `a sound ring, not one with ${flaw}`);
    this.epoch = parts.epoch;
    this.lineage = parts.lineage;
    this.formers = parts.formers;
    this.givenUp = parts.givenUp;
    this.sentAway = parts.sentAway;
    this.versionsAboveMs = parts.versionsAboveMs;
    this.clusterId = parts.clusterId;
    this.clusterName = parts.clusterName;
    this.hashSeed = parts.hashSeed;
    this.replicationFactor = parts.replicationFactor;
    this.lastSurvivor = parts.lastSurvivor;
    this.graceMs = parts.graceMs;
    this.partitionCount = parts.partitionCount;
    this.members = members;
    this.assignment = parts.assignment;
    this.next = parts.next;
    this.recovering = parts.recovering;

    this.#membersById = new Map(members.map((member) => [member.id, member]));
    this.#replicaSets = replicaSetsOf(parts.assignment, parts.next);
    this.#replicas = this.#replicaSets.map(inEither);
    this.#partitionsKept = countByReplica(this.#replicas);
  }

  tokenOf(key: Key): bigint {
    return tokenOf(key, this.hashSeed);
  }

  partitionOf(key: Key): Partition {
    return partitionOf(tokenOf(key, this.hashSeed), this.partitionCount);
  }

  /**
   * The replicas that a request must reach: one set while the ring is at rest, the old and the new
   * one while it is joint (a quorum is needed in each). Most preferred replica first.
   */
  replicaSets(partition: Partition): readonly ReplicaSet[] {
    const sets = this.#replicaSets[partition];
    invariant(sets !== undefined, 'a partition of this ring');
    return sets;
  }

  /** Everyone to be asked, each once, most preferred first; while joint, the old set before the new. */
  replicasOf(partition: Partition): ReplicaSet {
    const replicas = this.#replicas[partition];
    invariant(replicas !== undefined, 'a partition of this ring');
    return replicas;
  }

  /** Whether `node` is a replica of `partition`, in the old set or in the new one. */
  keeps(node: NodeId, partition: Partition): boolean {
    return this.replicasOf(partition).includes(node);
  }

  /** Who decides the next ring: everyone who was there before the transition under way. */
  get voters(): readonly Member[] {
    return this.members.filter(({ joining }) => !joining);
  }

  member(id: NodeId): Member | undefined {
    return this.#membersById.get(id);
  }

  /** The number of partitions that `node` keeps. */
  partitionsOf(node: NodeId): number {
    return this.#partitionsKept.get(node) ?? 0;
  }
}

/** The first ring of a cluster: epoch 1, partitions dealt out among the founders. */
export function formRing(options: {
  readonly clusterId: ClusterId;
  readonly lineage: Lineage;
  readonly clusterName: string;
  readonly hashSeed: bigint;
  readonly replicationFactor: number;
  readonly partitionCount: number;
  readonly lastSurvivor: LastSurvivorRule;
  readonly graceMs: number;
  readonly founders: readonly Member[];
}): Ring {
  const { founders, ...settings } = options;
  const assignment = assign({ previous: undefined, members: founders, ...settings });
  return new Ring({
    ...settings,
    epoch: 1 as Epoch,
    formers: [],
    givenUp: [],
    sentAway: [],
    versionsAboveMs: 0,
    members: founders,
    assignment,
    next: undefined,
    recovering: [],
  });
}

function replicaSetsOf(
  assignment: Assignment,
  next: Assignment | undefined,
): readonly (readonly ReplicaSet[])[] {
  return assignment.map((replicas, partition) => {
    const after = next?.[partition];
    return after === undefined ? [replicas] : [replicas, after];
  });
}

function inEither(sets: readonly ReplicaSet[]): ReplicaSet {
  return [...new Set(sets.flat())];
}

function countByReplica(assignment: Assignment): ReadonlyMap<NodeId, number> {
  const counts = new Map<NodeId, number>();
  for (const replicas of assignment) {
    for (const id of replicas) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}
