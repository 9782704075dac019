/** Nodes that are killed and stay away: the others make up for them without an operator. */
import { expect, onTestFinished, test } from 'vitest';
import { settled } from '../faults/cluster-report.ts';
import { FaultCluster, type FaultNode } from '../faults/fault-cluster.ts';
import { keptBadly, keyNames, misread, writeToAll } from '../faults/keys.ts';
import { Load } from '../faults/load.ts';

const KEYS = keyNames(300);
/** Replacement soon, so that the tests are short; a member has to be dead for so long first. */
const SOON = { QUORATE_REPLACE_AFTER: '5s' };
const HEALED_WITHIN_MS = 180_000;

test('two of five nodes killed at once: every key that all its replicas had is kept, on three nodes', async () => {
  const cluster = await FaultCluster.start({ nodes: 5, environment: SOON });
  onTestFinished(() => cluster.stop());
  await writeToAll(cluster.nodes, KEYS, 'before');
  await Promise.all([cluster.node(2).kill(), cluster.node(4).kill()]);
  const left = survivors(cluster);
  // Some partitions have a single survivor: three grace periods until it is enough.
  await settled(left, HEALED_WITHIN_MS);
  // Somebody has to know that what had not reached all replicas may be gone.
  expect(left.map(({ said }) => said).join()).toContain('partitions go on with fewer replicas');
  expect(await keptBadly(left, KEYS, 3)).toEqual([]);
  expect(await misread(left, KEYS, 'before')).toEqual([]);
  await expectFullService(cluster);
}, 300_000);

test('one node killed after the other, down to two: full service each time it has healed, nothing lost', async () => {
  const cluster = await FaultCluster.start({ nodes: 5, environment: SOON });
  onTestFinished(() => cluster.stop());
  await writeToAll(cluster.nodes, KEYS, 'before');
  const loads: Load[] = [];
  for (const killed of [5, 1, 3]) {
    const load = new Load(cluster, { retryForMs: 10_000, restMs: 20 });
    loads.push(load);
    await load.progress(20);
    await cluster.node(killed).kill();
    await load.progress(20);
    const left = survivors(cluster);
    await settled(left, HEALED_WITHIN_MS);
    const { lost, flaws, failed } = await load.verdict();
    expect({ lost, flaws, failed }).toEqual({ lost: [], flaws: [], failed: [] });
    expect(await keptBadly(left, KEYS, Math.min(3, left.length))).toEqual([]);
    expect(await misread(left, KEYS, 'before')).toEqual([]);
    await expectFullService(cluster);
  }
  for (const load of loads) expect(await load.lost()).toEqual([]);

  // Two are no majority of two without each other: the last one answers level `one`, and nothing else.
  await cluster.node(2).kill();
  const last = cluster.node(4);
  await expect
    .poll(async () => (await last.get('key1', '?consistency=one')).body.toString(), {
      timeout: 20_000,
    })
    .toBe('before of key1');
  expect((await last.put('key1', 'alone')).status).toBe(503);
}, 600_000);

function survivors(cluster: FaultCluster): readonly FaultNode[] {
  return cluster.nodes.filter(({ isRunning }) => isRunning);
}

/** Every node reads and writes, and refuses nothing. */
async function expectFullService(cluster: FaultCluster): Promise<void> {
  const load = new Load(cluster, { restMs: 5 });
  await load.progress(100);
  const { lost, flaws, unknown, denied } = await load.verdict();
  expect({ lost, flaws, unknown, denied }).toEqual({ lost: [], flaws: [], unknown: 0, denied: 0 });
}
