/** Nodes that come back after they were replaced, or without their disk: by themselves, and they serve. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ClusterReport, clusterReport, settled } from '../faults/cluster-report.ts';
import { FaultCluster, type FaultNode } from '../faults/fault-cluster.ts';
import { keptBadly, keyNames, misread, writeToAll } from '../faults/keys.ts';

const KEYS = keyNames(200);
const DELETED = Array.from({ length: 50 }, (_, index) => `deleted${index}`);
const AWAY = 3;

test.each([
  ['its old disk', async () => undefined],
  ['an empty disk', (node: FaultNode) => node.wipe()],
])(
  'a node that was replaced comes back with %s, is a member again, and serves',
  async (_disk, meanwhile) => {
    const cluster = await start({ QUORATE_REPLACE_AFTER: '5s' });
    await writeToAll(cluster.nodes, [...KEYS, ...DELETED], 'before');
    const node = cluster.node(AWAY);
    const id = await idOf(node);
    await node.kill();
    const others = cluster.nodes.filter((other) => other !== node);
    await settled(others);
    await writeToAll(others, KEYS, 'meanwhile');
    for (const key of DELETED) expect((await others[0]?.delete(key))?.status).toBe(204);
    await meanwhile(node);

    node.start();
    await settled(cluster.nodes);
    expect(await idOf(node)).not.toBe(id);
    expect(await keptBadly(cluster.nodes, KEYS, 3)).toEqual([]);
    expect(await misread([node], KEYS, 'meanwhile')).toEqual([]);
    // What it had set aside is offered now, or was: what was deleted stays so.
    for (const key of DELETED) expect((await node.get(key)).status).toBe(404);
    await writeToAll([node], KEYS, 'again');
    expect(await misread(cluster.nodes, KEYS, 'again')).toEqual([]);
  },
  300_000,
);

describe('back within the grace period, a node', () => {
  test('with its disk is the same member, and no data move', async () => {
    const cluster = await start({});
    const before = await settled(cluster.nodes);
    await cluster.node(AWAY).kill();
    cluster.node(AWAY).start();
    const after = await settled(cluster.nodes);
    expect(after.epoch).toBe(before.epoch);
    expect(after.members.map(({ id }) => id)).toEqual(before.members.map(({ id }) => id));
  });

  test('without its disk takes its own place as another node, before the grace period is over', async () => {
    const cluster = await start({ QUORATE_REPLACE_AFTER: '10m' });
    await writeToAll(cluster.nodes, KEYS, 'before');
    const node = cluster.node(AWAY);
    const id = await idOf(node);
    await node.kill();
    await node.wipe();
    node.start();
    await settled(cluster.nodes);
    expect(await idOf(node)).not.toBe(id);
    expect(await keptBadly(cluster.nodes, KEYS, 3)).toEqual([]);
    expect(await misread([node], KEYS, 'before')).toEqual([]);
  }, 180_000);
});

test('two nodes that come back each at the address of the other are who they were (failure mode 38)', async () => {
  const cluster = await start({ QUORATE_REPLACE_AFTER: '10m' });
  await writeToAll(cluster.nodes, KEYS, 'before');
  const [one, other] = [cluster.node(2), cluster.node(AWAY)];
  const before = await settled(cluster.nodes);
  await Promise.all([one.kill(), other.kill()]);
  one.start(addressOf(other));
  other.start(addressOf(one));
  const after = await settled(cluster.nodes);
  expect(after.epoch).toBe(before.epoch);
  expect(namesById(after)).toEqual(namesById(before));
  // No node holds, or is asked for, what the other one keeps.
  expect(await keptBadly(cluster.nodes, KEYS, 3)).toEqual([]);
  expect(await misread(cluster.nodes, KEYS, 'before')).toEqual([]);
  await writeToAll(cluster.nodes, KEYS, 'after');
  expect(await misread(cluster.nodes, KEYS, 'after')).toEqual([]);
}, 180_000);

test('two members that moved one after the other find each other through a third, which may go then', async () => {
  const cluster = await FaultCluster.start({
    network: 'proxies',
    environment: { QUORATE_REPLACE_AFTER: '10m', QUORATE_LAST_SURVIVOR: 'wait' },
  });
  onTestFinished(() => cluster.stop());
  const [third, ...moved] = cluster.nodes as [FaultNode, FaultNode, FaultNode];
  await settled(cluster.nodes);
  for (const node of moved) {
    await node.stop();
    // The others find nothing any more where the ring lists it.
    await node.proxy.close();
    node.start({ QUORATE_ADVERTISE: new URL(node.url).host });
    await settled(cluster.nodes);
  }
  for (const node of moved)
    await expect.poll(() => answeredTo(node), { timeout: 30_000 }).toHaveLength(3);
  await third.kill();
  await expect
    .poll(async () => (await moved[0].put('k', 'v')).status, { timeout: 30_000 })
    .toBe(201);
  for (const node of moved) expect((await node.get('k')).body.toString()).toBe('v');
}, 180_000);

/** The settings with which another node listens, and is found, where this one was. */
function addressOf({ address }: FaultNode): Readonly<Record<string, string>> {
  return { QUORATE_PORT: address.split(':')[1] ?? '', QUORATE_ADVERTISE: address };
}

/** Members that this one has asked for what they keep, and that answered. */
async function answeredTo(node: FaultNode): Promise<readonly string[]> {
  const members = (await clusterReport(node))?.members ?? [];
  return members.filter(({ keys }) => keys !== undefined).map(({ name }) => name);
}

function namesById({ members }: ClusterReport): ReadonlyMap<string, string> {
  return new Map(members.map(({ id, name }) => [id, name]));
}

async function start(environment: Readonly<Record<string, string>>): Promise<FaultCluster> {
  const cluster = await FaultCluster.start({ nodes: 5, environment });
  onTestFinished(() => cluster.stop());
  return cluster;
}

async function idOf(node: FaultNode): Promise<string | undefined> {
  return (await clusterReport(node))?.members.find(({ name }) => name === node.name)?.id;
}
