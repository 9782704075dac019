/** How far a transition is: what the ring asks of its members, and what they say of themselves. */
import type { NodeId, Partition } from '../ids.ts';
import { inTransition, partitionsToPull } from '../ring/pulls.ts';
import type { Ring } from '../ring/ring.ts';
import type { ReplyOf } from '../rpc/messages.ts';
import type { TransitionStatus } from './cluster-view.ts';

type StatusReply = ReplyOf<'member.status'>;

/** The task that carries out the joint ring of `epoch`: the same name on every node. */
export function taskOf(epoch: number): string {
  return `ring-${epoch}`;
}

/** The number of partitions whose replicas change. */
export function partitionsInTransition(ring: Ring): number {
  return ring.assignment.filter((_, number) => inTransition(ring, number as Partition)).length;
}

/** The members that have to pull, and from how many partitions each. */
export function pullsOf(ring: Ring): ReadonlyMap<NodeId, number> {
  const pulls = ring.members.map(({ id }) => [id, partitionsToPull(ring, id).length] as const);
  return new Map(pulls.filter(([, partitions]) => partitions > 0));
}

/** `undefined` at rest. A member counts by its own word, if that is about the epoch of `ring`. */
export function transitionOf(
  ring: Ring,
  said: ReadonlyMap<NodeId, StatusReply>,
): TransitionStatus | undefined {
  if (ring.next === undefined) return undefined;
  const members = [...pullsOf(ring)].map(([id, planned]) => {
    const name = ring.member(id)?.name ?? id;
    const status = said.get(id);
    if (status?.epoch !== ring.epoch) return { name, toPull: planned, pulled: undefined };
    return { name, toPull: status.toPull, pulled: status.pulled };
  });
  return {
    task: taskOf(ring.epoch),
    epoch: ring.epoch,
    partitions: partitionsInTransition(ring),
    toPull: members.reduce((sum, { toPull }) => sum + toPull, 0),
    pulled: members.reduce((sum, { pulled }) => sum + (pulled ?? 0), 0),
    members: members.sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Whether everybody who has to pull said that all of it is done. */
export function allPulled({ members }: TransitionStatus): boolean {
  return members.every(({ toPull, pulled }) => pulled !== undefined && pulled >= toPull);
}
