import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { unusablePorts } from '../../src/cli/ports.ts';
import {
  type BuiltQuorate,
  buildQuorate,
  eventually,
  isAlive,
  RunningQuorate,
  temporaryFolder,
} from './built-quorate.ts';
import { fakeNode } from './fake-node.ts';

let built: BuiltQuorate;
beforeAll(async () => {
  built = await buildQuorate();
}, 60_000);
afterAll(() => built.remove());

interface ShownNode {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
}

interface Dev {
  readonly dev: RunningQuorate;
  /** Where its temporary folder is made. */
  readonly temporary: string;
  readonly nodes: readonly ShownNode[];
}

/** `dev` with its nodes ready. Whatever a test does, none of them is left. */
async function readyDev(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Dev> {
  const { dev, temporary } = await startDev(['--port', '0', '--json', ...args], environment);
  const line = await dev.firstLine();
  expect(line, dev.stderr).toMatch(/^\{"nodes":\[/);
  const { nodes } = JSON.parse(line) as { readonly nodes: readonly ShownNode[] };
  return { dev, temporary, nodes };
}

async function startDev(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly dev: RunningQuorate; readonly temporary: string }> {
  const temporary = await temporaryFolder();
  const folder = args.includes('--data-dir') ? args[args.indexOf('--data-dir') + 1] : temporary;
  onTestFinished(async () => {
    // Nothing to do, unless what this test is about is broken.
    for (const pid of await processesOf(folder ?? temporary)) process.kill(Number(pid), 'SIGKILL');
  });
  const dev = new RunningQuorate(built, ['dev', ...args], { TMPDIR: temporary, ...environment });
  return { dev, temporary };
}

async function alive(nodes: readonly ShownNode[]): Promise<readonly string[]> {
  const states = await Promise.all(
    nodes.map(async ({ name, pid }) => ((await isAlive(pid)) ? [name] : [])),
  );
  return states.flat();
}

/** Processes that know `folder`: the nodes of a `dev` that never showed them. */
async function processesOf(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.includes(`QUORATE_DATA_DIR=${folder}`)) found.push(pid);
  }
  return found;
}

function kill(node: ShownNode | undefined): void {
  if (node === undefined) throw new Error('no such node');
  process.kill(node.pid, 'SIGKILL');
}

async function environmentOf({ url }: ShownNode): Promise<Readonly<Record<string, string>>> {
  const answer = (await (await fetch(url)).json()) as {
    readonly environment: Readonly<Record<string, string>>;
  };
  return answer.environment;
}

/** The first of `count` free ports in a row. */
async function freeRow(count: number): Promise<number> {
  for (let first = 20_000 + (process.pid % 5_000); ; first += count) {
    const row = Array.from({ length: count }, (_, index) => first + index);
    if ((await unusablePorts(row)).length === 0) return first;
  }
}

async function occupy(port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
}

describe('quorate dev', { timeout: 60_000 }, () => {
  test('prints one line of JSON when every node is ready, each a process of its own', async () => {
    const { dev, nodes } = await readyDev(['--nodes', '3']);
    expect(nodes.map(({ name }) => name)).toEqual(['node1', 'node2', 'node3']);
    expect(new Set(nodes.map(({ pid }) => pid)).size).toBe(3);
    for (const { url } of nodes) expect((await fetch(`${url}/readyz`)).status).toBe(200);
    dev.signal('SIGINT');
    await dev.ended;
    expect(dev.stdout.split('\n')).toHaveLength(2);
    expect(Object.keys(JSON.parse(dev.stdout))).toEqual(['nodes']);
    expect(Object.keys(nodes[0] ?? {})).toEqual(['name', 'url', 'pid', 'dataDir']);
  });

  test('tells all nodes the same seeds, secret and settings, and each its own place', async () => {
    const { nodes } = await readyDev(['--nodes', '2', '--replication-factor', '2'], {
      QUORATE_LOG_LEVEL: 'warn',
      QUORATE_NODE_NAME: 'mine',
      QUORATE_ADVERTISE: 'elsewhere:1',
      QUORATE_REPLICATION_FACTOR: '5',
    });
    const hosts = nodes.map(({ url }) => url.slice('http://'.length));
    const told = await Promise.all(nodes.map(environmentOf));
    for (const [index, environment] of told.entries()) {
      expect(environment).toEqual({
        QUORATE_LOG_LEVEL: 'warn',
        QUORATE_NODE_NAME: `node${index + 1}`,
        QUORATE_HOST: '127.0.0.1',
        QUORATE_PORT: hosts[index]?.split(':')[1],
        QUORATE_SEEDS: hosts.join(','),
        QUORATE_DATA_DIR: nodes[index]?.dataDir,
        QUORATE_REPLICATION_FACTOR: '2',
        QUORATE_CLUSTER_SECRET: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
    }
    expect(told[0]?.['QUORATE_CLUSTER_SECRET']).toBe(told[1]?.['QUORATE_CLUSTER_SECRET']);
  });

  test('shows how to reach, kill and try the nodes, and where their logs are', async () => {
    const { dev } = await startDev(['--port', '0', '--nodes', '2']);
    await eventually(() => dev.stdout.includes('ctrl-c') || dev.hasEnded());
    const [, pid = ''] = /node2 +http:\/\/127\.0\.0\.1:\d+ +(\d+)/.exec(dev.stdout) ?? [];
    expect(dev.stdout).toContain(`kill -9 ${pid}\n`);
    expect(dev.stdout.match(/curl .*http:\/\/127\.0\.0\.1:\d+\/kv\/greeting/g)).toHaveLength(2);
    const [, logs = ''] = /logs +(.*)\/node\*\.log/.exec(dev.stdout) ?? [];
    expect(await readFile(join(logs, 'node2.log'), 'utf8')).toContain('listening');
    expect(dev.stderr).toContain('3 copies of each key are wanted, more than there are nodes');
  });

  test('gives the line that starts one more node, whose data stay when dev ends', async () => {
    const { dev, temporary } = await startDev([
      '--port',
      '0',
      '--nodes',
      '2',
      '--replication-factor',
      '2',
    ]);
    await eventually(() => dev.stdout.includes('ctrl-c') || dev.hasEnded());
    const [, line = ''] = /^grow {2}(.*)$/m.exec(dev.stdout) ?? [];
    const urls = [...dev.stdout.matchAll(/node\d +http:\/\/(\S+)/g)].map(([, address]) => address);
    expect(line).toContain(`start --node-name node3 --port `);
    expect(line).not.toContain('replication-factor'); // it may be another one by then
    expect(line).toContain(`--seeds ${urls.join(',')} `);
    const [, dataDir = ''] = /--data-dir (\S+)/.exec(line) ?? [];
    const [home = ''] = await readdir(temporary);
    expect(dataDir).toBe(join(temporary, `${home}-node3`));
    expect(line).toContain(`QUORATE_CLUSTER_SECRET_FILE=${join(temporary, home)}/cluster-secret `);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s finishes the requests in flight, stops all nodes and removes the temporary folder',
    async (signal) => {
      const { dev, nodes, temporary } = await readyDev(['--nodes', '2']);
      const inFlight = fetch(`${nodes[1]?.url}/held`).then((answer) => answer.text());
      const log = `${nodes[1]?.dataDir}.log`;
      await eventually(async () => (await readFile(log, 'utf8')).includes('holding a request'));
      dev.signal(signal);
      expect(await inFlight).toBe('held until the end');
      expect(await dev.ended).toEqual({ exitCode: 0, signal: null });
      expect(await alive(nodes)).toEqual([]);
      expect(await readdir(temporary)).toEqual([]);
    },
  );

  test('ctrl-c in the terminal reaches the nodes once, through dev', async () => {
    const { nodes } = await readyDev(['--nodes', '1']);
    const [node] = nodes;
    const line = await readFile(`/proc/${node?.pid}/stat`, 'utf8');
    const processGroup = Number(line.slice(line.lastIndexOf(')')).split(' ')[3]);
    expect(processGroup).toBe(node?.pid);
  });

  test('kills within 5 s a node that does not stop, and a paused one is none of those', async () => {
    const { dev, nodes } = await readyDev(['--nodes', '2'], {
      FAKE_STUBBORN: 'node1',
      QUORATE_SHUTDOWN_TIMEOUT: '600s',
    });
    process.kill(nodes[1]?.pid ?? 0, 'SIGSTOP');
    const begun = performance.now();
    dev.signal('SIGTERM');
    expect(await dev.ended).toEqual({ exitCode: 0, signal: null });
    expect(performance.now() - begun).toBeLessThan(9_000); // 4.6 s when the machine is not busy
    expect(dev.stderr).toContain('node1 did not stop in time and was killed');
    expect(dev.stderr).not.toContain('node2 did not');
    expect(await alive(nodes)).toEqual([]);
  });

  test('a second signal kills the nodes at once', async () => {
    const { dev, nodes, temporary } = await readyDev(['--nodes', '1'], {
      FAKE_STUBBORN: 'node1',
      QUORATE_SHUTDOWN_TIMEOUT: '600s',
    });
    dev.signal('SIGINT');
    const log = `${nodes[0]?.dataDir}.log`;
    await eventually(async () => (await readFile(log, 'utf8')).includes('stopping'));
    dev.signal('SIGINT');
    expect(await dev.ended).toEqual({ exitCode: 1, signal: null });
    expect(dev.stderr).not.toContain('did not stop in time');
    expect(await alive(nodes)).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('killed with -9, its nodes notice and stop', async () => {
    const { dev, nodes } = await readyDev(['--nodes', '3']);
    expect(await alive(nodes)).toHaveLength(3);
    dev.signal('SIGKILL');
    await eventually(async () => (await alive(nodes)).length === 0);
    expect(await readFile(`${nodes[0]?.dataDir}.log`, 'utf8')).toContain('stopping');
  });

  test('killed with -9 while its nodes start, none of them stays', async () => {
    const folder = await temporaryFolder();
    const { dev } = await startDev(['--port', '0', '--nodes', '2', '--data-dir', folder], {
      FAKE_SLOW_START: 'node2',
    });
    await eventually(async () => (await processesOf(folder)).length === 2);
    dev.signal('SIGKILL');
    await eventually(async () => (await processesOf(folder)).length === 0);
  });

  test('reports a node that was killed, leaves it dead, and keeps the others', async () => {
    const { dev, nodes } = await readyDev(['--nodes', '3']);
    kill(nodes[1]);
    await eventually(() => dev.stderr.includes('node2'));
    expect(dev.stderr).toContain(
      `node2 (pid ${nodes[1]?.pid}) was killed by SIGKILL; still 2 running; restart: `,
    );
    expect(await alive(nodes)).toEqual(['node1', 'node3']);
    dev.signal('SIGINT');
    expect((await dev.ended).exitCode).toBe(0);
  });

  test('a node restarted by the line it gives is the same one, and keeps its data', async () => {
    const { dev, nodes, temporary } = await readyDev(['--nodes', '2', '--replication-factor', '1']);
    const [node] = nodes as [ShownNode, ShownNode];
    const before = await environmentOf(node);
    kill(node);
    await eventually(() => dev.stderr.includes('restart: '));
    const line = /restart: (.*)$/m.exec(dev.stderr)?.[1] ?? '';
    const shell = spawn('sh', ['-c', line], {
      env: { PATH: process.env['PATH'], FAKE_PROGRAM: built.program },
      stdio: 'ignore',
      detached: true,
    });
    onTestFinished(() => void process.kill(-(shell.pid ?? 0), 'SIGKILL'));
    await eventually(() => fetch(`${node.url}/readyz`).then(({ ok }) => ok));

    expect((await (await fetch(node.url)).json()) as object).toMatchObject({
      config: {
        nodeName: 'node1',
        dataDir: node.dataDir,
        seeds: before['QUORATE_SEEDS']?.split(','),
        clusterSecret: before['QUORATE_CLUSTER_SECRET'],
        replicationFactor: 1,
      },
    });
    dev.signal('SIGINT');
    expect((await dev.ended).exitCode).toBe(0);
    expect(dev.stderr).toMatch(/kept .*: somebody started a node again/);
    expect(await readdir(temporary)).toHaveLength(1);
  });

  test('tells what a node said last that ended by itself', async () => {
    const { dev, nodes } = await readyDev(['--nodes', '2']);
    await fetch(`${nodes[0]?.url}/exit`).catch(() => undefined);
    await eventually(() => dev.stderr.includes('listening on'));
    expect(dev.stderr).toContain('ended with exit code 9; still 1 running; restart: ');
  });

  test('ends with 1 when all nodes were killed', async () => {
    const { dev, nodes, temporary } = await readyDev(['--nodes', '2']);
    for (const node of nodes) kill(node);
    expect(await dev.ended).toEqual({ exitCode: 1, signal: null });
    expect(dev.stderr).toContain('all nodes have ended');
    expect(await readdir(temporary)).toEqual([]);
  });

  test('names the port in use and the remedy, and leaves nothing running', async () => {
    const first = await freeRow(3);
    await occupy(first + 1);
    const { dev, temporary } = await startDev(['--nodes', '3', '--port', String(first)]);
    expect(await dev.ended).toEqual({ exitCode: 1, signal: null });
    expect(dev.stderr).toContain(`port ${first + 1} is in use`);
    expect(dev.stderr).toContain(`--port ${first + 100}`);
    expect(dev.stdout).toBe('');
    expect(await readdir(temporary)).toEqual([]);
  });

  test('a free port that somebody took meanwhile is replaced by another one', async () => {
    let stolen: Promise<void> | undefined;
    const thief = await fakeNode((response, { path }) => {
      stolen ??= occupy(Number(path.slice(1)));
      void stolen.then(() => response.end());
    });
    const { dev, nodes } = await readyDev(['--nodes', '2'], { FAKE_THIEF: thief.url });
    expect(dev.stderr.match(/starting 2 nodes/g)).toHaveLength(2);
    const ports = nodes.map(({ url }) => `/${new URL(url).port}`);
    expect(ports).not.toContain(thief.asked[0]?.path);
  });

  test('a node that dies before it is ready ends the start: its last lines are shown', async () => {
    const { dev, temporary } = await startDev(['--port', '0', '--nodes', '3'], {
      FAKE_DIES: 'node2',
    });
    expect(await dev.ended).toEqual({ exitCode: 1, signal: null });
    expect(dev.stderr).toContain('node2 ended with exit code 1 before it was ready');
    expect(dev.stderr).toContain('  the first of its last words\n');
    expect(dev.stderr).toContain('  quorate: the store cannot be opened\n');
    expect(dev.stdout).toBe('');
    expect(await processesOf(temporary)).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('a node that is not ready in time is named with its failing checks', async () => {
    const { dev, temporary } = await startDev(
      ['--port', '0', '--nodes', '2', '--ready-within', '5s'],
      { FAKE_UNREADY: 'node2' },
    );
    expect(await dev.ended).toEqual({ exitCode: 1, signal: null });
    expect(dev.stderr).toContain('  node2 is not ready: ring: waiting for somebody\n');
    expect(dev.stderr).not.toContain('node1 ');
    expect(await processesOf(temporary)).toEqual([]);
  });

  test('can be stopped while it waits for its nodes', async () => {
    const { dev, temporary } = await startDev(['--port', '0', '--nodes', '2'], {
      FAKE_UNREADY: 'node2',
    });
    await eventually(async () => (await processesOf(temporary)).length === 2);
    dev.signal('SIGTERM');
    expect(await dev.ended).toEqual({ exitCode: 0, signal: null });
    expect(await processesOf(temporary)).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('a wrong setting is told once, before any node is started', async () => {
    const { dev, temporary } = await startDev(['--port', '0'], { QUORATE_CONSISTENCY: 'most' });
    expect(await dev.ended).toEqual({ exitCode: 1, signal: null });
    expect(dev.stderr.match(/QUORATE_CONSISTENCY/g)).toHaveLength(1);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('goes on when nobody reads what it says', async () => {
    const { dev, nodes } = await readyDev(['--nodes', '2']);
    dev.stopReading();
    kill(nodes[0]);
    await eventually(async () => (await alive(nodes)).length === 1);
    expect((await fetch(`${nodes[1]?.url}/readyz`)).status).toBe(200);
    dev.signal('SIGINT');
    expect((await dev.ended).exitCode).toBe(0);
    expect(await alive(nodes)).toEqual([]);
  });

  describe('with --data-dir', () => {
    test('keeps data, logs and a secret only for the user, and uses them again', async () => {
      const folder = join(await temporaryFolder(), 'new', 'folder');
      const secrets: unknown[] = [];
      for (let run = 0; run < 2; run++) {
        const { dev, nodes } = await readyDev(['--nodes', '1', '--data-dir', folder]);
        expect(nodes[0]?.dataDir).toBe(join(folder, 'node1'));
        secrets.push((await environmentOf(nodes[0] as ShownNode))['QUORATE_CLUSTER_SECRET']);
        dev.signal('SIGINT');
        await dev.ended;
      }
      expect(await readdir(folder)).toEqual(['cluster-secret', 'node1.log']);
      expect((await stat(join(folder, 'cluster-secret'))).mode & 0o777).toBe(0o600);
      expect(secrets[0]).toBe((await readFile(join(folder, 'cluster-secret'), 'utf8')).trim());
      expect(secrets[1]).toBe(secrets[0]);
    });

    test('draws no secret when one is configured', async () => {
      const folder = await temporaryFolder();
      const secret = 'configured by the user';
      const { nodes } = await readyDev(['--nodes', '1', '--data-dir', folder], {
        QUORATE_CLUSTER_SECRET: secret,
      });
      expect(await environmentOf(nodes[0] as ShownNode)).toMatchObject({
        QUORATE_CLUSTER_SECRET: secret,
      });
      expect(await readdir(folder)).toEqual(['node1.log']);
    });
  });
});
