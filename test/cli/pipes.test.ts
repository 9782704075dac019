import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltQuorate, buildQuorate, commandLine, RunningQuorate } from './built-quorate.ts';
import { fakeNode } from './fake-node.ts';

const LARGE = Buffer.alloc(8 * 1024 * 1024, 'quorate ');

let built: BuiltQuorate;
beforeAll(async () => {
  built = await buildQuorate();
}, 60_000);
afterAll(() => built.remove());

describe('a command in a pipe', { timeout: 60_000 }, () => {
  test('writes a large value to its last byte', async () => {
    const node = await fakeNode((response) => response.end(LARGE));
    const get = new RunningQuorate(built, ['get', 'a', '--url', node.url]);
    expect(await get.ended).toEqual({ exitCode: 0, signal: null });
    expect(get.stdout === LARGE.toString()).toBe(true);
  });

  test('is content when nobody reads to the end', async () => {
    const node = await fakeNode((response) => response.end(LARGE));
    const get = new RunningQuorate(built, ['get', 'a', '--url', node.url]);
    await get.firstOutput();
    get.stopReading();
    expect(await get.ended).toEqual({ exitCode: 0, signal: null });
    expect(get.stderr).toBe('');
  });

  test('reports an output that cannot be written', async () => {
    const node = await fakeNode((response) => response.end(LARGE));
    const args = [
      '-c',
      `exec "$@" > /dev/full`,
      'sh',
      ...commandLine(['get', 'a', '--url', node.url]),
    ];
    const failed = promisify(execFile)('sh', args, { env: { FAKE_PROGRAM: built.program } });
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('quorate: '),
    });
  });
});
