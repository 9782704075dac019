/** How long a command waits for a task, and what it says meanwhile, by a clock that runs as it waits. */
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { CommandError } from '../../src/cli/command-error.ts';
import type { HttpAnswer } from '../../src/cli/exchange.ts';
import { followTask } from '../../src/cli/task-progress.ts';
import { Terminal } from '../../src/cli/terminal.ts';

const clock = vi.hoisted(() => ({ nowMs: 0 }));
vi.mock('node:timers/promises', () => ({
  setTimeout: async (delayMs: number) => {
    clock.nowMs += delayMs;
  },
}));

beforeEach(() => {
  vi.spyOn(performance, 'now').mockImplementation(() => clock.nowMs);
  return () => vi.restoreAllMocks();
});

const UNREACHABLE = new CommandError('no node answered', { exit: 'cannotConnect' });

describe('a command that waits for a task', () => {
  test('says once after ten seconds without progress that nobody has to wait, and again after the next', async () => {
    const pulled = [...Array<number>(100).fill(1), ...Array<number>(100).fill(2)];
    const { ended, said } = await follow((look) => pulled[look]);
    expect(ended).toBe('done');
    expect(said.filter((line) => line.includes('no progress for a while'))).toHaveLength(2);
    expect(said.findIndex((line) => line.includes('ctrl-c'))).toBe(1);
  });

  test('does not say so while there is progress', async () => {
    const { ended, said } = await follow((look) =>
      look < 200 ? Math.floor(look / 20) : undefined,
    );
    expect(ended).toBe('done');
    expect(said.join('\n')).not.toContain('no progress');
  });

  test('outlasts nodes that do not answer for some seconds', async () => {
    const { ended } = await follow((look) => (look < 19 ? UNREACHABLE : undefined));
    expect(ended).toBe('done');
  });

  test('ends when it has lost touch, says that the task goes on, and exits as the last request did', async () => {
    const { ended } = await follow(() => UNREACHABLE);
    expect(ended).toMatchObject({
      exit: 'cannotConnect',
      message: expect.stringMatching(/^task ring-8 was started, and how far it is cannot be told/),
    });
  });
});

/** `at`: the partitions pulled by each look, or how it fails; `undefined` when the task is done. */
async function follow(at: (look: number) => number | Error | undefined) {
  let looks = 0;
  const read = async (): Promise<HttpAnswer> => {
    const pulled = at(looks++);
    if (pulled instanceof Error) throw pulled;
    const standing =
      pulled === undefined ? { state: 'done' } : { state: 'running', pulled, toPull: 12 };
    const body = JSON.stringify({ epoch: 8, tasks: [{ task: 'ring-8', ...standing }] });
    const asked = { method: 'GET', path: '/cluster/tasks', url: 'http://node1:7400' } as const;
    return { ...asked, status: 200, headers: {}, body: Buffer.from(body) };
  };
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const terminal = new Terminal({ environment: {}, stdin, stdout, stderr });
  const ended = await followTask('ring-8', { read } as never, terminal).then(
    () => 'done' as const,
    (error: unknown) => error,
  );
  stderr.end();
  return { ended, said: (await text(stderr)).trim().split('\n') };
}
