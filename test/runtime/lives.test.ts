import { describe, expect, test, vi } from 'vitest';
import { type Life, Lives } from '../../src/runtime/lives.ts';

describe('the lives of a node', () => {
  test('follow one after the other: the next begins when the last has ended', async () => {
    const told: string[] = [];
    const lives = livesThat(told);
    await lives.begin();
    lives.restart();
    await vi.waitFor(() => expect(told).toContain('2 begins'));
    await lives.end();
    expect(told).toEqual(['1 begins', '1 ends', '2 begins', '2 ends']);
  });

  test('are not restarted twice for two requests of one life', async () => {
    const told: string[] = [];
    const lives = livesThat(told);
    await lives.begin();
    lives.restart();
    lives.restart();
    await vi.waitFor(() => expect(told).toContain('2 begins'));
    await lives.end();
    expect(told.filter((what) => what.endsWith('begins'))).toEqual(['1 begins', '2 begins']);
  });

  test('may be restarted before the first has begun, and again by each later one', async () => {
    const told: string[] = [];
    const lives = livesThat(told);
    const begun = lives.begin();
    lives.restart();
    await begun;
    await vi.waitFor(() => expect(told).toContain('2 begins'));
    lives.restart();
    await vi.waitFor(() => expect(told).toContain('3 begins'));
    await lives.end();
    expect(told.at(-1)).toBe('3 ends');
  });

  test('begin no more when all is to end', async () => {
    const told: string[] = [];
    const lives = livesThat(told);
    await lives.begin();
    lives.restart();
    await lives.end();
    lives.restart();
    await lives.end();
    expect(told).not.toContain('2 begins');
  });

  test('tell why the next one could not begin', async () => {
    const failures: unknown[] = [];
    let count = 0;
    const lives = new Lives(
      async () => {
        count += 1;
        if (count > 1) throw new Error('no port');
        return { end: async () => undefined };
      },
      (cause) => failures.push(cause),
    );
    await lives.begin();
    lives.restart();
    await vi.waitFor(() => expect(failures).toEqual([new Error('no port')]));
  });
});

function livesThat(told: string[]): Lives {
  let count = 0;
  const start = async (): Promise<Life> => {
    count += 1;
    const number = count;
    told.push(`${number} begins`);
    return { end: async () => void told.push(`${number} ends`) };
  };
  return new Lives(start, (cause) => {
    throw cause;
  });
}
