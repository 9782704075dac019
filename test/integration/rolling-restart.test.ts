/** Restarting every node, one after the other, while clients go on. `ROLLING_ROUNDS=20` for the long form. */
import { expect, onTestFinished, test } from 'vitest';
import { settled } from '../faults/cluster-report.ts';
import { FaultCluster } from '../faults/fault-cluster.ts';
import { Load } from '../faults/load.ts';

const ROUNDS = Number(process.env['ROLLING_ROUNDS'] ?? 1);

test(
  `restarted one after the other, ${ROUNDS} times: no client notices, nothing is lost, nobody is replaced`,
  async () => {
    const cluster = await FaultCluster.start({ nodes: 5 });
    onTestFinished(() => cluster.stop());
    const before = await settled(cluster.nodes);
    const load = new Load(cluster, { clients: 16, retryForMs: 10_000, restMs: 5 });
    for (let round = 0; round < ROUNDS; round++) {
      for (const node of cluster.nodes) {
        await load.progress(50);
        await node.stop();
        expect(await node.ended()).toBe(0);
        node.start();
        await node.ready();
      }
    }
    await load.progress(50);
    const { lost, flaws, failed, ...counts } = await load.verdict();
    console.info(`${ROUNDS} rolling restarts: ${JSON.stringify(counts)}`);
    expect({ lost, flaws, failed }).toEqual({ lost: [], flaws: [], failed: [] });
    const after = await settled(cluster.nodes);
    expect(after.epoch).toBe(before.epoch);
    expect(after.members.map(({ id }) => id)).toEqual(before.members.map(({ id }) => id));
  },
  120_000 + ROUNDS * 120_000,
);
