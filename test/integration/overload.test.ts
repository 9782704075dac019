/**
 * Clients that ask for too much of real nodes. `make faults` asks for more: `FAULT_SOCKETS` slow sockets,
 * `FAULT_PUTS` large values at once.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { FaultCluster, type FaultNode, problemIn } from '../faults/fault-cluster.ts';
import { latenciesMs, percentile } from '../faults/latencies.ts';
import { pause } from '../faults/pause.ts';

const SOCKETS = Number(process.env['FAULT_SOCKETS'] ?? 1_000);
const PUTS = Number(process.env['FAULT_PUTS'] ?? 200);

let cluster: FaultCluster;

beforeAll(async () => {
  cluster = await FaultCluster.start();
  for (const node of cluster.nodes) await node.put('light', 'v');
});

afterAll(() => cluster.stop());

test(`${SOCKETS} slow sockets are in nobody's way (failure mode 71)`, async () => {
  const node = cluster.node(1);
  const light = () => latenciesMs(() => expectLight(node), 10, pause(1_000));
  const before = percentile(await light(), 0.99);
  const slow = new Worker(SLOW, { eval: true, workerData: { url: node.url, count: SOCKETS } });
  onTestFinished(async () => {
    await slow.terminate();
  });
  expect(await once(slow, 'message')).toEqual([SOCKETS]);
  const during = percentile(await light(), 0.99);
  console.info(`p99 ${before.toFixed(1)} ms, with ${SOCKETS} slow sockets ${during.toFixed(1)} ms`);
  // Three times of next to nothing is next to nothing: the machine alone makes such a difference.
  expect(during).toBeLessThan(Math.max(3 * before, 100));
  await slow.terminate();
  expect((await node.get('slow')).status).toBe(404);
});

test(`${PUTS} values of 1 MiB at once hold up no light request (failure mode 58)`, async () => {
  const heavy = new Worker(HEAVY, {
    eval: true,
    workerData: { url: cluster.node(1).url, count: PUTS },
  });
  onTestFinished(async () => {
    await heavy.terminate();
  });
  const done = once(heavy, 'message') as Promise<[Record<string, number>]>;
  const took = await latenciesMs(
    async (number) => {
      const answer = await cluster.node(1 + (number % 3)).ask({ method: 'GET', path: '/livez' });
      expect(answer.status).toBe(200);
    },
    10,
    done,
  );
  const [statuses] = await done;
  const p99 = percentile(took, 0.99);
  console.info(
    `${PUTS} puts of 1 MiB: ${JSON.stringify(statuses)}, light requests p99 ${p99.toFixed(0)} ms`,
  );
  // Stored, or refused for the load; nothing else, and not all of them refused.
  expect(statuses[201]).toBeGreaterThan(0);
  expect(Object.keys(statuses).filter((status) => status !== '201' && status !== '503')).toEqual(
    [],
  );
  // 100 ms is the aim on a machine of its own; this one runs three nodes and their clients.
  expect(p99).toBeLessThan(1_500);
});

test('a gzip of zeros is refused, not inflated (failure mode 70)', async () => {
  const bomb = gzipSync(Buffer.alloc(10 * 1024 * 1024));
  const node = cluster.node(2);
  for (const encoding of ['gzip', 'x-gzip', 'deflate', 'br', 'identity, gzip']) {
    const headers = { 'content-encoding': encoding };
    const answer = await node.ask({ method: 'PUT', path: '/kv/bomb', body: bomb, headers });
    expect([answer.status, problemIn(answer).outcome]).toEqual([415, 'not_applied']);
  }
  expect((await node.get('bomb')).status).toBe(404);
  // Without the header it is somebody's bytes.
  expect((await node.put('bomb', bomb)).status).toBe(201);
  expect((await node.get('bomb')).body.equals(bomb)).toBe(true);
});

test('a node out of file descriptors turns clients away, keeps its place, and recovers (failure mode 50)', async () => {
  const node = cluster.node(3);
  const open = (await readdir(`/proc/${node.pid}/fd`)).length;
  limitDescriptors(node, open + 16);
  const sockets = await openMany(node, 200);
  await expect
    .poll(() => sockets.filter(({ destroyed }) => destroyed).length, { timeout: 10_000 })
    .toBeGreaterThan(100);
  // As a replica it goes on: its connections to the others are there.
  for (let number = 0; number < 20; number++) {
    expect((await cluster.node(1).put(`few${number}`, 'v', '?consistency=all')).status).toBe(201);
  }
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => statusOf(node), { timeout: 10_000 }).toBe(200);
  expect(node.isRunning).toBe(true);
});

async function expectLight(node: FaultNode): Promise<void> {
  expect((await node.get('light')).status).toBe(200);
}

/** `undefined` where the connection breaks. */
async function statusOf(node: FaultNode): Promise<number | undefined> {
  try {
    return (await node.put('afterwards', 'v')).status;
  } catch {
    return undefined;
  }
}

/** Sockets to a node, once each of them is connected or turned away. */
async function openMany(node: FaultNode, count: number): Promise<readonly Socket[]> {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect(Number(new URL(node.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    onTestFinished(() => {
      socket.destroy();
    });
    return socket;
  });
  await Promise.all(
    sockets.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])),
  );
  return sockets;
}

/** `ulimit -n` for a process that runs: what is loaded at its start needs far more. */
function limitDescriptors({ pid }: FaultNode, most: number): void {
  const { status, stderr } = spawnSync('prlimit', ['--pid', `${pid}`, `--nofile=${most}:${most}`]);
  if (status !== 0) throw new Error(`prlimit: ${stderr}`);
}

/**
 * These two in threads of their own, so that what the light requests wait for is the server. This one
 * tells how many sockets are connected, and adds a byte to most of them now and then.
 */
const SLOW = `
  const { connect } = require('node:net');
  const { parentPort, workerData: { url, count } } = require('node:worker_threads');
  const beginnings = [
    'GET /kv/li',
    'GET /kv/light HTTP/1.1\\r\\nHost: x\\r\\nX-Slow: a',
    'PUT /kv/slow HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 100\\r\\n\\r\\nab',
    'PUT /kv/slow HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n2\\r\\nab\\r\\n',
    '',
  ];
  let connected = 0;
  for (let index = 0; index < count; index++) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
      socket.write(beginnings[index % beginnings.length]);
      connected += 1;
      if (connected === count) parentPort.postMessage(connected);
    });
    socket.on('error', () => undefined).resume();
    if (index % beginnings.length < 3) {
      setTimeout(() => setInterval(() => socket.writable && socket.write('a'), 2000), index % 2000);
    }
  }
`;

const HEAVY = `
  const { request } = require('node:http');
  const { parentPort, workerData: { url, count } } = require('node:worker_threads');
  const body = Buffer.alloc(1024 * 1024, 'v');
  const put = (i) => new Promise((resolve) => {
    const sent = request(url + '/kv/heavy' + i, { method: 'PUT', agent: false }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode));
    });
    sent.on('error', (error) => resolve(error.message));
    sent.end(body);
  });
  Promise.all(Array.from({ length: count }, (_, i) => put(i))).then((all) => {
    const counts = {};
    for (const each of all) counts[each] = (counts[each] ?? 0) + 1;
    parentPort.postMessage(counts);
  });
`;
