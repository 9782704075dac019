import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../src/storage/lmdb-store.ts';
import { type CompiledFixture, compileFixture, RunningScript } from './child-process.ts';
import { key, put, textAt } from './conformance.ts';
import { temporaryFolder } from './temporary-folder.ts';

describe('the LMDB store of another process', () => {
  let child: CompiledFixture;

  beforeAll(async () => {
    child = await compileFixture('lmdb-child');
  }, 60_000);

  afterAll(() => child.remove());

  test('that is killed under load has lost nothing it acknowledged, and no part of a batch', async () => {
    const folder = await temporaryFolder();
    const writer = new RunningScript(child.script, ['write', folder]);
    await writer.printed(3_000);
    await writer.kill();
    const acknowledged = writer.lines.slice(1);

    const store = await openLmdbStore(folder);
    const range = (side: string) => ({ start: key(`${side} `), end: key(`${side}!`) });
    const numbersOn = async (side: string) =>
      (await store.scan(range(side), 1_000_000)).map((entry) =>
        Buffer.from(entry.key).toString().slice(`_${side} `.length),
      );
    const left = new Set(await numbersOn('left'));
    expect([...left]).toEqual(await numbersOn('right'));
    expect(acknowledged.filter((number) => !left.has(number))).toEqual([]);
    await store.close();
  });

  test.skipIf(!hasStrace())('syncs before it acknowledges (skipped without strace)', async () => {
    const folder = await temporaryFolder();
    const log = join(folder, 'calls');
    // One sync for the changed pages, and a synced write of the page that refers to them.
    const tracing = ['-f', '-e', 'trace=fdatasync,pwrite64', '-o', log];
    const command = [process.execPath, child.script, 'twenty', join(folder, 'data')];
    await promisify(execFile)('strace', [...tracing, ...command]);
    const calls = await readFile(log, 'utf8');
    expect(calls.match(/fdatasync\(/g)?.length).toBeGreaterThanOrEqual(20);
  });

  test('keeps this one out while it lives, and not when it was killed', async () => {
    const folder = await temporaryFolder();
    const holder = new RunningScript(child.script, ['hold', folder]);
    expect(await holder.printed(1)).toEqual(['open']);
    await expect(openLmdbStore(folder)).rejects.toThrow(
      `the data directory ${folder} is in use by process ${holder.pid}; stop that process, ` +
        'or give this node a folder of its own (QUORATE_DATA_DIR)',
    );
    await holder.kill();
    const store = await openLmdbStore(folder);
    await store.batch([put(key('a'), 'x')]);
    expect(await textAt(store, key('a'))).toBe('x');
    await store.close();
  });

  test('is kept out by this one, until this one closes', async () => {
    const folder = await temporaryFolder();
    const store = await openLmdbStore(folder);
    const early = new RunningScript(child.script, ['hold', folder]);
    expect((await early.printed(1))[0]).toMatch(/^StartupError: .* in use by process \d+;/);
    await early.finish();
    await store.close();
    const late = new RunningScript(child.script, ['hold', folder]);
    expect(await late.printed(1)).toEqual(['open']);
    await late.finish();
  });

  test('of several that start together, one wins', async () => {
    const folder = await temporaryFolder();
    const all = Array.from({ length: 4 }, () => new RunningScript(child.script, ['hold', folder]));
    const said = await Promise.all(all.map(async (each) => (await each.printed(1))[0]));
    expect(said.filter((line) => line === 'open')).toHaveLength(1);
    expect(said.filter((line) => line?.includes('is in use by process'))).toHaveLength(3);
    await Promise.all(all.map((each) => each.finish()));
  });
});

function hasStrace(): boolean {
  const works = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
  if (!works) console.warn('skipped: the test that counts syncs, as strace does not work here');
  return works;
}
