import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { StartupError } from '../../src/errors.ts';
import { openStore } from '../../src/storage/open-store.ts';
import { key, put, textAt } from './conformance.ts';
import { temporaryFolder } from './temporary-folder.ts';

test('`memory` is a store that says what it forgets, and leaves no file', async () => {
  const dataDir = await temporaryFolder();
  const { store, lost, remarks } = await openStore({ store: 'memory', dataDir });
  await store.batch([put(key('a'), 'x')]);
  expect(await textAt(store, key('a'))).toBe('x');
  expect(lost).toBe(false);
  expect(remarks).toEqual([expect.stringContaining('gone when this process ends')]);
  expect(readdirSync(dataDir)).toEqual([]);
  await store.close();
});

test('`lmdb` is a store in the data directory', async () => {
  const dataDir = join(await temporaryFolder(), 'data');
  const { store, lost, remarks } = await openStore({ store: 'lmdb', dataDir });
  await store.batch([put(key('a'), 'x')]);
  await store.close();
  expect({ lost, remarks }).toEqual({ lost: false, remarks: [] });
  const again = await openStore({ store: 'lmdb', dataDir });
  expect(await textAt(again.store, key('a'))).toBe('x');
  await again.store.close();
});

test('anything else is the URL of a Redis', async () => {
  const dataDir = await temporaryFolder();
  const opening = openStore({ store: 'redis://127.0.0.1:1', dataDir });
  await expect(opening).rejects.toThrow(StartupError);
  await expect(opening).rejects.toThrow('cannot reach the Redis at redis://127.0.0.1:1');
});
