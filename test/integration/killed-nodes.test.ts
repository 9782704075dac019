import { describe, expect, onTestFinished, test } from 'vitest';
import { FaultCluster } from '../faults/fault-cluster.ts';
import { Load } from '../faults/load.ts';
import { type HttpAnswer, LiveCluster, problemOf, temporaryFolder } from './live-cluster.ts';

const KEYS = Array.from({ length: 60 }, (_, index) => `key${index}`);
const SURVIVORS = [1, 2, 4, 5];

describe.each([3, 5])('one of five nodes killed, replication factor %i', (replicationFactor) => {
  test('every key is read and written at quorum through every other node', async () => {
    const cluster = await LiveCluster.start({ replicationFactor });
    try {
      for (const key of KEYS) await cluster.put(3, key, 'before');
      await cluster.kill(3);
      for (const by of SURVIVORS) {
        for (const key of KEYS) {
          const expected = by === 1 ? 'before' : `by ${SURVIVORS[SURVIVORS.indexOf(by) - 1]}`;
          expect((await cluster.get(by, key)).body.toString()).toBe(expected);
          expect((await cluster.put(by, key, `by ${by}`)).status).toBe(200);
        }
      }
      expect(cluster.errors).toMatch(/node3/); // dev says that it is gone
    } finally {
      await cluster.stop();
    }
  });
});

describe.each([1, 2])('one of five nodes killed, replication factor %i', (replicationFactor) => {
  test('the keys that it kept answer 503, all others work', async () => {
    const cluster = await LiveCluster.start({ replicationFactor });
    try {
      for (const key of KEYS) await cluster.put(3, key, 'v');
      const kept = new Map<string, boolean>();
      for (const key of KEYS) kept.set(key, (await cluster.where(1, key)).keepers.includes(3));
      expect(new Set(kept.values()).size).toBe(2);
      await cluster.kill(3);
      for (const by of SURVIVORS) {
        for (const [key, lost] of kept) {
          const read = await cluster.get(by, key);
          const written = await cluster.put(by, key, 'v');
          expect([read.status, written.status]).toEqual(lost ? [503, 503] : [200, 200]);
          if (lost) expect(problemOf(written)).toMatchObject({ code: 'quorum_unavailable' });
        }
      }
    } finally {
      await cluster.stop();
    }
  });
});

test('with a quorum of the replicas killed nothing is acknowledged, and the answer names who is missing', async () => {
  const cluster = await LiveCluster.start({ replicationFactor: 3 });
  try {
    await cluster.put(1, 'k', 'before');
    const { keepers } = await cluster.where(1, 'k');
    const killed = keepers.slice(0, 2);
    await cluster.kill(...killed);
    const others = [1, 2, 3, 4, 5].filter((number) => !killed.includes(number));
    for (const by of others) {
      for (const answer of [await cluster.put(by, 'k', 'after'), await cluster.delete(by, 'k')]) {
        expect(answer.status).toBe(503);
        const problem = problemOf(answer);
        expect(problem).toMatchObject({ code: 'quorum_unavailable', outcome: 'not_applied' });
        expect(problem.replicas).toHaveLength(3);
        const silent = problem.replicas?.filter(({ state }) => state === 'unreachable');
        expect(silent).toHaveLength(2);
      }
      expect((await cluster.get(by, 'k')).status).toBe(503);
      expect((await cluster.get(by, 'k', '?consistency=one')).body.toString()).toBe('before');
    }
  } finally {
    await cluster.stop();
  }
});

test('a thousand keys survive kill -9 of all five processes at once and a restart', async () => {
  const folder = await temporaryFolder();
  try {
    const names = Array.from({ length: 1_000 }, (_, index) => `key${index}`);
    const first = await LiveCluster.start({ dataDir: folder.path });
    try {
      await inParallel(names, async (key, index) => {
        expect((await first.put(1 + (index % 5), key, `value of ${key}`)).status).toBe(201);
      });
      await first.kill(1, 2, 3, 4, 5);
    } finally {
      await first.stop();
    }

    const second = await LiveCluster.start({ dataDir: folder.path });
    try {
      await inParallel(names, async (key, index) => {
        const answer = await atLast(() => second.get(1 + ((index + 2) % 5), key));
        expect([answer.status, answer.body.toString()]).toEqual([200, `value of ${key}`]);
      });
    } finally {
      await second.stop();
    }
  } finally {
    await folder.remove();
  }
});

test('all five killed and started again at once under load are ready within 30 s, and nothing is lost (failure mode 39)', async () => {
  const cluster = await FaultCluster.start({ nodes: 5 });
  onTestFinished(() => cluster.stop());
  const load = new Load(cluster, { clients: 32 }); // who go on asking while nobody answers
  await load.progress(500);
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  const startedMs = performance.now();
  for (const node of cluster.nodes) node.start();
  await cluster.ready();
  expect(performance.now() - startedMs).toBeLessThan(30_000);
  await load.progress(500);
  expect(cluster.nodes.every(({ isRunning }) => isRunning)).toBe(true);
  expect(await load.verdict()).toMatchObject({ lost: [], flaws: [] });
});

/** Asks again while too few replicas answer in time: those of a machine that stood still for 5 s do not. */
async function atLast(ask: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  const untilMs = performance.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (![503, 504].includes(answer.status) || performance.now() > untilMs) return answer;
  }
}

/** Thirty-two at a time. */
async function inParallel<Value>(
  values: readonly Value[],
  work: (value: Value, index: number) => Promise<void>,
): Promise<void> {
  const queue = values.entries();
  const worker = async (): Promise<void> => {
    for (const [index, value] of queue) await work(value, index);
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}
