/** Another replication factor by restarting all nodes with it: no command needed. */
import { expect, onTestFinished, test } from 'vitest';
import { settled } from '../faults/cluster-report.ts';
import { FaultCluster } from '../faults/fault-cluster.ts';
import { keptBadly, keyNames, misread, writeToAll } from '../faults/keys.ts';

const KEYS = keyNames(200);

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
