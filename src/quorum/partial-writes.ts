/**
 * Acknowledged writes of which not every replica confirmed a copy, as far as their coordinator knows:
 * how many of each partition, by who confirmed one. Should all of those be lost at once, so may the
 * writes be, and people want to know how many. It is a bound: a copy may have come later, by a repair.
 */
import type { Epoch, NodeId, Partition } from '../ids.ts';

interface Counted {
  readonly epoch: Epoch;
  readonly holders: readonly NodeId[];
  count: number;
}

/** Different sets of holders that are told apart in one partition; further ones count as held by nobody. */
const MAX_KINDS = 64;

export class PartialWrites {
  readonly #byPartition = new Map<Partition, Map<string, Counted>>();

  /** Partitions of which writes are counted. */
  get size(): number {
    return this.#byPartition.size;
  }

  /** A write was acknowledged under `epoch`, and all replicas were heard: `holders` have it on disk. */
  note(partition: Partition, epoch: Epoch, holders: readonly NodeId[]): void {
    const kinds = this.#byPartition.get(partition) ?? new Map<string, Counted>();
    this.#byPartition.set(partition, kinds);
    const known = [...holders].sort();
    const kind = `${epoch} ${known.join(' ')}`;
    const counted = kinds.get(kind);
    if (counted !== undefined) counted.count += 1;
    else if (kinds.size < MAX_KINDS) kinds.set(kind, { epoch, holders: known, count: 1 });
    else this.#noteHeldByNobody(kinds, epoch);
  }

  #noteHeldByNobody(kinds: Map<string, Counted>, epoch: Epoch): void {
    const counted = kinds.get('') ?? { epoch, holders: [], count: 0 };
    kinds.set('', { ...counted, epoch, count: counted.count + 1 });
  }

  /**
   * How many writes of the partition, under epochs below `epoch`, none of `survivors` confirmed. They are
   * not counted again.
   */
  takeLost(partition: Partition, epoch: Epoch, survivors: readonly NodeId[]): number {
    const kinds = this.#byPartition.get(partition) ?? new Map<string, Counted>();
    let lost = 0;
    for (const [kind, counted] of kinds) {
      if (counted.epoch >= epoch) continue;
      if (counted.holders.some((holder) => survivors.includes(holder))) continue;
      lost += counted.count;
      kinds.delete(kind);
    }
    if (kinds.size === 0) this.#byPartition.delete(partition);
    return lost;
  }

  /** All replicas have pulled the partition under `epoch`: what was noted before is where it belongs. */
  forgetBelow(partition: Partition, epoch: Epoch): void {
    const kinds = this.#byPartition.get(partition) ?? new Map<string, Counted>();
    for (const [kind, counted] of kinds) if (counted.epoch < epoch) kinds.delete(kind);
    if (kinds.size === 0) this.#byPartition.delete(partition);
  }
}
