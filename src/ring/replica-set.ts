import type { NodeId } from '../ids.ts';

/** The replicas of one partition, most preferred first. */
export type ReplicaSet = readonly NodeId[];

/** The replicas of every partition, by its number. */
export type Assignment = readonly ReplicaSet[];
