/** Most nodes killed for good: an operator has the others go on, by the command that the docs name. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { clusterReport, settled } from '../faults/cluster-report.ts';
import { FaultCluster, type FaultNode } from '../faults/fault-cluster.ts';
import { keyNames, misread, writeToAll } from '../faults/keys.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const KEYS = keyNames(100);
const WITHIN = { timeout: 30_000, interval: 100 };

test('three of five killed: two go on by force, and the three bring back what only they had', async () => {
  const cluster = await FaultCluster.start({ nodes: 5, environment: { QUORATE_PARTITIONS: '32' } });
  onTestFinished(() => cluster.stop());
  await writeToAll(cluster.nodes, KEYS, 'before');
  const [first, second, ...victims] = cluster.nodes;
  if (first === undefined || second === undefined) throw new Error('five nodes');
  await Promise.all(victims.map((node) => node.kill()));
  const names = victims.map(({ name }) => name);
  for (const node of [first, second])
    await expect.poll(() => deadAt(node), WITHIN).toEqual(names.toSorted());

  const ordinary = remove(first, ...names.slice(0, 1), '--yes');
  await expect(ordinary).rejects.toMatchObject({ code: 5 }); // no quorum decides it
  const planned = await remove(first, ...names, '--force', '--dry-run');
  expect(planned.stdout).toMatch(/NO COPY IS LEFT of \d+ partitions/);
  const ran = await remove(first, ...names, '--force', '--yes');
  expect(ran.stderr).toMatch(/task ring-1000000000\n.*done\n$/s);

  await settled([first, second]);
  expect(first.said + second.said).toContain('an operator forced this ring');
  for (const node of [first, second]) {
    expect((await node.put('after', `by ${node.name}`)).status).toBeLessThanOrEqual(201);
    expect((await node.get('after')).body.toString()).toBe(`by ${node.name}`);
  }
  for (const node of victims) node.start();
  await settled(cluster.nodes);
  await expect.poll(() => misread(cluster.nodes, KEYS, 'before'), WITHIN).toEqual([]);
}, 180_000);

async function deadAt(node: FaultNode): Promise<readonly string[]> {
  const members = (await clusterReport(node))?.members ?? [];
  return members.filter(({ state }) => state === 'dead').map(({ name }) => name);
}

function remove(node: FaultNode, ...args: readonly string[]) {
  const command = ['node', 'remove', ...args, '--url', node.url];
  return promisify(execFile)(process.execPath, [MAIN, ...command]);
}
