/** When faults and changes are over, the cluster has to come to rest by itself. */
import type { NodeId, Partition } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { placeOf } from '../../src/storage/keys.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import type { RingWatch } from './ring-watch.ts';
import type { Scheduler } from './scheduler.ts';
import { isReady, type SimulatedCluster, type SimulatedNode } from './simulated-cluster.ts';

const LOOK_EVERY_MS = 250;

/**
 * Lets time pass until the ring is at rest and everybody has taken it, every node is a member (or was sent
 * away), is ready and answers all others, and nobody keeps what it is no replica of. What is still in the
 * way after `withinMs`, in a sentence; `undefined` when nothing is.
 */
export async function rest(options: {
  readonly cluster: SimulatedCluster;
  readonly scheduler: Scheduler;
  readonly rings: RingWatch;
  readonly changes: { readonly underWay: boolean };
  readonly withinMs: number;
}): Promise<string | undefined> {
  const { scheduler, withinMs } = options;
  const untilMs = scheduler.nowMs + withinMs;
  for (;;) {
    const obstacle = await obstacleTo(options);
    if (obstacle === undefined || scheduler.nowMs >= untilMs) return obstacle;
    await scheduler.run(scheduler.nowMs + LOOK_EVERY_MS);
  }
}

async function obstacleTo({
  cluster,
  rings,
  changes,
}: {
  readonly cluster: SimulatedCluster;
  readonly rings: RingWatch;
  readonly changes: { readonly underWay: boolean };
}): Promise<string | undefined> {
  if (changes.underWay) return 'an operator waits for an answer';
  const { newest } = rings;
  if (newest === undefined) return 'there is no ring';
  if (newest.next !== undefined) return `epoch ${newest.epoch} is joint`;
  for (const { name } of cluster.nodes) {
    if (rings.isMember(name) || rings.wasSentAway(name)) continue;
    return `${name} is no member in epoch ${newest.epoch}`;
  }
  const members = cluster.nodes.filter(({ name }) => rings.isMember(name));
  if (members.length < newest.members.length)
    return 'the ring names members that are gone for ever';
  for (const member of members) {
    const obstacle = obstacleAt(member, rings, newest);
    if (obstacle !== undefined) return obstacle;
  }
  for (const node of members) {
    const surplus = await surplusOn(node, newest, rings.idOf(node.name));
    if (surplus > 0) return `${node.name} keeps ${surplus} records that it is no replica of`;
  }
  return undefined;
}

function obstacleAt(node: SimulatedNode, rings: RingWatch, newest: Ring): string | undefined {
  const { name } = node;
  const epoch = rings.ringsOf(name).at(-1)?.epoch;
  if (epoch !== newest.epoch) return `${name} is in epoch ${epoch}, others in ${newest.epoch}`;
  if (!isReady(node)) return `${name} is not ready`;
  if (rings.hasAside(name)) return `${name} has not offered all that it set aside`;
  if (rings.silentTo(name).length > 0) return `${name} leaves probes unanswered`;
  return undefined;
}

async function surplusOn(
  { disk }: SimulatedNode,
  ring: Ring,
  id: NodeId | undefined,
): Promise<number> {
  const { all } = await RecordPlaces.open(disk.durable);
  const entries = await disk.durable.scan(all, Number.MAX_SAFE_INTEGER);
  const isSurplus = (partition: Partition | undefined): boolean =>
    partition === undefined || id === undefined || !ring.keeps(id, partition);
  return entries.filter(({ key }) => isSurplus(placeOf(key)?.partition)).length;
}
