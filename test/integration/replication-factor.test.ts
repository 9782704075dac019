/** Another replication factor by restarting all nodes with it, and by an operator while they run. */
import { expect, onTestFinished, test } from 'vitest';
import { clusterReport, settled } from '../faults/cluster-report.ts';
import { FaultCluster, type FaultNode } from '../faults/fault-cluster.ts';
import { keptBadly, keyNames, misread, writeToAll } from '../faults/keys.ts';
import { pause } from '../faults/pause.ts';

const KEYS = keyNames(200);
/** Each node looks at what the others were started with once a second, and a quarter more at most. */
const TWO_LOOKS_MS = 2_500;
const LOOK_EVERY_MS = 50;

test('a new replication factor comes into force when all nodes were restarted with it, up and down', async () => {
  const cluster = await FaultCluster.start({
    nodes: 4,
    environment: { QUORATE_REPLICATION_FACTOR: '2' },
  });
  onTestFinished(() => cluster.stop());
  await writeToAll(cluster.nodes, KEYS, 'before');
  for (const replicationFactor of [3, 1]) {
    await Promise.all(cluster.nodes.map((node) => node.stop()));
    for (const node of cluster.nodes)
      node.start({ QUORATE_REPLICATION_FACTOR: String(replicationFactor) });
    await expect
      .poll(async () => (await settled(cluster.nodes)).replicationFactor, { timeout: 60_000 })
      .toBe(replicationFactor);
    expect(await keptBadly(cluster.nodes, KEYS, replicationFactor)).toEqual([]);
    expect(await misread(cluster.nodes, KEYS, 'before')).toEqual([]);
  }
}, 300_000);

test('of a cluster of one node, restarting that one is enough', async () => {
  const cluster = await FaultCluster.start({ nodes: 1 });
  onTestFinished(() => cluster.stop());
  await writeToAll(cluster.nodes, KEYS, 'before');
  const node = cluster.node(1);
  await node.stop();
  node.start({ QUORATE_REPLICATION_FACTOR: '5' });
  await expect
    .poll(async () => (await settled(cluster.nodes)).replicationFactor, { timeout: 60_000 })
    .toBe(5);
  expect(await misread(cluster.nodes, KEYS, 'before')).toEqual([]);
});

test('a single node that comes back with another one is refused, with both numbers, and the cluster goes on', async () => {
  const cluster = await FaultCluster.start({ environment: { QUORATE_REPLICATION_FACTOR: '3' } });
  onTestFinished(() => cluster.stop());
  await writeToAll(cluster.nodes, KEYS, 'before');
  const [node] = cluster.nodes;
  await node?.stop();
  node?.start({ QUORATE_REPLICATION_FACTOR: '1' });
  expect(await node?.ended()).toBe(1);
  expect(node?.said).toMatch(/keeps 3 copies.*QUORATE_REPLICATION_FACTOR=1/s);
  node?.start();
  expect((await settled(cluster.nodes)).replicationFactor).toBe(3);
  expect(await misread(cluster.nodes, KEYS, 'before')).toEqual([]);
});

test('one that is changed while all run stays, whatever they were started with, and again when they restart', async () => {
  const cluster = await FaultCluster.start({ environment: { QUORATE_REPLICATION_FACTOR: '3' } });
  onTestFinished(() => cluster.stop());
  await writeToAll(cluster.nodes, KEYS, 'before');
  const body = JSON.stringify({ replicationFactor: 2 });
  const asked = { method: 'PUT', path: '/cluster/replication-factor', body } as const;
  expect((await cluster.node(1).ask(asked)).status).toBe(202);
  await staysAt(2, cluster.nodes);
  await Promise.all(cluster.nodes.map((node) => node.stop()));
  for (const node of cluster.nodes) node.start();
  await staysAt(2, cluster.nodes);
  expect(await misread(cluster.nodes, KEYS, 'before')).toEqual([]);
});

/** Nobody changes it in the time of two looks after the one in which all of them found it changed. */
async function staysAt(replicationFactor: number, nodes: readonly FaultNode[]): Promise<void> {
  for (const node of nodes)
    await expect
      .poll(() => node.said, { timeout: 30_000 })
      .toContain('was changed and is in force');
  const { epoch } = await settled(nodes);
  const untilMs = performance.now() + TWO_LOOKS_MS;
  while (performance.now() < untilMs) {
    const reports = await Promise.all(nodes.map(clusterReport));
    for (const report of reports) expect(report).toMatchObject({ epoch, replicationFactor });
    await pause(LOOK_EVERY_MS);
  }
}
