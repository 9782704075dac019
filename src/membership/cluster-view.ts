/** What a node can tell of itself and its cluster, for `/readyz` and what is below `/cluster`. */
import type { NodeId, Partition } from '../ids.ts';
import type { Leaving } from '../ring/member.ts';
import type { LastSurvivorRule } from '../ring/ring-parts.ts';
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
  /** Whether it is given no partitions any more, and goes with the end of the transition. */
  readonly leaving: Leaving;
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
  /** How long a member may be dead before it is replaced, milliseconds. */
  readonly replaceAfterMs: number;
  readonly lastSurvivor: LastSurvivorRule;
  readonly members: readonly MemberStatus[];
  /** Absent at rest. */
  readonly transition: TransitionStatus | undefined;
  /** What somebody should look at, in sentences; empty when all is well. */
  readonly alarms: readonly string[];
}

/** What is under way while the ring is joint. */
export interface TransitionStatus {
  /** Its name among the tasks. */
  readonly task: string;
  readonly epoch: number;
  /** Partitions whose replicas change. */
  readonly partitions: number;
  /** Over all members: partitions that each has to pull, and has. */
  readonly toPull: number;
  readonly pulled: number;
  /** Those that have to pull. */
  readonly members: readonly PullStatus[];
}

export interface PullStatus {
  /** Its name. */
  readonly name: string;
  readonly toPull: number;
  /** Absent while it does not answer, or has not heard of this epoch. */
  readonly pulled: number | undefined;
}

/** A transition that is over, or goes on as another task because something else was wanted on the way. */
export interface EndedTask {
  readonly task: string;
  readonly epoch: number;
  readonly partitions: number;
  readonly state: 'done' | 'continued';
  readonly continuedBy: string | undefined;
}

export interface TasksStatus {
  /** Of the ring in force on this node; 0 until the cluster is formed. */
  readonly epoch: number;
  /** The same on every node that knows the ring. */
  readonly running: TransitionStatus | undefined;
  /** Those whose end this node saw, latest first. */
  readonly ended: readonly EndedTask[];
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
  /** Asks the other members how far they are, as `cluster` does. */
  tasks(timeoutMs: number): Promise<TasksStatus>;
}
