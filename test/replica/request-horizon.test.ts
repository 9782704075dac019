import { describe, expect, test } from 'vitest';
import { RequestHorizon } from '../../src/replica/request-horizon.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { type Change, StoreFullError } from '../../src/storage/store.ts';
import { HandClock } from '../runtime/hand-clock.ts';

const LONGEST_MS = 60_000;

describe('how long requests of a former life may be under way', () => {
  test('is not at all for a new node, and the longest there may be where nothing tells', async () => {
    expect((await lifeOn(new TestStore(), 'first')).horizon.formerOverMs).toBe(0);
    expect((await lifeOn(new TestStore())).horizon.formerOverMs).toBe(LONGEST_MS);
  });

  test('is as long as the longest that was acknowledged, and on disk before it is', async () => {
    const store = new TestStore();
    const { horizon } = await lifeOn(store, 'first');
    for (const [lastsMs, atLeastMs] of [
      ...[[1_000, 1_000], [200, 1_000], [4_999, 4_999]], // biome-ignore format: pairs
      ...[[0, 4_999], [-5, 4_999], [30_000, 30_000]], // biome-ignore format: pairs
    ] as [number, number][]) {
      await horizon.reachTo(lastsMs);
      const { formerOverMs } = (await lifeOn(store)).horizon;
      expect(formerOverMs).toBeGreaterThanOrEqual(atLeastMs);
      expect(formerOverMs).toBeLessThanOrEqual(2 * atLeastMs);
    }
    await horizon.reachTo(Number.POSITIVE_INFINITY);
    expect((await lifeOn(store)).horizon.formerOverMs).toBe(LONGEST_MS);
  });

  test('is written once for many requests', async () => {
    const store = new TestStore();
    const { horizon } = await lifeOn(store, 'first');
    await Promise.all(Array.from({ length: 50 }, () => horizon.reachTo(5_000)));
    await horizon.reachTo(4_000);
    expect(store.batches).toBe(1);
  });

  test('is what this life needs, once those of the former ones are over', async () => {
    const store = new TestStore();
    await (await lifeOn(store, 'first')).horizon.reachTo(60_000);
    const { horizon, clock } = await lifeOn(store);
    await horizon.reachTo(1_000);
    expect((await lifeOn(store)).horizon.formerOverMs).toBe(60_000);
    clock.advance(60_000);
    await horizon.reachTo(clock.monotonicMs() + 2_000);
    expect((await lifeOn(store)).horizon.formerOverMs).toBe(2_000);
  });

  test('lets no longer request be acknowledged while a full disk refuses to keep it', async () => {
    const store = new TestStore();
    const { horizon } = await lifeOn(store, 'first');
    await horizon.reachTo(1_000);
    store.full = true;
    await expect(horizon.reachTo(5_000)).rejects.toThrow(StoreFullError);
    await expect(horizon.reachTo(5_000)).rejects.toThrow(StoreFullError);
    store.full = false;
    await horizon.reachTo(5_000);
    expect((await lifeOn(store)).horizon.formerOverMs).toBeGreaterThanOrEqual(5_000);
  });
});

async function lifeOn(store: TestStore, which: 'first' | 'later' = 'later') {
  const clock = new HandClock();
  const isFirstLife = which === 'first';
  const longestRequestMs = LONGEST_MS;
  return {
    clock,
    horizon: await RequestHorizon.open({ store, clock, longestRequestMs, isFirstLife }),
  };
}

class TestStore extends MemoryStore {
  full = false;
  batches = 0;

  override async batch(changes: readonly Change[]): Promise<void> {
    if (this.full) throw new StoreFullError('full');
    this.batches += 1;
    return super.batch(changes);
  }
}
