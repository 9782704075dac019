/** Real nodes whose wall clock is wrong or jumps (failure modes 1, 4, 5), by faketime. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FalseClock } from '../faults/false-clock.ts';
import { type Answer, FaultCluster, type FaultNode, problemIn } from '../faults/fault-cluster.ts';
import { Load } from '../faults/load.ts';
import { has } from '../faults/tools.ts';

/** Clocks are compared once a second. */
const SOON = { timeout: 20_000 };

describe.skipIf(!has('faketime', 'the tests with wrong clocks'))(
  'with the clock of one node (skipped without faketime)',
  () => {
    let clock: FalseClock;
    let cluster: FaultCluster;
    let wrong: FaultNode;

    beforeAll(async () => {
      clock = new FalseClock();
      cluster = await FaultCluster.start({
        environmentOf: (node) => (node === 3 ? clock.environment : {}),
      });
      wrong = cluster.node(3);
    });

    afterAll(async () => {
      await cluster.stop();
      clock.remove();
    });

    test.each(['-8', '+8'])(
      'off by %s s, less than is allowed, a later write wins through any node (failure mode 1)',
      async (offset) => {
        clock.set(offset);
        for (let round = 0; round < 30; round++) {
          const key = `skew ${offset} ${round}`;
          for (const [number, value] of [
            [1, 'A'],
            [3, 'B'],
            [2, 'C'],
          ] as const) {
            expect((await cluster.node(number).put(key, value)).status).toBeLessThan(300);
            const read = await cluster.node(1 + (round % 3)).get(key);
            expect(read.body.toString()).toBe(value);
          }
        }
      },
    );

    test.each(['-1h', '+10y'])(
      'jumping by %s under load, it coordinates no write, no key is poisoned, and nothing is lost (failure modes 4 and 5)',
      async (offset) => {
        clock.set('+0');
        await expect
          .poll(async () => (await wrong.put('calm', 'v')).status, SOON)
          .toBeLessThan(300);
        const load = new Load(cluster);
        await load.progress(30);
        clock.set(offset);
        const refused = await wrong.put('refused', 'v');
        expect([refused.status, problemIn(refused)]).toMatchObject([
          503,
          { code: 'not_ready', outcome: 'not_applied' },
        ]);
        await load.progress(60);
        // It reads, and keeps what others write; when a clock went ahead, as after a suspension, not before it
        // has met the others again.
        const isKept = async () =>
          (await cluster.node(1).put('calm', 'v', '?consistency=all')).status;
        await expect.poll(isKept, SOON).toBe(200);
        expect((await wrong.get('calm')).status).toBe(200);

        // Started with the wrong clock it is not ready, and says why; set right, it is, above all before.
        const before = versionOf(await cluster.node(1).put('calm', 'before'));
        await wrong.kill();
        wrong.start();
        await expect
          .poll(async () => (await wrong.readiness())?.text, SOON)
          .toMatch(/clock: -?\d+\.\d s from the median of the peers/);
        clock.set('+0');
        await wrong.ready();
        const after = await wrong.put('calm', 'after');
        expect(after.status, after.body.toString()).toBe(200);
        expect(versionOf(after) > before).toBe(true);
        expect((await cluster.node(2).get('calm')).body.toString()).toBe('after');

        const { lost, flaws, acknowledged, unknown } = await load.verdict();
        expect({ lost, flaws }).toEqual({ lost: [], flaws: [] });
        console.info(`clock ${offset}: ${acknowledged} acknowledged, ${unknown} unknown`);
      },
    );

    test('set back by an hour, its own versions still rise over a restart (failure mode 4)', async () => {
      clock.set('+0');
      await cluster.ready();
      await expect.poll(async () => (await wrong.put('own', 'v')).status, SOON).toBeLessThan(300);
      const first = versionOf(await wrong.put('own', 'first', '?consistency=one'));
      // All of them by the same hour: nobody is left to say that the clock is wrong.
      await Promise.all(cluster.nodes.map((node) => node.kill()));
      clock.set('-1h');
      for (const node of cluster.nodes) node.start(clock.environment);
      await cluster.ready();
      const second = await wrong.put('own', 'second');
      expect(second.status).toBe(200);
      expect(versionOf(second) > first).toBe(true);
      expect((await cluster.node(1).get('own')).body.toString()).toBe('second');
    });
  },
);

describe.skipIf(!has('faketime', 'the tests with wrong clocks'))(
  'with one clock for all nodes (skipped without faketime)',
  () => {
    test('set by twice the grace period, as after a suspension, no read fails', async () => {
      const clock = new FalseClock();
      const cluster = await FaultCluster.start({ environmentOf: () => clock.environment });
      try {
        for (const node of cluster.nodes) await node.put(`by ${node.number}`, 'kept');
        // Back says nothing by itself, and then ahead again.
        for (const offset of ['+120', '+0', '+120']) {
          clock.set(offset);
          const reads = cluster.nodes.flatMap((reader) =>
            cluster.nodes.map((writer) => reader.get(`by ${writer.number}`)),
          );
          for (const read of await Promise.all(reads)) expect(read.body.toString()).toBe('kept');
        }
      } finally {
        await cluster.stop();
        clock.remove();
      }
    });
  },
);

function versionOf(answer: Answer): string {
  return String(answer.headers['etag']);
}
