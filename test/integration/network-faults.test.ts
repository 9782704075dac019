/** Five nodes that reach each other through fault proxies: what a bad network costs, and what it must not. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FaultCluster } from '../faults/fault-cluster.ts';
import type { FaultProxy } from '../faults/fault-proxy.ts';
import { Load } from '../faults/load.ts';

const STRUCK = 3;
const OTHERS = [1, 2, 4, 5];

let cluster: FaultCluster;

beforeAll(async () => {
  cluster = await FaultCluster.start({ nodes: 5, network: 'proxies' });
});

afterEach(() => {
  for (const { proxy } of cluster.nodes) proxy.heal();
});

afterAll(() => cluster.stop());

describe('with one node', () => {
  test.each<readonly [string, (proxy: FaultProxy) => void]>([
    ['that hears nobody', (proxy) => proxy.cut('toNode')],
    ['whose answers get lost', (proxy) => proxy.cut('fromNode')],
    ['behind a black hole', (proxy) => proxy.blackHole()],
  ])('%s, quorum requests through the others go on, and nothing is lost', async (_what, strike) => {
    await cluster.ready();
    const load = new Load(cluster, { through: OTHERS });
    await load.progress(20);
    strike(cluster.node(STRUCK).proxy);
    await load.progress(200);
    cluster.node(STRUCK).proxy.heal();
    await load.progress(50);
    load.turnTo([STRUCK, ...OTHERS]);
    const { lost, flaws, unknown, denied } = await load.verdict();
    expect({ lost, flaws }).toEqual({ lost: [], flaws: [] });
    // Two of three replicas answered all the time.
    expect({ unknown, denied }).toEqual({ unknown: 0, denied: 0 });
  });
});

test('under a storm of resets, whatever is acknowledged stays, and afterwards all is well', async () => {
  const load = new Load(cluster);
  for (let reset = 0; reset < 40; reset++) {
    await load.progress(5);
    cluster.node(1 + (reset % 5)).proxy.reset();
  }
  const { lost, flaws } = await load.verdict();
  expect({ lost, flaws }).toEqual({ lost: [], flaws: [] });
  await expectCalm();
});

test('with delay and jitter everywhere, every request is served and none is out of order', async () => {
  for (const { proxy } of cluster.nodes) proxy.delay({ ms: 10, jitterMs: 40 });
  const load = new Load(cluster, { clients: 16 });
  await load.progress(200);
  const { lost, flaws, unknown, denied } = await load.verdict();
  expect({ lost, flaws }).toEqual({ lost: [], flaws: [] });
  expect({ unknown, denied }).toEqual({ unknown: 0, denied: 0 });
});

test('with every way cut, no write is acknowledged; healed, the cluster serves by itself', async () => {
  for (const { proxy } of cluster.nodes) proxy.blackHole();
  const answers = await Promise.all(
    cluster.nodes.map((node) => node.put('cut off', `by ${node.number}`, '?timeout=500ms')),
  );
  for (const { status } of answers) expect([503, 504]).toContain(status);
  for (const { proxy } of cluster.nodes) proxy.heal();
  await expectCalm();
});

/** Every node serves reads and writes again, without an error. */
async function expectCalm(): Promise<void> {
  const statuses = () =>
    Promise.all(cluster.nodes.map(async (node) => (await node.put('calm', 'v')).status));
  await expect
    .poll(async () => new Set(await statuses()).has(503), { timeout: 20_000 })
    .toBe(false);
  const load = new Load(cluster);
  await load.progress(100);
  const { lost, flaws, unknown, denied } = await load.verdict();
  expect({ lost, flaws, unknown, denied }).toEqual({ lost: [], flaws: [], unknown: 0, denied: 0 });
}
