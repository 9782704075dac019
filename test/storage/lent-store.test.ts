import { expect, test } from 'vitest';
import { LentStore } from '../../src/storage/lent-store.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { type Change, StoreFailedError } from '../../src/storage/store.ts';
import { put, storeConformance, textAt } from './conformance.ts';

storeConformance({
  name: 'a lent store',
  keeps: false,
  fresh: async () => ({
    open: async () => new LentStore(new MemoryStore()),
    remove: async () => {},
  }),
});

const K = Uint8Array.of(1, 7);

test('a store that was lent takes no more from the old life, and goes on for the next', async () => {
  const store = new MemoryStore();
  const old = new LentStore(store);
  await old.batch([put(K, 'old')]);
  await old.close();
  await expect(old.batch([put(K, 'late')])).rejects.toThrow(StoreFailedError);
  const next = new LentStore(store);
  expect(await textAt(next, K)).toBe('old');
});

test('a loan ends only when what is under way is on disk', async () => {
  const told: string[] = [];
  const store = new SlowStore();
  const lent = new LentStore(store);
  const written = lent.batch([put(K, 'v')]).then(() => told.push('written'));
  const closed = lent.close().then(() => told.push('closed'));
  store.sync();
  await Promise.all([written, closed]);
  expect(told).toEqual(['written', 'closed']);
});

class SlowStore extends MemoryStore {
  sync = (): void => undefined;

  override async batch(changes: readonly Change[]): Promise<void> {
    await new Promise<void>((resolve) => {
      this.sync = resolve;
    });
    return super.batch(changes);
  }
}
