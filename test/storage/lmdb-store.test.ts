import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StartupError } from '../../src/errors.ts';
import { volumeOf } from '../../src/storage/lmdb-folder.ts';
import { openLmdbStore } from '../../src/storage/lmdb-store.ts';
import { spaceOf } from '../../src/storage/reserves.ts';
import { type Change, type Store, StoreFullError } from '../../src/storage/store.ts';
import { key, put, remove, storeConformance, textAt } from './conformance.ts';
import { newFolder, temporaryFolder } from './temporary-folder.ts';

storeConformance({
  name: 'the LMDB store',
  keeps: true,
  fresh: async () => {
    const folder = await newFolder();
    return {
      open: () => openLmdbStore(folder),
      remove: () => rm(folder, { recursive: true }),
    };
  },
});

describe('the LMDB store', () => {
  test('makes its folder, with those above it', async () => {
    const folder = join(await temporaryFolder(), 'deep', 'er.mdb');
    const store = await openLmdbStore(folder);
    await store.close();
    expect(readdirSync(folder).sort()).toEqual(['data.mdb', 'lock.mdb']);
  });

  test('can be opened and closed over and over: no file stays open', async () => {
    const folder = await temporaryFolder();
    const openFiles = () => readdirSync('/proc/self/fd').length;
    const openAndClose = async () => {
      const store = await openLmdbStore(folder);
      await store.batch([put(key('a'), 'x')]);
      await store.close();
    };
    await openAndClose();
    const before = openFiles();
    for (let i = 0; i < 20; i++) await openAndClose();
    const occupied = await openLmdbStore(folder);
    for (let i = 0; i < 20; i++) await expect(openLmdbStore(folder)).rejects.toThrow(StartupError);
    await occupied.close();
    expect(openFiles()).toBe(before);
  });

  test('is opened once by a process, by whatever path', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'data'));
    await symlink(join(folder, 'data'), join(folder, 'link'));
    const store = await openLmdbStore(join(folder, 'data'));
    const refusal = 'in use by this process; stop that process, or give this node a folder of its';
    await expect(openLmdbStore(join(folder, 'link'))).rejects.toThrow(refusal);
    await store.batch([put(key('a'), 'still works')]);
    await store.close();
    const again = await openLmdbStore(join(folder, 'link'));
    expect(await textAt(again, key('a'))).toBe('still works');
    await again.close();
  });

  test('refuses a path that no folder can have, and names the setting', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'file');
    await writeFile(file, 'x');
    for (const path of [file, join(file, 'below'), '/proc/nowhere']) {
      const error = await openLmdbStore(path).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StartupError);
      expect(String(error)).toContain(`the data directory ${path} cannot be used`);
      expect(String(error)).toContain('QUORATE_DATA_DIR');
    }
  });

  test.each([
    ['text', Buffer.from('this is no database, '.repeat(1_000))],
    ['zeros, as after a crash while it was made', Buffer.alloc(8_192)],
    ['less than a page', Buffer.alloc(20)],
  ])('refuses a file that is not its own: %s', async (_, content) => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'data.mdb'), content);
    const opening = openLmdbStore(folder);
    await expect(opening).rejects.toThrow(/data\.mdb is damaged, or not a file of this store/);
    await rm(join(folder, 'data.mdb'));
    await (await openLmdbStore(folder)).close();
  });
});

test('a file of the LMDB store cut off within its first two pages is refused (failure mode 51)', async () => {
  const folder = await temporaryFolder();
  const store = await openLmdbStore(folder);
  await store.batch([put(key('a'), 'x')]);
  await store.close();
  for (let bytes = 2 * 4_096 - 1; bytes > 0; bytes -= bytes > 200 ? 7 : 1) {
    await truncate(join(folder, 'data.mdb'), bytes);
    const error = await openLmdbStore(folder).catch((thrown: unknown) => thrown);
    expect(error, `${bytes} bytes`).toBeInstanceOf(StartupError);
    expect(String(error)).toMatch(/data\.mdb is damaged, or not a file of this store/);
  }
}, 60_000);

describe.skipIf(!canMount())(
  'the LMDB store on a small volume (skipped where mounting is not allowed)',
  () => {
    test('refuses what does not fit, keeps what it had, and goes on when there is room', async () => {
      const store = await openLmdbStore(join(await smallVolume('8m'), 'data'));
      onTestFinished(() => store.close());
      expect(await store.space()).toBe('ample');
      await store.batch([put(key('own'), 'before')]);

      const stored = await fillToTheReserve(store);
      expect(stored).toBeGreaterThan(20);
      const tooMuch = Array.from({ length: 20 }, (_, i) => large(i));
      for (let round = 0; round < 5; round++) {
        const batch = store.batch([put(key('own'), 'after'), ...tooMuch]);
        await expect(batch).rejects.toThrow(StoreFullError);
      }
      expect(await store.space()).toBe('low');
      expect(await textAt(store, key('own'))).toBe('before');
      expect(await count(store)).toBe(stored + 1);

      await store.batch([put(key('own'), 'what is small goes on')]);
      await store.deleteRange({ start: key('large'), end: key('largf') });
      expect(await store.space()).toBe('ample');
      await store.batch([put(key('own'), 'what was freed can be used after the next commit')]);
      for (let i = 0; i < stored / 2; i++) await store.batch([large(i)]);
      expect(await count(store)).toBe(Math.ceil(stored / 2) + 1);
    });

    test('refuses to the last byte, without losing anything, and comes out of it', async () => {
      const folder = join(await smallVolume('8m'), 'data');
      let store = await openLmdbStore(folder);
      const stored: number[] = [];
      for (let i = 0, refused = 0; refused < 20; i++) {
        await store.batch([numbered(i)]).then(
          () => stored.push(i),
          (error: unknown) => {
            expect(error).toBeInstanceOf(StoreFullError);
            refused += 1;
          },
        );
      }
      await store.close();
      store = await openLmdbStore(folder);
      onTestFinished(() => store.close());
      for (const i of stored) {
        expect(
          Buffer.compare((await store.get(numbered(i).key)) ?? key('none'), numbered(i).value),
        ).toBe(0);
      }
      expect(await count(store)).toBe(stored.length);

      // What is there can be deleted, and the pages used again, though the volume stays full.
      for (const i of stored) await store.batch([remove(numbered(i).key)]);
      expect(await count(store)).toBe(0);
      const { availableBytes, wholeBytes } = await volumeOf(folder);
      expect(spaceOf(availableBytes, wholeBytes)).not.toBe('ample');
      for (const i of stored.slice(0, 7)) await store.batch([numbered(i)]);
    });

    test('promises no room that a value was just refused, until more of it is free', async () => {
      const store = await openLmdbStore(join(await smallVolume('8m'), 'data'));
      onTestFinished(() => store.close());
      const value = new Uint8Array(20_000).fill(1);
      const fill = async (name: string): Promise<number> => {
        for (let i = 0; ; i++) {
          if ((await store.space()) !== 'ample') return i;
          const refused = await store.batch([{ type: 'put', key: key(`${name}${i}`), value }]).then(
            () => false,
            () => true,
          );
          // What is announced must follow what happens: at once.
          if (refused) expect(await store.space()).not.toBe('ample');
        }
      };
      const stored = await fill('first');
      // Every other one: what is free now lies in pieces.
      for (let i = 0; i < stored; i += 2) await store.batch([remove(key(`first${i}`))]);
      await fill('second');
      await store.deleteRange({ start: key(''), end: Uint8Array.of(2) });
      await store.batch([put(key('own'), 'the next commit can use what was freed')]);
      expect(await store.space()).toBe('ample');
      expect(await fill('third')).toBeGreaterThan(stored / 3);
    });

    test('when it is full, a range can be deleted still', async () => {
      const store = await openLmdbStore(join(await smallVolume('8m'), 'data'));
      onTestFinished(() => store.close());
      for (const size of [200_000, 20_000, 2_000]) {
        for (let i = 0, full = false; !full; i++) {
          const value = new Uint8Array(size);
          const batch = store.batch([{ type: 'put', key: key(`${size}-${i}`), value }]);
          await batch.catch(() => (full = true));
        }
      }
      await store.deleteRange({ start: key(''), end: Uint8Array.of(2) });
      expect(await count(store)).toBe(0);
    });

    test('refuses a folder it may not write to', async () => {
      const folder = await smallVolume('1m,ro');
      const error = await openLmdbStore(folder).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StartupError);
      expect(String(error)).toContain('read-only');
    });
  },
);

async function fillToTheReserve(store: Store): Promise<number> {
  let stored = 0;
  while ((await store.space()) === 'ample') {
    await store.batch([large(stored)]);
    stored += 1;
  }
  return stored;
}

function large(i: number): Change {
  return { type: 'put', key: key(`large ${i}`), value: new Uint8Array(200_000).fill(i) };
}

/** A few are large. */
function numbered(i: number): { type: 'put'; key: Uint8Array; value: Uint8Array } {
  const size = i % 3 === 0 ? 200_000 : 3_000 * (i % 5);
  return { type: 'put', key: key(`${i}`), value: new Uint8Array(size).fill(i) };
}

async function count(store: Store): Promise<number> {
  return (await store.scan({ start: Uint8Array.of(0), end: Uint8Array.of(2) }, 1_000)).length;
}

async function smallVolume(options: string): Promise<string> {
  const folder = await temporaryFolder();
  mount(folder, options);
  onTestFinished(() => unmount(folder));
  return folder;
}

function mount(folder: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options}`, 'tmpfs', folder], {
    stdio: 'pipe',
  });
}

function unmount(folder: string): void {
  execFileSync('umount', [folder], { stdio: 'pipe' });
}

function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-mount-'));
  try {
    mount(folder, '1m');
    unmount(folder);
    return true;
  } catch {
    console.warn('skipped: the tests on a small volume, as mounting a tmpfs is not allowed here');
    return false;
  } finally {
    rmdirSync(folder);
  }
}
