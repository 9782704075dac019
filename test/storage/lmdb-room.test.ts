import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { databaseBytes, lengthenDatabase, volumeOf } from '../../src/storage/lmdb-folder.ts';
import { openLmdbStore } from '../../src/storage/lmdb-store.ts';
import { exhaustedBelow, lowBelow, spaceOf } from '../../src/storage/reserves.ts';
import { key, put, textAt } from './conformance.ts';
import { temporaryFolder } from './temporary-folder.ts';

const MIB = 1024 * 1024;

describe('the reserves', () => {
  test.each([
    { whole: 1_000 * MIB, low: 64 * MIB, exhausted: 16 * MIB },
    { whole: 100 * MIB, low: 10 * MIB, exhausted: 3 * MIB },
    { whole: 8 * MIB, low: 838_860, exhausted: 251_658 },
  ])('of a volume of $whole bytes', ({ whole, low, exhausted }) => {
    expect([lowBelow(whole), exhaustedBelow(whole)]).toEqual([low, exhausted]);
    expect(spaceOf(low, whole)).toBe('ample');
    expect(spaceOf(low - 1, whole)).toBe('low');
    expect(spaceOf(exhausted, whole)).toBe('low');
    expect(spaceOf(exhausted - 1, whole)).toBe('exhausted');
    expect(spaceOf(0, whole)).toBe('exhausted');
  });
});

describe('the room that the database has', () => {
  test('is not what the file is said to have, but what was written of it', async () => {
    const folder = await temporaryFolder();
    await (await openLmdbStore(folder)).close();
    const before = await databaseBytes(folder);
    await truncate(join(folder, 'data.mdb'), 50 * MIB);
    expect(await databaseBytes(folder)).toBeLessThan(before + MIB);
  });

  test('can be made larger; LMDB goes on as before', async () => {
    const folder = await temporaryFolder();
    const store = await openLmdbStore(folder);
    await store.batch([put(key('a'), 'x')]);
    await lengthenDatabase(folder, 3 * MIB + 5);
    expect(await databaseBytes(folder)).toBe(3 * MIB + 5);
    await lengthenDatabase(folder, MIB);
    expect(await databaseBytes(folder)).toBe(3 * MIB + 5);
    await store.batch([{ type: 'put', key: key('b'), value: new Uint8Array(MIB).fill(7) }]);
    await store.close();
    const again = await openLmdbStore(folder);
    expect(await textAt(again, key('a'))).toBe('x');
    expect((await again.get(key('b')))?.every((byte) => byte === 7)).toBe(true);
    await again.close();
  });

  test('is measured on the volume of the folder', async () => {
    const { availableBytes, wholeBytes } = await volumeOf(await temporaryFolder());
    expect(availableBytes).toBeGreaterThan(0);
    expect(wholeBytes).toBeGreaterThanOrEqual(availableBytes);
  });
});
