import type { NodeId } from '../ids.ts';

/** The replicas of one partition, most preferred first. */
export type ReplicaSet = readonly NodeId[];

/** The replicas of every partition, by its number. */
export type Assignment = readonly ReplicaSet[];

/** Whether both have the same replicas, in whatever order. */
export function sameReplicas(a: ReplicaSet, b: ReplicaSet): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}

/**
 * How many of `replicas` it takes to have met every acknowledged write: n-q+1, so that they share one
 * with each quorum: fewer than a quorum where their number is even (ADR 11).
 */
export function sourcesNeeded(replicas: number): number {
  return replicas - Math.floor(replicas / 2);
}
