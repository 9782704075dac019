import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { temporaryFolder } from './live-cluster.ts';
import { freePort, StartProcess } from './start-process.ts';

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

  test("the replication factor is not the ring's, and the data stay as they are", async () => {
    const first = await start({ QUORATE_REPLICATION_FACTOR: '3' });
    await expect.poll(() => first.readiness(), { timeout: 20_000 }).toMatchObject({ ready: true });
    await fetch(`${first.url}/kv/k`, { method: 'PUT', body: 'v' });
    await first.stop();

    const other = await start({ QUORATE_REPLICATION_FACTOR: '5' });
    expect(await other.ended()).toBe(1);
    expect(other.said).toMatch(/replication factor 3.*QUORATE_REPLICATION_FACTOR=5/s);

    const again = await start({ QUORATE_REPLICATION_FACTOR: '3' });
    await expect.poll(() => again.readiness(), { timeout: 20_000 }).toMatchObject({ ready: true });
    expect(await (await fetch(`${again.url}/kv/k`)).text()).toBe('v');
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
});

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
