import type { Key, Partition } from '../ids.ts';
import { dropOwn, keepOwn, ownNumbers } from '../storage/own-state.ts';
import type { Change, Store } from '../storage/store.ts';

/** Keys remembered as absent; a forgotten one is asked of the other replicas again. */
const MAX_PROVEN = 10_000;

/**
 * Partitions of which records are missing without a trace: flipped bits in the pages of a B+ tree can
 * hide a key, and reading it reports no error. In such a partition a key that is not there may be one
 * that was lost, so its absence is damage, until the other replicas told what it held. Kept on disk,
 * so that a restart does not forget.
 */
export class LossyPartitions {
  readonly #store: Store;
  readonly #partitions: Set<Partition>;
  /** How often each partition was marked in this life. */
  readonly #marks = new Map<Partition, number>();
  /** From when on the others can tell what is missing, monotonic. */
  readonly #tellableMs = new Map<Partition, number>();
  /** The latest deadline of a write that was acknowledged here. */
  #latestDeadlineMs = Number.NEGATIVE_INFINITY;
  /** Keys that the other replicas do not hold either, in the order in which that was learnt. */
  readonly #proven = new Set<Key>();

  private constructor(store: Store, partitions: Set<Partition>, tellableMs: number) {
    this.#store = store;
    this.#partitions = partitions;
    for (const partition of partitions) this.#tellableMs.set(partition, tellableMs);
  }

  /** `tellableMs`: when all writes are over that a former life may have acknowledged, monotonic. */
  static async open(store: Store, tellableMs: number): Promise<LossyPartitions> {
    const marked = (await ownNumbers(store, 'lossy/')) as Partition[];
    return new LossyPartitions(store, new Set(marked), tellableMs);
  }

  has(partition: Partition): boolean {
    return this.#partitions.has(partition);
  }

  /** Whether the absence of `key` proves nothing. */
  mayMiss(partition: Partition, key: Key): boolean {
    return this.#partitions.has(partition) && !this.#proven.has(key);
  }

  /** How often the partition was marked: the same number twice means that no loss was found in between. */
  marks(partition: Partition): number {
    return this.#marks.get(partition) ?? 0;
  }

  /** A write was acknowledged here; until its deadline, monotonic, it may be on its way to the others. */
  noteAcknowledged(deadlineMs: number): void {
    this.#latestDeadlineMs = Math.max(this.#latestDeadlineMs, deadlineMs);
  }

  /**
   * Whether the others hold by now what this disk acknowledged before the partition was marked last. A
   * comparison with them before that may miss a write that only this node had then, and lost.
   */
  othersCanTell(partition: Partition, nowMs: number): boolean {
    return nowMs >= (this.#tellableMs.get(partition) ?? Number.NEGATIVE_INFINITY);
  }

  /** From now on; the changes make it last. */
  mark(partition: Partition): readonly Change[] {
    this.#partitions.add(partition);
    this.#tellableMs.set(partition, this.#latestDeadlineMs);
    this.#marks.set(partition, this.marks(partition) + 1);
    return [keepOwn(`lossy/${partition}`, {})];
  }

  /**
   * Takes the mark off a partition that was made whole from other replicas, all of them asked after it
   * was marked for the `marks`th time, and when they could tell; not when another loss was found since.
   * @throws StoreFullError
   */
  async lift(partition: Partition, marks: number): Promise<void> {
    if (this.marks(partition) !== marks) return;
    await this.#store.batch([dropOwn(`lossy/${partition}`)]);
    if (this.marks(partition) === marks) this.#partitions.delete(partition);
  }

  /** The partition was given up; nothing of it is on the disk, and the mark is off it as well. */
  forget(partition: Partition): void {
    this.#partitions.delete(partition);
  }

  /** The other replicas do not hold `key` either. */
  proveAbsent(key: Key): void {
    this.#proven.add(key);
    for (const oldest of this.#proven) {
      if (this.#proven.size <= MAX_PROVEN) return;
      this.#proven.delete(oldest);
    }
  }

  /** `key` is there now; should it vanish, that is a loss again. */
  noteStored(key: Key): void {
    this.#proven.delete(key);
  }
}
