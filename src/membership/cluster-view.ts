/** What a node can tell of itself and its cluster, for `/readyz`, `/cluster` and `/cluster/ring`. */
import type { NodeId, Partition } from '../ids.ts';
import type { MemberState } from '../swim/news.ts';

export interface ReadinessCheck {
  readonly name: string;
  readonly ok: boolean;
  /** What is the matter and what helps, when not ok; else a word on how it stands. */
  readonly detail: string;
}

export interface MemberStatus {
  readonly name: string;
  readonly id: NodeId;
  readonly url: string;
  readonly state: MemberState;
  readonly zone: string;
  readonly weight: number;
  /** Partitions of which it keeps a replica. */
  readonly partitions: number;
  /** Values that it keeps; absent while it does not answer. */
  readonly keys: number | undefined;
}

export interface ClusterStatus {
  readonly name: string;
  /** Absent until the cluster is formed. */
  readonly id: string | undefined;
  readonly epoch: number;
  readonly replicationFactor: number;
  readonly members: readonly MemberStatus[];
}

export interface PartitionReplicas {
  readonly partition: Partition;
  /** Names, most preferred first. */
  readonly replicas: readonly string[];
}

export interface RingStatus {
  readonly epoch: number;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly partitions: readonly PartitionReplicas[];
}

export interface ClusterView {
  /** Every check; the node is ready when all are ok. */
  readiness(): readonly ReadinessCheck[];
  /** Asks the other members for their counts; those that are silent are listed without. */
  cluster(timeoutMs: number): Promise<ClusterStatus>;
  /** `undefined` until the cluster is formed. */
  ring(): RingStatus | undefined;
}
