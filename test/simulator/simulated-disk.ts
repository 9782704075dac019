import { placeOf } from '../../src/storage/keys.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { type Change, type Space, type Store, StoreFullError } from '../../src/storage/store.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface DiskPace {
  /** Longest time a read takes, milliseconds. A store that answers at once hides races. */
  readonly maxReadMs: number;
  readonly maxSyncMs: number;
}

/** A batch that was handed over and is not synced yet. */
interface Pending {
  readonly changes: readonly Change[];
  readonly life: Life;
}

/**
 * A node's disk: outlives its process. What a batch wrote shows when it is synced. At a crash, a prefix
 * of the batches that were not is on the disk all the same, as with any disk; nobody was told of them.
 */
export class SimulatedDisk {
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #pace: DiskPace;
  readonly #pending: Pending[] = [];
  readonly #listeners: ((change: Change, before: Uint8Array | undefined) => void)[] = [];
  #durable = new MemoryStore();
  /** How many times slower than its pace the disk is. */
  slowness = 1;
  /** How much longer a sync takes that is asked for now, milliseconds. */
  stallMs = 0;
  /** Room that the disk reports. */
  room: Space = 'ample';
  /** The next sync fails, and what it was to sync is lost. */
  failNextSync = false;
  /** At the next crash the batch that was being written leaves cut records behind. */
  tearNext = false;
  /** Whether the last crash tore a batch. */
  torn = false;
  /** Whether another, empty disk came in its place. */
  wasReplaced = false;

  /** Whether a record is being written at this moment. */
  get writesRecord(): boolean {
    return this.#pending.some(({ changes }) =>
      changes.some(({ key }) => placeOf(key) !== undefined),
    );
  }

  /** When the batch handed over last will be synced: batches become durable in order. */
  #lastSyncMs = 0;

  constructor(scheduler: Scheduler, random: SeededRandom, pace: DiskPace) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#pace = pace;
  }

  /** Tells of each change of a batch that became durable, and what it replaced: here the judges look on. */
  whenDurable(listener: (change: Change, before: Uint8Array | undefined) => void): void {
    this.#listeners.push(listener);
  }

  /** What is on the disk, for the checkers. */
  get durable(): Store {
    return this.#durable;
  }

  /** The store that one life of the node opens. */
  open(life: Life): Store {
    life.atEnd(() => this.#crash(life));
    return {
      get: (key) => this.#read(life, () => this.#durable.get(key)),
      scan: (range, limit, maxBytes) =>
        this.#read(life, () => this.#durable.scan(range, limit, maxBytes)),
      batch: (changes) => this.#sync(life, changes),
      deleteRange: async (range) => {
        const entries = await this.#durable.scan(range, Number.MAX_SAFE_INTEGER);
        await this.#sync(
          life,
          entries.map(({ key }) => ({ type: 'delete', key })),
        );
      },
      space: async () => this.room,
      close: async () => undefined,
    };
  }

  /** A new, empty disk in its place. */
  wipe(): void {
    this.wasReplaced = true;
    this.#durable = new MemoryStore();
    this.#pending.length = 0;
  }

  #read<Result>(life: Life, read: () => Promise<Result>): Promise<Result> {
    const delayMs = this.#random.fraction() * this.#pace.maxReadMs * this.slowness;
    return new Promise((resolve, reject) => {
      this.#scheduler.after(delayMs, () => life.run(() => void read().then(resolve, reject)));
    });
  }

  #sync(life: Life, changes: readonly Change[]): Promise<void> {
    const delayMs = this.#random.fraction() * this.#pace.maxSyncMs * this.slowness + this.stallMs;
    const atMs = Math.max(this.#scheduler.nowMs + delayMs, this.#lastSyncMs);
    this.#lastSyncMs = atMs;
    if (this.room === 'exhausted' && this.#random.chance(0.5)) {
      return Promise.reject(new StoreFullError('the simulated disk is full'));
    }
    const pending: Pending = { changes, life };
    this.#pending.push(pending);
    return new Promise((resolve, reject) => {
      this.#scheduler.after(atMs - this.#scheduler.nowMs, () => {
        if (life.ended) return;
        // The disk goes on while its process is paused; only the process does not hear of it.
        this.#pending.splice(this.#pending.indexOf(pending), 1);
        if (this.failNextSync) {
          this.failNextSync = false;
          life.run(() => reject(new Error('the simulated sync failed')));
          return;
        }
        const durable = this.#write(changes);
        life.run(() => void durable.then(resolve, reject));
      });
    });
  }

  /** Records that are cut at some byte; what the node keeps about itself is spared, or the disk would count as lost. */
  #tear(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type !== 'put' || placeOf(change.key) === undefined) continue;
      const value = change.value.subarray(0, this.#random.between(0, change.value.length - 1));
      void this.#durable.batch([{ type: 'put', key: change.key, value }]);
      this.torn = true;
    }
  }

  #write(changes: readonly Change[]): Promise<void> {
    for (const change of changes) {
      void this.#durable.get(change.key).then((before) => {
        for (const listener of this.#listeners) listener(change, before);
      });
    }
    return this.#durable.batch(changes);
  }

  #crash(life: Life): void {
    const own = this.#pending.filter((pending) => pending.life === life);
    const kept = this.#random.between(0, own.length);
    const tear = this.tearNext;
    this.tearNext = false;
    this.torn = false;
    for (const [index, pending] of own.entries()) {
      this.#pending.splice(this.#pending.indexOf(pending), 1);
      if (index < kept) void this.#write(pending.changes);
      if (index === kept && tear) this.#tear(pending.changes);
    }
    this.#lastSyncMs = this.#scheduler.nowMs;
  }
}
