import { describe, expect, test } from 'vitest';
import type { Incarnation, NodeId } from '../../src/ids.ts';
import { VersionClock } from '../../src/replica/version-clock.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { keepOwn, readOwn } from '../../src/storage/own-state.ts';
import type { Change, Store } from '../../src/storage/store.ts';
import { physicalOf } from '../../src/version/version.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { versionAt } from '../version/version-at.ts';

const node = '00000000000000aa' as NodeId;
const HOUR = 3_600_000;

describe('the clock of versions', () => {
  test('rises over restarts, also when the wall clock was set back meanwhile (failure mode 4)', async () => {
    const clock = new HandClock();
    const store = new MemoryStore();
    let before = '';
    for (let life = 1; life <= 5; life++) {
      const versions = await open(store, clock, life);
      for (let drawn = 0; drawn < 10; drawn++) {
        const version = await versions.draw(undefined);
        expect(version > before).toBe(true);
        before = version;
      }
      clock.jumpWall(-HOUR);
    }
  });

  test('hands out no version above the bound on disk', async () => {
    const clock = new HandClock();
    const store = new BoundStore();
    const versions = await open(store, clock, 1);
    for (const jumpMs of [0, 10, 5_000, HOUR]) {
      clock.jumpWall(jumpMs);
      const version = await versions.draw(undefined);
      expect(store.boundMs).toBeGreaterThanOrEqual(physicalOf(version));
    }
    const ahead = versionAt(clock.wallMs() + 2 * HOUR);
    const version = await versions.draw(ahead);
    expect(version > ahead).toBe(true);
    expect(store.boundMs).toBeGreaterThanOrEqual(physicalOf(version));
  });

  test('draws nothing before a time that it was shown', async () => {
    const clock = new HandClock();
    const versions = await open(new MemoryStore(), clock, 1);
    const aheadMs = clock.wallMs() + HOUR;
    versions.observeMs(aheadMs);
    const version = await versions.draw(undefined);
    expect(version > versionAt(aheadMs)).toBe(true);
  });

  test('moves its bound by the least amount, in one batch with what is not to be forgotten', async () => {
    const store = new BoundStore();
    const versions = await open(store, new HandClock(), 1);
    await versions.moveBoundWith([keepOwn('votes', { boundMs: -1 })]);
    expect(store.syncs).toBe(1);
    expect(await readOwn(store, 'votes')).toEqual({ boundMs: -1 });
    expect(versions.bound).toEqual({ startBoundMs: 0, boundMs: 1 });
    expect((await open(store, new HandClock(), 2)).bound.startBoundMs).toBe(1);
  });

  test('never takes its bound back, whatever moves it at the same time', async () => {
    const clock = new HandClock();
    const store = new BoundStore();
    const versions = await open(store, clock, 1);
    const told: number[] = [];
    for (let turn = 0; turn < 20; turn++) {
      const moves = [versions.moveBoundWith([]), versions.draw(undefined)];
      clock.advance(turn % 3 === 0 ? 400 : 1);
      await Promise.all([...moves, versions.moveBoundWith([])]);
      told.push(versions.bound.boundMs);
      expect(store.boundMs).toBe(versions.bound.boundMs);
    }
    expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
    expect(versions.bound.boundMs).toBeLessThan(clock.wallMs() + 2_000);
  });

  test('leaves its bound where it is when nothing could be stored', async () => {
    const store = new BoundStore();
    const versions = await open(store, new HandClock(), 1);
    store.fails = true;
    await expect(versions.moveBoundWith([])).rejects.toThrow();
    expect(versions.bound.boundMs).toBe(0);
    store.fails = false;
    await versions.moveBoundWith([]);
    expect(versions.bound.boundMs).toBe(1);
  });

  test('syncs about once a second, not once a version', async () => {
    const clock = new HandClock();
    const store = new BoundStore();
    const versions = await open(store, clock, 1);
    for (let drawn = 0; drawn < 1_000; drawn++) {
      await versions.draw(undefined);
      clock.advance(10);
    }
    expect(store.syncs).toBeGreaterThan(5);
    expect(store.syncs).toBeLessThan(40);
  });
});

function open(store: Store, clock: HandClock, life: number): Promise<VersionClock> {
  return VersionClock.open({ node, incarnation: life as Incarnation, clock, store });
}

class BoundStore extends MemoryStore {
  boundMs = 0;
  syncs = 0;
  fails = false;

  override async batch(changes: readonly Change[]): Promise<void> {
    if (this.fails) throw new Error('the disk is full');
    await super.batch(changes);
    this.syncs += 1;
    for (const change of changes) {
      if (change.type !== 'put') continue;
      const text = Buffer.from(change.value.subarray(8)).toString('utf8');
      this.boundMs = (JSON.parse(text) as { boundMs: number }).boundMs;
    }
  }
}
