/** A replica that hangs: SIGSTOP keeps its connections open and answers nothing (failure modes 27, 49, 53). */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FaultCluster, type FaultNode } from '../faults/fault-cluster.ts';
import { latenciesMs, percentile } from '../faults/latencies.ts';
import { pause } from '../faults/pause.ts';

const HANGING = 3;
const MIB = 1024 * 1024;
/** Written in all; `FAULT_MIBS` for more. */
const MIBS = Number(process.env['FAULT_MIBS'] ?? 250);
const KEYS = Array.from({ length: 50 }, (_, number) => `key${number}`);

let cluster: FaultCluster;

beforeAll(async () => {
  cluster = await FaultCluster.start();
});

afterAll(() => cluster.stop());

test('quorum requests take less than 50 ms (p99) from the moment that a replica hangs', async () => {
  for (const key of KEYS) await cluster.node(1).put(key, 'before');
  const calm: number[] = [];
  const hanging: number[] = [];
  // A machine with other work spoils some windows, and shows that in those in which nothing hangs.
  const isDecided = () => Math.min(...hanging) < Math.max(50, 2 * Math.min(...calm));
  for (let attempt = 0; attempt < 4 && !isDecided(); attempt++) {
    calm.push(await p99OfWindow());
    cluster.node(HANGING).pause();
    try {
      hanging.push(await p99OfWindow());
    } finally {
      cluster.node(HANGING).resume();
    }
    await cluster.ready();
  }
  console.info(
    `p99 while a replica hangs: ${texts(hanging)} ms; while none does: ${texts(calm)} ms`,
  );
  expect(isDecided()).toBe(true);
});

test('what waits for a replica that hangs is bounded, however much is written (failure mode 53)', async () => {
  const coordinator = cluster.node(1);
  const put = (number: number) => coordinator.put(`large${number % 40}`, Buffer.alloc(MIB, number));
  await inParallel(60, put); // buffers, pages and code are warm
  const beforeBytes = await residentBytes(coordinator);
  cluster.node(HANGING).pause();
  let mostBytes = beforeBytes;
  try {
    await inParallel(MIBS, async (number) => {
      expect((await put(number)).status).toBeLessThan(300);
      mostBytes = Math.max(mostBytes, await residentBytes(coordinator));
    });
  } finally {
    cluster.node(HANGING).resume();
  }
  const grownMib = (mostBytes - beforeBytes) / MIB;
  console.info(`${MIBS} MiB written while a replica hangs: ${grownMib.toFixed(0)} MiB more memory`);
  expect(grownMib).toBeLessThan(150);
  await cluster.ready();
});

/** A hundred light requests a second, through the nodes that do not hang. */
async function p99OfWindow(): Promise<number> {
  const request = async (number: number): Promise<void> => {
    const node = cluster.node(1 + (number % 2));
    const key = KEYS[(number * 7) % KEYS.length] ?? '';
    const answer = number % 3 === 0 ? await node.put(key, 'v') : await node.get(key);
    expect([200, 201]).toContain(answer.status);
  };
  return percentile(await latenciesMs(request, 10, pause(2_500)), 0.99);
}

function texts(lengths: readonly number[]): string {
  return lengths.map((ms) => ms.toFixed(1)).join(', ');
}

/** Memory of a process that is no file: the mapped store is not what piles up. */
async function residentBytes({ pid }: FaultNode): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** Eight at a time. */
async function inParallel(count: number, work: (number: number) => Promise<unknown>) {
  const numbers = Array.from({ length: count }, (_, number) => number).values();
  const worker = async (): Promise<void> => {
    for (const number of numbers) await work(number);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}
