/**
 * A sync that fails (failure mode 44): the node ends and says so, the cluster loses nothing.
 * `FAULT_SYNCS=200` fails each of the first 200 syncs of a node's life in turn (`make faults`).
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { FailingSync } from '../faults/failing-sync.ts';
import { FaultCluster } from '../faults/fault-cluster.ts';
import { Load } from '../faults/load.ts';
import { has } from '../faults/tools.ts';

const LAST = Number(process.env['FAULT_SYNCS'] ?? 0);
/** A start takes about a dozen; those behind belong to writes. */
const CALLS = LAST === 0 ? [1, 61] : Array.from({ length: LAST }, (_, index) => index + 1);

describe.skipIf(!has('gcc', 'the tests with failing syncs'))(
  'a node whose sync fails (skipped without gcc)',
  () => {
    let shim: FailingSync;

    beforeAll(async () => {
      shim = await FailingSync.compile();
    });

    afterAll(() => shim.remove());

    test(
      `ends with 1 whichever sync it was (${CALLS.length} of them), and the cluster loses nothing`,
      async () => {
        const cluster = await FaultCluster.start();
        onTestFinished(() => cluster.stop());
        const failing = cluster.node(3);
        const load = new Load(cluster);
        for (const call of CALLS) {
          await failing.kill();
          failing.start(shim.at(call));
          expect(await failing.ended(), `sync ${call}: ${failing.said}`).toBe(1);
          expect(failing.said).toMatch(/could not write or sync|Input\/output error/);
          failing.start();
          await failing.ready();
        }
        const { lost, flaws, ...counts } = await load.verdict();
        console.info(`${CALLS.length} failed syncs: ${JSON.stringify(counts)}`);
        expect({ lost, flaws }).toEqual({ lost: [], flaws: [] });
      },
      120_000 + CALLS.length * 10_000,
    );

    test('has every write that it acknowledged before, and counted for none that it did not', async () => {
      const cluster = await FaultCluster.start();
      onTestFinished(() => cluster.stop());
      const [kept, away, failing] = [cluster.node(1), cluster.node(2), cluster.node(3)];
      await failing.stop();
      failing.start(shim.at(80));
      await failing.ready();
      // Of the three replicas two are left: whatever is acknowledged now was synced by the failing one.
      await away.kill();
      const load = new Load(cluster, { through: [1] });
      expect(await failing.ended()).toBe(1);
      expect(load.acknowledged).toBeGreaterThan(5);
      await load.stop(); // a read would bring to the third replica what only two have
      failing.start();
      away.start();
      await cluster.ready();
      // It alone can have them now: whoever is left besides it was away.
      load.turnTo([2, 3]);
      await kept.kill();
      const { lost, flaws } = await load.verdict();
      expect({ lost, flaws }).toEqual({ lost: [], flaws: [] });
    });
  },
);
