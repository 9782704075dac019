import { once } from 'node:events';
import { cp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { clusterReport, settled } from '../faults/cluster-report.ts';
import { FaultCluster, type FaultNode } from '../faults/fault-cluster.ts';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './live-cluster.ts';
import { StartProcess } from './start-process.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: StartProcess[];

beforeEach(async () => {
  folder = await temporaryFolder();
  running = [];
});

afterEach(async () => {
  for (const process of running) await process.stop('SIGKILL');
  await folder.remove();
});

describe('a start is refused, with value and remedy, when', () => {
  test('the port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const node = await start({ QUORATE_PORT: String(port) });
    expect(await node.ended()).toBe(1);
    expect(node.said).toMatch(new RegExp(`port ${port}.*listens there already.*QUORATE_PORT`, 's'));
    server.close();
  });

  test('the data directory cannot be made', async () => {
    const file = join(folder.path, 'file');
    await writeFile(file, '');
    const node = await start({ QUORATE_DATA_DIR: join(file, 'data') });
    expect(await node.ended()).toBe(1);
    expect(node.said).toContain(join(file, 'data'));
    expect(node.said).toMatch(/QUORATE_DATA_DIR/);
  });

  test('another process uses the data directory', async () => {
    const first = await start({});
    await expect.poll(() => first.readiness(), { timeout: 20_000 }).toMatchObject({ ready: true });
    const second = await start({});
    expect(await second.ended()).toBe(1);
    expect(second.said).toMatch(/in use by process \d+.*QUORATE_DATA_DIR/s);
    expect(await first.readiness()).toMatchObject({ ready: true });
  });

  test('the data directory belongs to another cluster', async () => {
    const first = await start({ QUORATE_CLUSTER_NAME: 'first' });
    await expect.poll(() => first.readiness(), { timeout: 20_000 }).toMatchObject({ ready: true });
    await first.stop();
    const other = await start({ QUORATE_CLUSTER_NAME: 'second' });
    expect(await other.ended()).toBe(1);
    expect(other.said).toMatch(/belongs to the cluster "first"/);
  });

  test.each([
    [{ QUORATE_PORT: '99999' }, /QUORATE_PORT.*99999.*0 to 65535/s],
    [{ QUORATE_REPLICATION_FACTOR: '0' }, /QUORATE_REPLICATION_FACTOR.*1 to 7/s],
    [
      { QUORATE_REPLICATION: '3' },
      /QUORATE_REPLICATION is not a setting.*QUORATE_REPLICATION_FACTOR/s,
    ],
    [{ QUORATE_HOST: '0.0.0.0' }, /beyond loopback.*QUORATE_CLUSTER_SECRET/s],
    [{ QUORATE_CLUSTER_SECRET: 'short' }, /QUORATE_CLUSTER_SECRET.*at least 16/s],
    [{ QUORATE_SEEDS: 'node1' }, /QUORATE_SEEDS.*host:port/s],
  ])('the settings are wrong: %o', async (settings, message) => {
    const node = await start(settings);
    expect(await node.ended()).toBe(1);
    expect(node.said).toMatch(message);
    expect(node.said).not.toMatch(/\n\s+at /); // a sentence, no stack
  });
});

describe('a node does not become part of a cluster when', () => {
  test('its cluster secret is another one: both sides say so, and neither forms a cluster', async () => {
    const [a, b] = [await freePort(), await freePort()];
    const seeds = `127.0.0.1:${a},127.0.0.1:${b}`;
    const first = await start({
      QUORATE_SEEDS: seeds,
      QUORATE_PORT: String(a),
      QUORATE_NODE_NAME: 'a',
      QUORATE_DATA_DIR: join(folder.path, 'a'),
      QUORATE_CLUSTER_SECRET: 'the one secret of this cluster',
    });
    const second = await start({
      QUORATE_SEEDS: seeds,
      QUORATE_PORT: String(b),
      QUORATE_NODE_NAME: 'b',
      QUORATE_DATA_DIR: join(folder.path, 'b'),
      QUORATE_CLUSTER_SECRET: 'another secret altogether',
    });
    for (const node of [first, second]) {
      await expect
        .poll(async () => (await node.readiness())?.text, { timeout: 20_000 })
        .toMatch(/secret/);
      expect(await node.readiness()).toMatchObject({ ready: false });
      expect(node.said).not.toContain('the one secret of this cluster');
    }
  });

  test('a founder is missing: readiness names it', async () => {
    const [a, b] = [await freePort(), await freePort()];
    const node = await start({
      QUORATE_SEEDS: `127.0.0.1:${a},127.0.0.1:${b}`,
      QUORATE_PORT: String(a),
    });
    await expect
      .poll(async () => (await node.readiness())?.text, { timeout: 20_000 })
      .toMatch(new RegExp(`waiting for these founders: 127.0.0.1:${b}`));
    const put = await fetch(`${node.url}/kv/k`, { method: 'PUT', body: 'v' });
    expect(put.status).toBe(503);
    expect(await put.json()).toMatchObject({ code: 'not_ready', outcome: 'not_applied' });
  });

  test('its seeds do not resolve: it waits, and readiness names them', async () => {
    const node = await start({ QUORATE_SEEDS: 'no-such-host.invalid:7400' });
    await expect
      .poll(async () => (await node.readiness())?.text, { timeout: 20_000 })
      .toContain('no-such-host.invalid:7400');
    expect(await node.readiness()).toMatchObject({ ready: false });
    expect(node.isRunning).toBe(true);
  });

  test('the cluster has another name: it ends, with both names', async () => {
    const member = await readyNode({ QUORATE_CLUSTER_NAME: 'first' });
    const other = await start({
      QUORATE_CLUSTER_NAME: 'second',
      QUORATE_NODE_NAME: 'other',
      QUORATE_SEEDS: addressOf(member),
      QUORATE_DATA_DIR: join(folder.path, 'other'),
    });
    expect(await other.ended()).toBe(1);
    expect(other.said).toMatch(/called first.*QUORATE_CLUSTER_NAME=second/s);
    expect(await membersOf(member)).toEqual(['only']);
  });

  test('it belongs to another one of the same name: each goes on by itself', async () => {
    const dataDir = join(folder.path, 'foreign');
    const foreign = await readyNode({ QUORATE_NODE_NAME: 'foreign', QUORATE_DATA_DIR: dataDir });
    await foreign.stop();
    const member = await readyNode({});
    const again = await readyNode({
      QUORATE_NODE_NAME: 'foreign',
      QUORATE_DATA_DIR: dataDir,
      QUORATE_SEEDS: addressOf(member),
    });
    expect(await membersOf(again)).toEqual(['foreign']);
    expect(await membersOf(member)).toEqual(['only']);
  });
});

test('a copy of the data directory of a member that was put back after two starts comes back by itself as a new member', async () => {
  const cluster = await FaultCluster.start();
  onTestFinished(() => cluster.stop());
  const member = cluster.node(3);
  await member.put('k', 'before');
  const others = cluster.nodes.filter((node) => node !== member);
  const pids = others.map(({ pid }) => pid);
  const idOf = async () => (await settled(cluster.nodes)).members.find(isNamed(member))?.id;
  const id = await idOf();
  await member.kill();
  const copy = await copyOf(member);
  for (const value of ['after one start', 'after two']) {
    member.start();
    await settled(cluster.nodes);
    expect((await member.put('k', value)).status).toBe(200);
    await member.kill();
  }

  await member.wipe();
  await cp(copy, member.dataDir, { recursive: true });
  member.start();
  await expect.poll(() => member.said, { timeout: 30_000 }).toContain('put back to an older state');
  expect(await idOf()).not.toBe(id);
  for (const node of cluster.nodes) expect((await node.get('k')).body.toString()).toBe('after two');
  expect(others.map(({ pid }) => pid)).toEqual(pids);
});

describe('a copy of the data directory of a member is refused', () => {
  test('when it was made before the member was started again', async () => {
    const { cluster, original } = await memberOfThree();
    await original.stop();
    const copy = await copyOf(original);
    original.start();
    await original.ready();
    await expectRefused(cluster, original, copy);
  });

  test('when it was made while the member ran: that one goes on, and may be started again', async () => {
    const { cluster, original } = await memberOfThree();
    const clone = await expectRefused(cluster, original, await copyOf(original));
    expect(original.said).not.toContain('a peer refused the connection of this node');
    await clone.stop('SIGKILL');
    await original.kill();
    original.start();
    await original.ready();
    await expectHeld(cluster);
  });

  async function memberOfThree() {
    const cluster = await FaultCluster.start();
    onTestFinished(() => cluster.stop());
    const original = cluster.node(3);
    await original.ready();
    return { cluster, original };
  }

  async function expectRefused(cluster: FaultCluster, original: FaultNode, copy: string) {
    await original.put('k', 'v');
    const clone = await startCopy(cluster, original, copy);
    await expect
      .poll(() => clone.said, { timeout: 30_000 })
      .toContain('one data directory being a copy');
    expect(await clone.readiness()).not.toMatchObject({ ready: true });
    await expectHeld(cluster);
    return clone;
  }

  /** All are members, and serve. */
  async function expectHeld({ nodes }: FaultCluster): Promise<void> {
    await settled(nodes);
    for (const node of nodes) expect((await node.get('k')).body.toString()).toBe('v');
  }
});

test('of two that start at once on one data directory, and each meet another member, one is refused by both', async () => {
  const cluster = await FaultCluster.start();
  onTestFinished(() => cluster.stop());
  const [first, second, original] = [cluster.node(1), cluster.node(2), cluster.node(3)];
  await settled(cluster.nodes);
  expect((await original.put('k', 'before', '?consistency=all')).status).toBe(201);
  await original.stop();
  const copy = await copyOf(original);
  for (const member of [first, second]) await expectSeen(member, original, 'dead');

  second.pause();
  original.start();
  await expectSeen(first, original, 'alive');
  first.pause();
  original.pause();
  second.resume();
  const clone = await startCopy(cluster, original, copy);
  await expectSeen(second, original, 'alive');
  original.resume();
  // One that stays silent when it is asked for counts as gone, and its copy is let in.
  await expect.poll(() => original.readiness(), { timeout: 30_000 }).toBeDefined();
  first.resume();

  for (const member of [first, second])
    await expect.poll(() => partedBy(member), { timeout: 20_000 }).toHaveLength(1);
  const [parted] = partedBy(first);
  expect(partedBy(second)).toEqual([parted]);
  const [stays, goes] = parted?.stays === original.address ? [original, clone] : [clone, original];
  expect([parted?.stays, parted?.refused]).toEqual([stays, goes].map(addressOf));

  const put = (by: { readonly url: string }, value: string) =>
    fetch(`${by.url}/kv/k?consistency=all`, { method: 'PUT', body: value });
  for (const [value, by] of [first, second, stays].entries())
    await expect
      .poll(async () => (await put(by, String(value))).status, { timeout: 20_000 })
      .toBe(200);
  const held = async ({ url }: { readonly url: string }) =>
    (await fetch(`${url}/kv/k?consistency=one`)).text();
  expect([await held(stays), await held(goes)]).toEqual(['2', 'before']);
  for (const member of [first, second]) {
    await expect.poll(() => refusedBy(goes), { timeout: 20_000 }).toContain(member.address);
    await expectSeen(member, original, 'alive');
  }
  expect((await put(goes, 'lost')).status).toBeGreaterThanOrEqual(500);
});

test('a member that is killed and started again, time after time, is never taken for two', async () => {
  const cluster = await FaultCluster.start();
  onTestFinished(() => cluster.stop());
  const [first, second, restarted] = [cluster.node(1), cluster.node(2), cluster.node(3)];
  await settled(cluster.nodes);
  for (let time = 0; time < 12; time++) {
    await restarted.kill();
    restarted.start();
    // As soon as it may be met by one and not by the other.
    const member = time % 2 === 0 ? first : second;
    await expect
      .poll(async () => (await restarted.readiness())?.text, { interval: 5, timeout: 30_000 })
      .toBeDefined();
    await expectSeen(member, restarted, 'alive');
  }
  await settled(cluster.nodes);
  for (const member of [first, second]) expect(partedBy(member)).toEqual([]);
});

/** What a member said when it found two processes of one node. */
function partedBy({ said }: FaultNode) {
  return said
    .split('\n')
    .filter((line) => line.includes('two processes run as one node'))
    .map((line) => {
      const { stays, refused } = JSON.parse(line) as { stays: string; refused: string };
      return { stays, refused };
    });
}

/** The members that refused a process, as it says itself. */
function refusedBy({ said }: { readonly said: string }): readonly string[] {
  return said
    .split('\n')
    .filter((line) => line.includes('a peer refused the connection of this node: two running'))
    .map((line) => (JSON.parse(line) as { peer: string }).peer);
}

async function expectSeen(by: FaultNode, node: FaultNode, state: string): Promise<void> {
  const seen = async () => (await clusterReport(by))?.members.find(isNamed(node))?.state;
  await expect.poll(seen, { timeout: 30_000 }).toBe(state);
}

function startCopy(cluster: FaultCluster, { name }: FaultNode, dataDir: string) {
  return start({
    QUORATE_NODE_NAME: name,
    QUORATE_SEEDS: cluster.nodes.map(({ address }) => address).join(','),
    QUORATE_DATA_DIR: dataDir,
  });
}

async function copyOf({ dataDir }: FaultNode): Promise<string> {
  const copy = join(folder.path, 'copy');
  // The lock names the process that runs there.
  const filter = (path: string): boolean => !path.endsWith('lock.mdb');
  await cp(dataDir, copy, { recursive: true, filter });
  return copy;
}

async function readyNode(settings: Readonly<Record<string, string>>): Promise<StartProcess> {
  const node = await start(settings);
  await expect.poll(() => node.readiness(), { timeout: 30_000 }).toMatchObject({ ready: true });
  return node;
}

function addressOf({ url }: { readonly url: string }): string {
  return new URL(url).host;
}

function isNamed({ name }: FaultNode): (member: { readonly name: string }) => boolean {
  return (member) => member.name === name;
}

async function membersOf({ url }: StartProcess): Promise<readonly string[]> {
  const answer = await fetch(`${url}/cluster`);
  const { members } = (await answer.json()) as { members: readonly { name: string }[] };
  return members.map(({ name }) => name);
}

/** A node in the test's folder on a free port, unless `settings` say otherwise. */
async function start(settings: Readonly<Record<string, string>>): Promise<StartProcess> {
  const process = new StartProcess({
    QUORATE_NODE_NAME: 'only',
    QUORATE_PORT: String(await freePort()),
    QUORATE_DATA_DIR: join(folder.path, 'data'),
    QUORATE_LOG_LEVEL: 'warn',
    ...settings,
  });
  running.push(process);
  return process;
}
