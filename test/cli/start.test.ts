import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type BuiltQuorate, buildQuorate, eventually, RunningQuorate } from './built-quorate.ts';

let built: BuiltQuorate;
beforeAll(async () => {
  built = await buildQuorate();
}, 60_000);
afterAll(() => built.remove());

async function startNode(
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly node: RunningQuorate; readonly url: string }> {
  const node = new RunningQuorate(
    built,
    ['start', '--node-name', 'n1', '--port', '0'],
    environment,
  );
  await eventually(() => /listening on \d+/.test(node.stderr));
  const port = /listening on (\d+)/.exec(node.stderr)?.[1];
  return { node, url: `http://127.0.0.1:${port}` };
}

describe('quorate start', { timeout: 60_000 }, () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'finishes the requests in flight on %s and ends with 0',
    async (signal) => {
      const { node, url } = await startNode();
      const inFlight = fetch(`${url}/held`).then((answer) => answer.text());
      await eventually(() => node.stderr.includes('holding a request'));
      node.signal(signal);
      expect(await inFlight).toBe('held until the end');
      expect(await node.ended).toEqual({ exitCode: 0, signal: null });
    },
  );

  test('ends at once on the second signal', async () => {
    const { node } = await startNode({ FAKE_STUBBORN: 'n1', QUORATE_SHUTDOWN_TIMEOUT: '600s' });
    node.signal('SIGINT');
    await eventually(() => node.stderr.includes('stopping'));
    node.signal('SIGINT');
    expect(await node.ended).toEqual({ exitCode: 1, signal: null });
  });

  test('does not wait for ever for a node that does not stop', async () => {
    const { node } = await startNode({ FAKE_STUBBORN: 'n1', QUORATE_SHUTDOWN_TIMEOUT: '0ms' });
    node.signal('SIGTERM');
    expect(await node.ended).toEqual({ exitCode: 1, signal: null });
    expect(node.stderr).toContain('quorate: the node did not stop within');
  });

  test('says why the node cannot start and ends with 1', async () => {
    const args = ['start', '--node-name', 'n1'];
    const node = new RunningQuorate(built, args, { FAKE_DIES: 'n1' });
    expect(await node.ended).toEqual({ exitCode: 1, signal: null });
    expect(node.stderr).toContain('quorate: the store cannot be opened\n');
  });

  test('ends with 1 when the node says that it cannot go on', async () => {
    const { node, url } = await startNode();
    await fetch(`${url}/fail`).catch(() => undefined);
    expect(await node.ended).toEqual({ exitCode: 1, signal: null });
    expect(node.stderr).toContain('quorate: the disk is full\n');
  });

  test('a flag beats the environment', async () => {
    const { url } = await startNode({ QUORATE_NODE_NAME: 'other', QUORATE_ZONE: 'z1' });
    const answer = await (await fetch(url)).json();
    expect(answer).toMatchObject({ config: { nodeName: 'n1', zone: 'z1' } });
  });

  test('stops when the channel to the process that spawned it is closed', async () => {
    const script = fileURLToPath(new URL('fixtures/fake-quorate.mjs', import.meta.url));
    const child = fork(script, ['start', '--node-name', 'n1', '--port', '0'], {
      env: { PATH: process.env['PATH'], FAKE_PROGRAM: built.program },
      silent: true,
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = new Promise((resolve) => child.on('exit', resolve));
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    await eventually(() => stderr.includes('listening on'));
    child.disconnect();
    expect(await ended).toBe(0);
    expect(stderr).toContain('stopping');
  });
});
