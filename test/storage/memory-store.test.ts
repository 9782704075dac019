import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { put, storeConformance } from './conformance.ts';

storeConformance({
  name: 'the memory store',
  keeps: false,
  fresh: async () => ({ open: async () => new MemoryStore(), remove: async () => {} }),
});

test('the memory store holds 100,000 keys in order, in whatever order they came', async () => {
  const store = new MemoryStore();
  const keys = Array.from({ length: 100_000 }, (_, i) => numbered((i * 77_773) % 100_000));
  for (const key of keys) await store.batch([put(key, '')]);
  const inOrder = Array.from({ length: 1_000 }, (_, i) => numbered(50_000 + i));
  const found = await store.scan({ start: numbered(50_000), end: numbered(100_000) }, 1_000);
  expect(found.map(({ key }) => key)).toEqual(inOrder);
  for (const key of keys.slice(0, 90_000)) await store.batch([{ type: 'delete', key }]);
  const left = keys.slice(90_000).sort(Buffer.compare);
  const all = await store.scan({ start: numbered(0), end: numbered(100_000) }, 100_000);
  expect(all.map(({ key }) => key)).toEqual(left);
}, 30_000);

function numbered(i: number): Uint8Array {
  return Uint8Array.of(1, i >>> 16, i >>> 8, i);
}
