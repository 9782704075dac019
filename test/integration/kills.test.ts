/**
 * `kill -9` at random moments under load. `FAULT_KILLS=1000` for the long form (`make faults`), `FAULT_SEED`
 * to choose the moments; the machine's own timing still makes each run another one.
 */
import { expect, onTestFinished, test } from 'vitest';
import { FaultCluster } from '../faults/fault-cluster.ts';
import { Load } from '../faults/load.ts';
import { pause } from '../faults/pause.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';

const KILLS = Number(process.env['FAULT_KILLS'] ?? 20);
const SEED = Number(process.env['FAULT_SEED'] ?? Date.now() % 2 ** 32);

/** A life is this long at most before the next strike, in milliseconds. */
const LONGEST_LIFE_MS = 400;

test(
  `${KILLS} kills lose no acknowledged write (FAULT_SEED=${SEED})`,
  async () => {
    const random = new SeededRandom(SEED, 'kills');
    const cluster = await FaultCluster.start({ nodes: 5 });
    onTestFinished(() => cluster.stop());
    const load = new Load(cluster, { seed: SEED });
    await load.progress(50);
    for (let kills = 0; kills < KILLS; ) {
      // Mostly one; now and then two replicas of a key, or the power of the whole house.
      const count = Math.min(KILLS - kills, random.pick([1, 1, 1, 2, 2, 3, 5]));
      await pause(random.fraction() * LONGEST_LIFE_MS);
      const struck = pickFrom(cluster.nodes, count, random);
      await Promise.all(struck.map((node) => node.kill()));
      kills += count;
      await pause(random.fraction() * LONGEST_LIFE_MS);
      for (const node of struck) node.start();
      // Sometimes the next strike comes before they are ready.
      if (random.chance(0.3)) await cluster.ready();
      if (kills % 100 < count) console.info(`${kills} kills, ${load.acknowledged} acknowledged`);
    }
    await cluster.ready();
    const { lost, flaws, ...counts } = await load.verdict();
    console.info(`${KILLS} kills: ${JSON.stringify({ ...counts, lost: lost.length })}`);
    expect({ lost, flaws }).toEqual({ lost: [], flaws: [] });
    expect(counts.acknowledged).toBeGreaterThan(KILLS);
  },
  120_000 + KILLS * 5_000,
);

function pickFrom<Value>(values: readonly Value[], count: number, random: SeededRandom): Value[] {
  const left = [...values];
  return Array.from({ length: count }, () => {
    const value = random.pick(left);
    left.splice(left.indexOf(value), 1);
    return value;
  });
}
