/** A cluster that grows and shrinks while it runs, by the commands and requests of its operators. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './live-cluster.ts';
import { StartProcess } from './start-process.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const WITHIN = { timeout: 60_000, interval: 100 };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let nodes: StartProcess[];
let founders: string;
/** What node1 told since its start, as it came. */
let told: string;
let ended: Promise<void>;

beforeAll(async () => {
  folder = await temporaryFolder();
  const ports = [await freePort(), await freePort(), await freePort()];
  founders = ports.map((port) => `127.0.0.1:${port}`).join(',');
  nodes = ports.map((port, index) => started(`node${index + 1}`, port));
  for (const node of nodes) await ready(node);
  for (let number = 0; number < 20; number++) {
    const answer = await fetch(`${nodes[0]?.url}/kv/key${number}`, { method: 'PUT', body: 'v' });
    expect(answer.status).toBe(201);
  }
  told = '';
  const events = await fetch(`${nodes[0]?.url}/cluster/events`);
  expect(events.headers.get('content-type')).toBe('text/event-stream');
  ended = keep(events);
});

afterAll(async () => {
  for (const node of nodes) await node.stop();
  await ended; // the node ended its stream, or this would hang
  await folder.remove();
});

test('a node that is started with members as seeds is taken in, and serves', async () => {
  const newcomer = started('node4', await freePort());
  nodes.push(newcomer);
  await ready(newcomer);
  expect(await (await fetch(`${newcomer.url}/kv/key7`)).text()).toBe('v');
  await atRest(['node1', 'node2', 'node3', 'node4']);
  await expect.poll(() => told, WITHIN).toMatch(/event: ring.joint\n.*"joining":\["node4"\]/);
  await expect.poll(() => told, WITHIN).toMatch(/event: ring.settled\n.*"members":4/);
});

test('a dry run moves nothing', async () => {
  const before = await cluster();
  const plan = await quorate('node', 'leave', 'node4', '--dry-run', '--json');
  expect(JSON.parse(plan.stdout)).toMatchObject({ partitions: expect.any(Number) });
  expect(JSON.parse(plan.stdout).replicas).toBeGreaterThan(0);
  const factor = await changed('PUT', '/cluster/replication-factor?dryRun=true', 2);
  expect(factor.status).toBe(200);
  expect((await cluster()).epoch).toBe(before.epoch);
});

test('what does not fit is refused, and nothing is changed', async () => {
  const { epoch } = await cluster();
  for (const change of ['remove', 'replace']) {
    const answer = await changed('POST', `/cluster/members/node4/${change}`);
    expect([answer.status, answer.code]).toEqual([409, 'conflict']);
  }
  for (const factor of [0, 8, 2.5]) {
    const answer = await changed('PUT', '/cluster/replication-factor', factor);
    expect([answer.status, answer.code]).toEqual([400, 'invalid_parameter']);
  }
  expect((await cluster()).epoch).toBe(epoch);
});

test('of two operators at once exactly one wins, and too few members cannot be left', async () => {
  const answers = await Promise.all([
    changed('POST', '/cluster/members/node3/leave', undefined, 0),
    changed('POST', '/cluster/members/node4/leave', undefined, 1),
  ]);
  expect(answers.map(({ status }) => status).sort()).toEqual([202, 409]);
  const gone = answers[0]?.status === 202 ? 'node3' : 'node4';
  const left = ['node1', 'node2', 'node3', 'node4'].filter((name) => name !== gone);
  await atRest(left);

  const answer = await changed('POST', '/cluster/members/node2/leave');
  expect([answer.status, answer.code]).toEqual([409, 'conflict']);
  expect(answer.detail).toContain('fewer than the replication factor');
});

test('a member that is sent away by command hands over, and says that it left', async () => {
  const newcomer = started('node5', await freePort());
  nodes.push(newcomer);
  await ready(newcomer);
  const ran = await quorate('node', 'leave', 'node5', '--yes', '--json');
  expect(JSON.parse(ran.stdout)).toMatchObject({ state: 'done' });
  expect((await cluster()).members.map(({ name }) => name)).not.toContain('node5');
  await expect
    .poll(async () => (await newcomer.readiness())?.text, WITHIN)
    .toContain('has left the cluster');
  expect(newcomer.said).toContain('this node has left its cluster');
  for (let number = 0; number < 20; number++) {
    expect(await (await fetch(`${nodes[1]?.url}/kv/key${number}`)).text()).toBe('v');
  }
  const tasks = await quorate('tasks', '--json');
  expect(JSON.parse(tasks.stdout).tasks[0]).toMatchObject({ state: 'done' });
});

test('the replication factor is changed while the cluster runs', async () => {
  await quorate('replication-factor', '2', '--yes');
  await expect.poll(async () => (await cluster()).transition, WITHIN).toBeUndefined();
  expect((await cluster()).replicationFactor).toBe(2);
  const ring = (await (await fetch(`${nodes[0]?.url}/cluster/ring`)).json()) as {
    partitions: { replicas: string[] }[];
  };
  expect(ring.partitions.every(({ replicas }) => replicas.length === 2)).toBe(true);
});

interface Cluster {
  readonly epoch: number;
  readonly replicationFactor: number;
  readonly transition?: object;
  readonly members: readonly { readonly name: string }[];
}

function started(name: string, port: number): StartProcess {
  return new StartProcess({
    QUORATE_NODE_NAME: name,
    QUORATE_PORT: String(port),
    QUORATE_SEEDS: founders,
    QUORATE_DATA_DIR: join(folder.path, name),
    QUORATE_PARTITIONS: '32',
    QUORATE_REPLACE_AFTER: '10m',
  });
}

async function ready(node: StartProcess): Promise<void> {
  await vi.waitFor(async () => {
    const readiness = await node.readiness();
    if (readiness?.ready !== true) throw new Error(readiness?.text ?? node.said);
  }, WITHIN);
}

async function cluster(): Promise<Cluster> {
  return (await (await fetch(`${nodes[0]?.url}/cluster`)).json()) as Cluster;
}

/** Until these are the members, and no transition runs. */
async function atRest(names: readonly string[]): Promise<void> {
  await expect
    .poll(async () => {
      const { members, transition } = await cluster();
      return [members.map(({ name }) => name), transition];
    }, WITHIN)
    .toEqual([names, undefined]);
}

async function changed(
  method: string,
  path: string,
  replicationFactor?: number,
  by = 0,
): Promise<{ status: number; code?: string; detail?: string }> {
  const body = replicationFactor === undefined ? null : JSON.stringify({ replicationFactor });
  const answer = await fetch(`${nodes[by]?.url}${path}`, { method, body });
  return { ...((await answer.json()) as object), status: answer.status };
}

function quorate(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const url = nodes.slice(0, 2).map((node) => node.url);
  return promisify(execFile)(process.execPath, [MAIN, ...args, '--url', url.join(',')]);
}

async function keep(events: Response): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of events.body ?? []) told += decoder.decode(chunk, { stream: true });
}
