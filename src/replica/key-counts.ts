import type { Partition } from '../ids.ts';
import { keepOwn, ownNumbers, readOwn } from '../storage/own-state.ts';
import type { Change, Store } from '../storage/store.ts';

/** What lies under one key: a value, a tombstone, or nothing. */
export type Kind = 'value' | 'tombstone' | 'nothing';

interface Count {
  values: number;
  tombstones: number;
}

/**
 * How many values and tombstones this node keeps of each partition. Written in the batch that changes
 * a key; since batches become durable in the order of the calls, the count on disk belongs to the
 * records on disk.
 */
export class KeyCounts {
  /** By partition, with holes where nothing was ever kept. */
  readonly #counts: (Count | undefined)[];

  private constructor(counts: (Count | undefined)[]) {
    this.#counts = counts;
  }

  static async open(store: Store): Promise<KeyCounts> {
    const counts: (Count | undefined)[] = [];
    for (const partition of await ownNumbers(store, 'count/')) {
      counts[partition] = (await readOwn(store, `count/${partition}`)) as Count;
    }
    return new KeyCounts(counts);
  }

  /** Values kept in all partitions. */
  get values(): number {
    let sum = 0;
    for (const count of this.#counts) sum += count?.values ?? 0;
    return sum;
  }

  /** Counts that a key turned from one kind into another; the change belongs into the same batch. */
  turn(partition: Partition, from: Kind, to: Kind): readonly Change[] {
    if (from === to) return [];
    const count = this.#counts[partition] ?? { values: 0, tombstones: 0 };
    this.#counts[partition] = count;
    add(count, from, -1);
    add(count, to, 1);
    return [keepOwn(`count/${partition}`, count)];
  }
}

function add(count: Count, kind: Kind, by: 1 | -1): void {
  if (kind === 'value') count.values += by;
  if (kind === 'tombstone') count.tombstones += by;
}
