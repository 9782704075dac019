import { expect, test } from 'vitest';
import { Handoff } from '../simulator/handoff.ts';
import { NOTHING_OMITTED, RUN_FAULTS } from '../simulator/omissions.ts';
import { runSeed } from '../simulator/run-seed.ts';
import type { RunSettings } from '../simulator/run-settings.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';

/** `make simulate-handoff` for a long run. */
const ROUNDS = Number(process.env['SIMULATED_HANDOFFS'] ?? 10);
const FIRST_SEED = 25_000;
const SETTINGS: Partial<RunSettings> = {
  nodes: 5,
  replicationFactor: 3,
  partitionCount: 16,
  level: 'quorum',
  clients: 40,
  keys: 10,
  meanPauseMs: 1_000,
  workloadMs: 60_000,
  contract: 'promised',
  rots: false,
  graceMs: 60_000,
  newcomers: 0,
  factorGivenTo: 'all',
};

test(
  'two nodes join and two leave, again and again, while 40 clients write 10 keys: nothing is lost, and no request fails (failure mode 25)',
  async () => {
    let [rounds, operations] = [0, 0];
    for (let seed = FIRST_SEED; rounds < ROUNDS; seed++) {
      const told: Handoff[] = [];
      const { flaws, failed, succeeded } = await runSeed(seed, {
        settings: SETTINGS,
        omissions: { ...NOTHING_OMITTED, faults: RUN_FAULTS },
        plot: (stage) => {
          const handoff = new Handoff(stage, new SeededRandom(seed, 'handoff'));
          told.push(handoff);
          return handoff;
        },
      });
      expect({ seed, flaws }).toEqual({ seed, flaws: [] });
      expect({ seed, failed }).toEqual({ seed, failed: 0 });
      const done = told.reduce((sum, handoff) => sum + handoff.rounds, 0);
      expect(done).toBeGreaterThan(0);
      rounds += done;
      operations += succeeded;
    }
    console.log(`${rounds} rounds, ${operations} operations`);
  },
  Math.max(120_000, ROUNDS * 3_000),
);
