import type { NodeId, Partition } from '../ids.ts';
import { inTransition } from '../ring/pulls.ts';
import type { Ring } from '../ring/ring.ts';

/** What a change of the ring would move; sizes and times are estimates. */
export interface ChangePlan {
  /** Partitions whose replicas change. */
  readonly partitions: number;
  /** Replicas that a member gets which did not keep that partition before. */
  readonly replicas: number;
  readonly bytes: number;
  /** While no clients are served: copying gives way to them. */
  readonly seconds: number;
}

const NOTHING: ChangePlan = { partitions: 0, replicas: 0, bytes: 0, seconds: 0 };

/**
 * `after`: the joint ring that would be decided. Estimated as if each receiver took its share at the transfer
 * rate, all of them at once; what bounds is the rate of each sender.
 */
export function planOf(
  after: Ring | undefined,
  bytesPerReplica: number,
  rateBytes: number,
): ChangePlan {
  if (after?.next === undefined) return NOTHING;
  const gained = new Map<NodeId, number>();
  let partitions = 0;
  for (const [number, wanted] of after.next.entries()) {
    if (!inTransition(after, number as Partition)) continue;
    partitions += 1;
    for (const id of wanted) {
      if (!after.assignment[number]?.includes(id)) gained.set(id, (gained.get(id) ?? 0) + 1);
    }
  }
  const counts = [...gained.values()];
  const replicas = counts.reduce((sum, count) => sum + count, 0);
  const most = Math.max(0, ...counts);
  return {
    partitions,
    replicas,
    bytes: Math.round(replicas * bytesPerReplica),
    seconds: Math.ceil((most * bytesPerReplica) / rateBytes),
  };
}
