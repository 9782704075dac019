import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runSeed } from '../simulator/run-seed.ts';

const FILE = new URL('regression-seeds.txt', import.meta.url);
const SEEDS = readFileSync(FILE, 'utf8')
  .split('\n')
  .filter((line) => !line.startsWith('#'))
  .flatMap((line) => line.match(/\d+/g) ?? [])
  .map(Number);

describe('five nodes on virtual time', () => {
  test.each(SEEDS)('do the same twice under one seed (make simulate SEED=%i)', async (seed) => {
    const first = await runSeed(seed);
    const second = await runSeed(seed);
    expect(second.hash).toBe(first.hash);
    expect(first.succeeded).toBeGreaterThan(0);
    expect(first.flaws).toEqual([]);
  });

  test('do something else under another seed', async () => {
    const hashes = await Promise.all([runSeed(1), runSeed(2)].map(async (run) => (await run).hash));
    expect(new Set(hashes).size).toBe(2);
  });
});
