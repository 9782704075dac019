/**
 * The classic handoff story: few hot keys, many clients, and members that come and go all the time. Beside
 * them cold keys: what clients keep writing and repairing is there even when nothing is handed over.
 * `HANDOFF_ROUNDS=50` for the long form (`make faults`), `FAULT_SEED` to choose who goes.
 */
import { expect, onTestFinished, test } from 'vitest';
import { settled } from '../faults/cluster-report.ts';
import { FaultCluster, type FaultNode } from '../faults/fault-cluster.ts';
import { keptBadly, keyNames, misread, writeToAll } from '../faults/keys.ts';
import { Load } from '../faults/load.ts';
import { sendAway } from '../faults/operator.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';

const ROUNDS = Number(process.env['HANDOFF_ROUNDS'] ?? 1);
const COLD = keyNames(300);
const SEED = Number(process.env['FAULT_SEED'] ?? Date.now() % 2 ** 32);

test(
  `${ROUNDS} times two join and two leave: no client notices, and nothing is lost (FAULT_SEED=${SEED})`,
  async () => {
    const random = new SeededRandom(SEED, 'handoff');
    const cluster = await FaultCluster.start({ nodes: 5 });
    onTestFinished(() => cluster.stop());
    await writeToAll(cluster.nodes, COLD, 'cold');
    const loads: Load[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const load = new Load(cluster, {
        clients: 40,
        keysAtOnce: 10,
        operationsEach: 1_000, // a hot key stays hot while members come and go
        retryForMs: 10_000,
        restMs: 20,
        seed: SEED + round,
      });
      loads.push(load);
      await load.progress(100);
      // Both at once: whoever comes second changes what is wanted while the data are on their way.
      await Promise.all([cluster.add(), cluster.add()]);
      await settled(cluster.nodes);
      await load.progress(100);

      const staying = [...cluster.nodes];
      const leavers = [takeOne(staying, random), takeOne(staying, random)];
      for (const [before, leaver] of leavers.entries()) {
        await sendAway(leaver, random.pick(staying));
        const left = leavers.slice(0, before + 1);
        if (round % 2 === 0) await settled(cluster.nodes.filter((node) => !left.includes(node)));
      }
      await settled(staying);
      await load.progress(100);
      for (const leaver of leavers) await cluster.discard(leaver);
      expect(await keptBadly(staying, COLD, 3)).toEqual([]);
      expect(await misread(staying, COLD, 'cold')).toEqual([]);
      const { lost, flaws, failed, ...counts } = await load.verdict();
      console.info(`round ${round} of ${ROUNDS}: ${JSON.stringify(counts)}`);
      expect({ lost, flaws, failed }).toEqual({ lost: [], flaws: [], failed: [] });
    }
    // What an early round wrote has moved many times since.
    for (const load of loads) expect(await load.lost()).toEqual([]);
  },
  120_000 + ROUNDS * 180_000,
);

function takeOne(nodes: FaultNode[], random: SeededRandom): FaultNode {
  const node = random.pick(nodes);
  nodes.splice(nodes.indexOf(node), 1);
  return node;
}
