import { expect, test } from 'vitest';
import { RememberedBounds } from '../../src/membership/remembered-bounds.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { StoreFullError } from '../../src/storage/store.ts';
import { nodeId } from '../ring/placement.ts';

const A = nodeId(1);

test('a life that begins where the one before stood follows upon it', async () => {
  const bounds = await RememberedBounds.open(new MemoryStore());
  expect(bounds.follows(A, { life: 'first', startBoundMs: 0, boundMs: 1_000 })).toBe(true);
  expect(bounds.follows(A, { life: 'first', startBoundMs: 0, boundMs: 5_000 })).toBe(true);
  expect(bounds.follows(A, { life: 'first', startBoundMs: 0, boundMs: 2_000 })).toBe(true); // it was overtaken
  expect(bounds.follows(A, { life: 'second', startBoundMs: 5_000, boundMs: 5_000 })).toBe(true);
  expect(bounds.follows(A, { life: 'third', startBoundMs: 6_000, boundMs: 6_000 })).toBe(true);
});

test('a life that begins below what was told does not, and what was told stays remembered', async () => {
  const bounds = await RememberedBounds.open(new MemoryStore());
  bounds.follows(A, { life: 'first', startBoundMs: 0, boundMs: 5_000 });
  expect(bounds.follows(A, { life: 'second', startBoundMs: 4_999, boundMs: 9_000 })).toBe(false);
  expect(bounds.follows(A, { life: 'second', startBoundMs: 4_999, boundMs: 9_000 })).toBe(false);
});

test('what a full disk refused is brought to it later', async () => {
  const store = new MemoryStore();
  const before = await RememberedBounds.open(store);
  before.follows(A, { life: 'first', startBoundMs: 0, boundMs: 5_000 });
  const batch = store.batch.bind(store);
  store.batch = () => Promise.reject(new StoreFullError('no room'));
  await expect(before.persist()).rejects.toThrow(StoreFullError);
  store.batch = batch;
  await before.persist();
  const after = await RememberedBounds.open(store);
  expect(after.follows(A, { life: 'second', startBoundMs: 1_000, boundMs: 1_000 })).toBe(false);
});

test('a restart of whoever remembers does not forget, a member that has gone is forgotten', async () => {
  const store = new MemoryStore();
  const before = await RememberedBounds.open(store);
  before.follows(A, { life: 'first', startBoundMs: 0, boundMs: 5_000 });
  await before.persist();
  const after = await RememberedBounds.open(store);
  expect(after.follows(A, { life: 'second', startBoundMs: 1_000, boundMs: 1_000 })).toBe(false);
  after.keepOnly(new Set());
  expect(after.follows(A, { life: 'second', startBoundMs: 1_000, boundMs: 1_000 })).toBe(true);
});
