import type { Partition } from '../ids.ts';
import { dropOwn, keepOwn, ownNumbers, readOwn } from '../storage/own-state.ts';
import type { Change, Store } from '../storage/store.ts';

/** What lies under one key: a value, a tombstone, or nothing. */
export type Kind = 'value' | 'tombstone' | 'nothing';

export interface KindChange {
  readonly from: Kind;
  readonly to: Kind;
}

export interface Count {
  readonly values: number;
  readonly tombstones: number;
}

/** A change of counts on its way to the disk, in the batch that changes the key. */
export interface Turn {
  readonly changes: readonly Change[];
  /** The batch is durable, or was refused and wrote nothing. */
  readonly settle: (durable: boolean) => void;
}

interface Tally {
  values: number;
  tombstones: number;
  /** Records that settled batches changed; the same number twice: none became visible in between. */
  changes: number;
  /** Turns begun and settled so far; the same number twice: nothing changed in between. */
  turns: number;
  /** Keys whose batch is under way; a removal of many counts as one. */
  underWay: number;
  /** Keys that a turn removed. */
  removed: number;
  /** The count that the batch handed over last carries. */
  written: Count;
}

const NONE: Count = { values: 0, tombstones: 0 };

/**
 * How many values and tombstones this node keeps of each partition: never more than there are, in
 * memory and on disk, so that fewer found than counted is a loss. What a batch adds is counted when
 * it is durable, because a full disk may refuse it after later batches were handed over; what it
 * takes away is counted at once. A batch carries what is durable plus its own change; where several
 * are under way the number on disk falls short, until a scrub corrects it.
 */
export class KeyCounts {
  /** By partition, with holes where nothing was ever kept. */
  readonly #tallies: (Tally | undefined)[] = [];

  private constructor() {}

  static async open(store: Store): Promise<KeyCounts> {
    const counts = new KeyCounts();
    for (const partition of await ownNumbers(store, 'count/')) {
      const count = (await readOwn(store, `count/${partition}`)) as Count;
      counts.#tallies[partition] = newTally(count);
    }
    return counts;
  }

  /** Values kept in all partitions. */
  get values(): number {
    let sum = 0;
    for (const tally of this.#tallies) sum += tally?.values ?? 0;
    return sum;
  }

  /** Partitions of which something was kept at some time, in ascending order. */
  get partitions(): readonly Partition[] {
    return this.#tallies.flatMap((_, partition) => [partition as Partition]);
  }

  /**
   * Something of this partition is on the disk, though it may never have been counted: a failed sync took
   * the batch that counted it and left a later one (simulator seed 3000279).
   */
  noteKept(partition: Partition): void {
    this.#tallies[partition] ??= newTally(NONE);
  }

  /** At least this many keys of the partition are on the disk. */
  keys(partition: Partition): number {
    const { values, tombstones } = this.#tallies[partition] ?? NONE;
    return values + tombstones;
  }

  /** Keys of the partition that were removed in this life. */
  removed(partition: Partition): number {
    return this.#tallies[partition]?.removed ?? 0;
  }

  /** Records of the partition that were changed in this life. */
  changes(partition: Partition): number {
    return this.#tallies[partition]?.changes ?? 0;
  }

  /** Records that were changed in this life. */
  get changesInAll(): number {
    let changes = 0;
    for (const tally of this.#tallies) changes += tally?.changes ?? 0;
    return changes;
  }

  /** A number that changes whenever a turn of the partition begins or settles. */
  turns(partition: Partition): number {
    return this.#tallies[partition]?.turns ?? 0;
  }

  /** Counts that keys turn from one kind into another; the changes belong into the same batch. */
  turn(partition: Partition, ...keys: readonly KindChange[]): Turn {
    const turned = keys.filter(({ from, to }) => from !== to);
    const tally = this.#tallies[partition] ?? newTally(NONE);
    this.#tallies[partition] = tally;
    const noteChanges = (): void => {
      tally.changes += keys.length;
    };
    if (turned.length === 0) return { changes: [], settle: noteChanges };
    tally.turns += 1;
    tally.underWay += turned.length;
    for (const { from } of turned) add(tally, from, -1);
    tally.written = added(tally, turned);
    tally.removed += turned.filter(({ to }) => to === 'nothing').length;
    return {
      changes: [keepOwn(`count/${partition}`, tally.written)],
      settle: (durable) => {
        tally.underWay -= turned.length;
        tally.turns += 1;
        for (const { from, to } of turned) add(tally, durable ? to : from, 1);
        noteChanges();
      },
    };
  }

  /** Counts that one batch removes so many keys of a partition; more are left. */
  remove(partition: Partition, gone: Count): Turn {
    const tally = this.#tallies[partition] ?? newTally(NONE);
    this.#tallies[partition] = tally;
    tally.turns += 1;
    tally.underWay += 1;
    tally.values -= gone.values;
    tally.tombstones -= gone.tombstones;
    tally.removed += gone.values + gone.tombstones;
    tally.written = countOf(tally);
    return {
      changes: [keepOwn(`count/${partition}`, tally.written)],
      settle: (durable) => {
        tally.underWay -= 1;
        tally.turns += 1;
        tally.changes += gone.values + gone.tombstones;
        if (durable) return;
        tally.values += gone.values;
        tally.tombstones += gone.tombstones;
      },
    };
  }

  /**
   * Counts that one batch removes the last keys of a partition. Keys that were counted and not found
   * count as removed too: nobody is to miss them in a partition that was given up.
   */
  removeLast(partition: Partition, gone: Count): Turn {
    const { settle } = this.remove(partition, gone);
    const tally = this.#tallies[partition] ?? newTally(NONE);
    const missed = countOf(tally);
    tally.removed += missed.values + missed.tombstones;
    tally.written = NONE;
    return {
      changes: [dropOwn(`count/${partition}`)],
      settle: (durable) => {
        settle(durable);
        if (!durable) return;
        tally.values = 0;
        tally.tombstones = 0;
      },
    };
  }

  /**
   * A walk found this many, while nothing turned since `turns` was read: the true count. What brings
   * the disk's up to it, if anything.
   */
  correct(partition: Partition, turns: number, found: Count): readonly Change[] {
    const tally = this.#tallies[partition] ?? newTally(NONE);
    if (tally.turns !== turns || tally.underWay > 0) return [];
    this.#tallies[partition] = tally;
    tally.values = found.values;
    tally.tombstones = found.tombstones;
    if (same(tally.written, found)) return [];
    tally.written = found;
    return [keepOwn(`count/${partition}`, found)];
  }

  /** A walk found fewer keys than were counted: from here on no more than `keys` are expected. */
  lower(partition: Partition, keys: number): readonly Change[] {
    const tally = this.#tallies[partition] ?? newTally(NONE);
    this.#tallies[partition] = tally;
    tally.turns += 1;
    // Those under way are counted again when they are durable, and may have been found already.
    tally.values = Math.max(0, keys - tally.underWay);
    tally.tombstones = 0;
    tally.written = { values: tally.values, tombstones: 0 };
    return [keepOwn(`count/${partition}`, tally.written)];
  }
}

function newTally({ values, tombstones }: Count): Tally {
  const written = { values, tombstones };
  return { values, tombstones, changes: 0, turns: 0, underWay: 0, removed: 0, written };
}

/** What may be on the disk: never below zero, whatever went uncounted before. */
function countOf({ values, tombstones }: Count): Count {
  return { values: Math.max(0, values), tombstones: Math.max(0, tombstones) };
}

function add(tally: Tally, kind: Kind, by: 1 | -1): void {
  if (kind === 'value') tally.values += by;
  if (kind === 'tombstone') tally.tombstones += by;
}

function added({ values, tombstones }: Count, turned: readonly KindChange[]): Count {
  const turnedInto = (kind: Kind): number => turned.filter(({ to }) => to === kind).length;
  return {
    values: values + turnedInto('value'),
    tombstones: tombstones + turnedInto('tombstone'),
  };
}

function same(a: Count, b: Count): boolean {
  return a.values === b.values && a.tombstones === b.tombstones;
}
