/**
 * `make bench`: three nodes with three replicas of each key on this machine, next to a bare fastify
 * server in the same run. Values of 100 bytes, 64 requests in flight over all nodes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { closedLoop, type LoadResult } from './closed-loop.ts';

const KEYS = 10_000;
const IN_FLIGHT = 64;
const DURATION_MS = Number(process.env['BENCH_SECONDS'] ?? 5) * 1_000;
const VALUE = Buffer.alloc(100, 'v');
const ROOT = join(import.meta.dirname, '..', '..');

const main = join(ROOT, 'dist', 'main.js');
const cluster = start([main, 'dev', '--nodes', '3', '--port', '0', '--json'], {
  QUORATE_REPLICATION_FACTOR: '3',
  QUORATE_LOG_LEVEL: 'error',
});
const bare = start([join(import.meta.dirname, 'bare-fastify.js')], {});
try {
  const { nodes } = JSON.parse(await firstLine(cluster)) as { nodes: { url: string }[] };
  const origins = nodes.map(({ url }) => url);
  const bareOrigins = [await firstLine(bare)];

  console.log(
    `${IN_FLIGHT} in flight, ${VALUE.length}-byte values, ${DURATION_MS / 1_000} s each, Node ${process.version}`,
  );
  console.log('                         per second    p50 ms    p99 ms    failed');
  await measure('bare fastify PUT', bareOrigins, 'PUT', '');
  await measure('bare fastify GET', bareOrigins, 'GET', '');
  for (const level of ['quorum', 'one']) {
    await measure(`PUT ${level}`, origins, 'PUT', `?consistency=${level}`);
    await measure(`GET ${level}`, origins, 'GET', `?consistency=${level}`);
  }
} finally {
  cluster.kill('SIGTERM');
  bare.stdin?.end();
  await Promise.all([once(cluster, 'exit'), once(bare, 'exit')]);
}

async function measure(
  name: string,
  origins: readonly string[],
  method: 'PUT' | 'GET',
  query: string,
): Promise<void> {
  const request = (count: number) => {
    const path = `/kv/key${(count * 7_919) % KEYS}${query}`;
    if (method === 'GET') return { method, path } as const;
    const headers = { 'content-type': 'application/octet-stream' };
    return { method, path, body: VALUE, headers } as const;
  };
  const load = { origins, inFlight: IN_FLIGHT, request };
  // Every key exists, and the compilers have seen the code.
  if (method === 'PUT') await closedLoop({ ...load, end: { afterRequests: KEYS } });
  print(name, await closedLoop({ ...load, end: { afterMs: DURATION_MS } }));
}

function print(name: string, { perSecond, p50Ms, p99Ms, failed }: LoadResult): void {
  const columns = [perSecond.toFixed(0), p50Ms.toFixed(2), p99Ms.toFixed(2), String(failed)];
  console.log(`${name.padEnd(25)}${columns.map((column) => column.padStart(10)).join('')}`);
}

function start(args: readonly string[], environment: Record<string, string>): ChildProcess {
  return spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('a child without standard output');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('it ended before it was ready');
}
