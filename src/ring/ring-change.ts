import type { Partition } from '../ids.ts';
import { invariant } from '../invariant.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { Ring } from './ring.ts';

/** Who starts and who stops keeping a partition when one ring follows another. */
export interface PartitionChange {
  readonly partition: Partition;
  readonly gained: ReplicaSet;
  readonly lost: ReplicaSet;
}

/** The partitions whose replicas differ, in order. Order of preference makes no difference. */
export function changesBetween(before: Ring, after: Ring): readonly PartitionChange[] {
  invariant(before.partitionCount === after.partitionCount, 'two rings of one cluster');
  const changes: PartitionChange[] = [];
  for (let number = 0; number < before.partitionCount; number++) {
    const partition = number as Partition;
    const old = before.replicasOf(partition);
    const now = after.replicasOf(partition);
    const gained = now.filter((id) => !old.includes(id));
    const lost = old.filter((id) => !now.includes(id));
    if (gained.length > 0 || lost.length > 0) changes.push({ partition, gained, lost });
  }
  return changes;
}
