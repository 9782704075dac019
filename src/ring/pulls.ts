/** Who has to pull what, and from how many, before a joint ring may be followed by a settled one. */
import type { NodeId, Partition } from '../ids.ts';
import { sameReplicas, sourcesNeeded } from './replica-set.ts';
import type { Ring } from './ring.ts';

/**
 * Whether the wanted replicas of `partition` have to pull: not where they are the old ones, unless nothing
 * survived and they begin anew. Then what each may have kept from earlier is brought together.
 */
export function inTransition(ring: Ring, partition: Partition): boolean {
  const [old, wanted] = ring.replicaSets(partition);
  if (old === undefined || wanted === undefined) return false;
  return ring.recovering.includes(partition) || !sameReplicas(old, wanted);
}

/**
 * Whether `node` has to pull `partition`: every replica of a wanted set that differs from the old one,
 * those that keep their place included. (A replica that was kept may have missed what the quorums of the
 * old set hold.)
 */
export function mustPull(ring: Ring, node: NodeId, partition: Partition): boolean {
  return ring.next?.[partition]?.includes(node) === true && inTransition(ring, partition);
}

/** In order of their numbers. */
export function partitionsToPull(ring: Ring, node: NodeId): readonly Partition[] {
  const partitions = Array.from(ring.assignment.keys()) as Partition[];
  return partitions.filter((partition) => mustPull(ring, node, partition));
}

/** How many old replicas of `partition` a wanted one has to have met; all where only survivors are left. */
export function pullsNeeded(ring: Ring, partition: Partition): number {
  const old = ring.assignment[partition]?.length ?? 0;
  return ring.recovering.includes(partition) ? old : sourcesNeeded(old);
}
