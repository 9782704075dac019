import { MemoryStore } from '../../src/storage/memory-store.ts';
import type { Change, Entry, KeyRange, Space, Store } from '../../src/storage/store.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface DiskPace {
  /** Longest time a read takes, milliseconds. A store that answers at once hides races. */
  readonly maxReadMs: number;
  readonly maxSyncMs: number;
}

/**
 * A node's disk: outlives its process. What a batch wrote shows when it is synced; a crash before
 * that loses it.
 */
export class SimulatedDisk {
  readonly #durable = new MemoryStore();
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #pace: DiskPace;
  /** How many times slower than its pace the disk is. */
  slowness = 1;
  /** Room that the disk reports. */
  room: Space = 'ample';
  /** When the batch handed over last will be synced: batches become durable in order. */
  #lastSyncMs = 0;

  constructor(scheduler: Scheduler, random: SeededRandom, pace: DiskPace) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#pace = pace;
  }

  /** What is on the disk, for the checkers. */
  get durable(): Store {
    return this.#durable;
  }

  /** The store that one life of the node opens. */
  open(life: Life): Store {
    return {
      get: (key) => this.#read(life, () => this.#durable.get(key)),
      scan: (range, limit) => this.#read(life, () => this.#durable.scan(range, limit)),
      batch: (changes) => this.#sync(life, changes),
      deleteRange: (range) => this.#deleteRange(life, range),
      space: async () => this.room,
      close: async () => undefined,
    };
  }

  #read<Result>(life: Life, read: () => Promise<Result>): Promise<Result> {
    const delayMs = this.#random.fraction() * this.#pace.maxReadMs * this.slowness;
    return new Promise((resolve, reject) => {
      this.#scheduler.after(delayMs, () => {
        if (!life.ended) read().then(resolve, reject);
      });
    });
  }

  #sync(life: Life, changes: readonly Change[]): Promise<void> {
    const delayMs = this.#random.fraction() * this.#pace.maxSyncMs * this.slowness;
    const atMs = Math.max(this.#scheduler.nowMs + delayMs, this.#lastSyncMs);
    this.#lastSyncMs = atMs;
    return new Promise((resolve, reject) => {
      this.#scheduler.after(atMs - this.#scheduler.nowMs, () => {
        if (!life.ended) this.#durable.batch(changes).then(resolve, reject);
      });
    });
  }

  async #deleteRange(life: Life, range: KeyRange): Promise<void> {
    const entries: readonly Entry[] = await this.#durable.scan(range, Number.MAX_SAFE_INTEGER);
    await this.#sync(
      life,
      entries.map(({ key }) => ({ type: 'delete', key })),
    );
  }
}
