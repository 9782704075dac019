/**
 * The order in which a partition's replicas are asked. The first one is asked for the value, so first
 * places are dealt out evenly: each member is first in one of n of the partitions that it keeps,
 * rounded up or down. Replicas that stay keep their order, except where somebody else has to come
 * first for that; no data moves for it. It is a flow again: partition -> first replica -> sink.
 */
import type { NodeId } from '../ids.ts';
import { invariant } from '../invariant.ts';
import { FlowNetwork } from './flow.ts';
import type { Member } from './member.ts';
import type { Assignment, ReplicaSet } from './replica-set.ts';

const SOURCE = 0;
const SINK = 1;
const FIRST_MEMBER = 2;

/** What it costs to put a replica first: an order that stays as it was is cheapest. */
const NO_CHANGE = 0;
const FIRST_GIVES_WAY = 1;
const OVERTAKES = 2;

export function inPreferenceOrder(
  previous: Assignment | undefined,
  assignment: Assignment,
  members: readonly Member[],
): Assignment {
  const ordered = assignment.map((replicas, partition) =>
    stayedFirst(previous?.[partition], replicas),
  );
  const replicaCount = assignment[0]?.length ?? 0;
  const network = new FlowNetwork(
    FIRST_MEMBER + members.length + assignment.length,
    members.length + assignment.length * (1 + replicaCount),
  );
  const nodeOf = new Map(members.map((member, index) => [member.id, FIRST_MEMBER + index]));
  const roundedUp = addFirstPlaces(network, nodeOf, assignment);
  const choices = ordered.map((replicas, partition) => {
    const node = FIRST_MEMBER + members.length + partition;
    network.addArc(SOURCE, node, 1, 0);
    return replicas.map((id) => {
      const to = nodeOf.get(id);
      invariant(to !== undefined, 'a member');
      return network.addArc(node, to, 1, costOfFirst(id, replicas, previous?.[partition]));
    });
  });

  let placed = network.fill(SOURCE, SINK);
  for (const arc of roundedUp) network.widen(arc, 1);
  placed += network.fill(SOURCE, SINK);
  invariant(placed === assignment.length, 'a first replica for every partition');
  return ordered.map((replicas, partition) => {
    const chosen = choices[partition]?.findIndex((arc) => network.flowThrough(arc) > 0) ?? 0;
    return toFront(replicas, chosen);
  });
}

/** Those that stayed in their old order, then the newcomers. */
function stayedFirst(before: ReplicaSet | undefined, replicas: ReplicaSet): ReplicaSet {
  if (before === undefined) return replicas;
  return [
    ...before.filter((id) => replicas.includes(id)),
    ...replicas.filter((id) => !before.includes(id)),
  ];
}

/** Adds each member's room for first places, rounded down; returns the arcs that may take one more. */
function addFirstPlaces(
  network: FlowNetwork,
  nodeOf: ReadonlyMap<NodeId, number>,
  assignment: Assignment,
): readonly number[] {
  const kept = new Map<NodeId, number>();
  for (const replicas of assignment) {
    for (const id of replicas) kept.set(id, (kept.get(id) ?? 0) + 1);
  }
  const replicaCount = assignment[0]?.length ?? 1;
  const roundedUp: number[] = [];
  for (const [id, node] of nodeOf) {
    const count = kept.get(id) ?? 0;
    const arc = network.addArc(node, SINK, Math.floor(count / replicaCount), 0);
    if (count % replicaCount !== 0) roundedUp.push(arc);
  }
  return roundedUp;
}

/** `replicas`: as they stand, those that stayed before the newcomers. */
function costOfFirst(id: NodeId, replicas: ReplicaSet, before: ReplicaSet | undefined): number {
  if (before === undefined || id === replicas[0]) return NO_CHANGE;
  if (before.includes(id)) return OVERTAKES;
  return replicas[0] === before[0] ? FIRST_GIVES_WAY : NO_CHANGE;
}

function toFront(replicas: ReplicaSet, chosen: number): ReplicaSet {
  if (chosen === 0) return replicas;
  const first = replicas[chosen];
  invariant(first !== undefined, 'one of the replicas');
  return [first, ...replicas.filter((_, place) => place !== chosen)];
}
