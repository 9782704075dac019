/**
 * The slow walk through all records on the disk: verifies each one, and compares what is there with
 * what was counted. LMDB has no checksums: flipped bits in its pages can return wrong bytes, which the
 * records' checksums give away, or hide keys, which only their number does.
 */
import type { Key, Partition } from '../ids.ts';
import { placeOf } from '../storage/keys.ts';
import { type Page, readPage } from '../storage/page.ts';
import type { RecordPlaces } from '../storage/record-places.ts';
import { type Entry, type KeyRange, type Store, StoreReadError } from '../storage/store.ts';
import { keyAfter } from '../storage/store-limits.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import { openSealed } from '../version/record-codec.ts';
import type { KeyCounts } from './key-counts.ts';
import type { LossyPartitions } from './lossy-partitions.ts';

/** Entries read at once; fewer when they are large. */
const PAGE = 32;
/** What one turn reads at most. */
const RECORDS_A_TURN = 500;
const BYTES_A_TURN = 4 * 1024 * 1024;

/** What a partition held when the walk was about to enter it. */
interface Expected {
  readonly keys: number;
  readonly removed: number;
  readonly turns: number;
}

interface Found {
  values: number;
  tombstones: number;
  /** Records of another key than the one that they lie under. */
  misplaced: number;
}

/** What was read, and when the walk goes on. */
interface Step {
  readonly entries: readonly Entry[];
  readonly goesOn: 'now' | 'next turn' | 'never';
}

export class Scrub {
  readonly #store: Store;
  readonly #places: RecordPlaces;
  readonly #counts: KeyCounts;
  readonly #lossy: LossyPartitions;
  readonly #counters: Counters;
  readonly #log: Log;
  readonly #onDamaged: (key: Key) => void;
  /** Where the walk goes on. */
  #next: Uint8Array;
  /** The partition that is read by its own range, because reading on from there failed. */
  #alone: Partition | undefined;
  /** That failed as well, in the turn before. */
  #isDoubted = false;
  /** Where the walk is: partitions below are judged, those above not entered yet. */
  #within: Partition | undefined;
  #found: Found = nothingFound();
  readonly #expected = new Map<Partition, Expected>();

  constructor(options: {
    readonly store: Store;
    readonly places: RecordPlaces;
    readonly counts: KeyCounts;
    readonly lossy: LossyPartitions;
    readonly counters: Counters;
    readonly log: Log;
    /** Hears of each key whose record fails its checksum or lies in the wrong place. */
    readonly onDamaged: (key: Key) => void;
  }) {
    this.#store = options.store;
    this.#places = options.places;
    this.#next = this.#places.all.start;
    this.#counts = options.counts;
    this.#lossy = options.lossy;
    this.#counters = options.counters;
    this.#log = options.log;
    this.#onDamaged = options.onDamaged;
  }

  /** Walks on by some records; a walk that reached the end, or was interrupted, starts again. */
  async turn(): Promise<void> {
    try {
      if (await this.#walkOn()) return;
      await this.#judgeUpTo(undefined);
    } catch (error) {
      this.#startAgain(); // what was read and not judged would be missed
      throw error;
    }
    this.#startAgain();
  }

  /** False at the end. */
  async #walkOn(): Promise<boolean> {
    this.#expectWhatIsAhead();
    let records = 0;
    let bytes = 0;
    while (records < RECORDS_A_TURN && bytes < BYTES_A_TURN) {
      const { entries, goesOn } = await this.#readOn();
      for (const entry of entries) {
        await this.#take(entry);
        bytes += entry.value.length;
      }
      if (goesOn === 'never') return false;
      if (goesOn === 'next turn') return true;
      records += Math.max(1, entries.length);
    }
    return true;
  }

  /**
   * Where reading on fails, partitions are read each by itself: what lies behind the place that cannot be
   * read is not lost. One that fails by itself is read once more in the next turn, and then passed over.
   */
  async #readOn(): Promise<Step> {
    const page = await this.#tryToRead({ start: this.#next, end: this.#rangeEnd });
    if (!(page instanceof StoreReadError)) return this.#stepPast(page);
    if (this.#alone === undefined) return this.#readAlone();
    if (!this.#isDoubted) {
      this.#isDoubted = true; // the error may be a passing one
      return { entries: [], goesOn: 'next turn' };
    }
    this.#log.error(
      'the scrub cannot read all of a partition; what lies there counts as missing; replace this disk',
      { partition: this.#alone, err: page },
    );
    await this.#passOver(this.#alone);
    return { entries: [], goesOn: 'now' };
  }

  #stepPast({ entries, isLast }: Page): Step {
    this.#isDoubted = false;
    const last = entries.at(-1);
    if (last !== undefined) this.#next = keyAfter(last.key);
    if (!isLast) return { entries, goesOn: 'now' };
    if (this.#alone === undefined) return { entries, goesOn: 'never' };
    this.#leave(this.#alone);
    return { entries, goesOn: 'now' };
  }

  /** From the next partition on that is known to hold something, by its own range. */
  #readAlone(): Step {
    const next = this.#counts.partitions
      .map((partition) => ({ partition, range: this.#places.of(partition) }))
      .find(({ range }) => Buffer.compare(range.end, this.#next) > 0);
    if (next === undefined) return { entries: [], goesOn: 'never' };
    const { partition, range } = next;
    if (Buffer.compare(range.start, this.#next) > 0) this.#next = range.start;
    this.#alone = partition;
    return { entries: [], goesOn: 'now' };
  }

  async #tryToRead(range: KeyRange): Promise<Page | StoreReadError> {
    try {
      return await readPage(this.#store, range, PAGE);
    } catch (error) {
      if (error instanceof StoreReadError) return error;
      throw error;
    }
  }

  get #rangeEnd(): Uint8Array {
    return (this.#alone === undefined ? this.#places.all : this.#places.of(this.#alone)).end;
  }

  /** The rest of the partition cannot be read. */
  async #passOver(partition: Partition): Promise<void> {
    await this.#enter(partition);
    await this.#judgeUpTo((partition + 1) as Partition);
    this.#leave(partition);
  }

  #leave(partition: Partition): void {
    this.#next = this.#places.of(partition).end;
    this.#alone = undefined;
    this.#isDoubted = false;
  }

  async #take({ key: place, value }: Entry): Promise<void> {
    const at = placeOf(place);
    if (at === undefined) return;
    await this.#enter(at.partition);
    const record = openSealed(value);
    if (record !== undefined && record.key !== at.key) {
      this.#found.misplaced += 1;
    } else if (record?.tombstone) {
      this.#found.tombstones += 1;
    } else {
      this.#found.values += 1; // what an unreadable one most probably is
    }
    if (record?.key !== at.key) this.#onDamaged(at.key);
  }

  async #enter(partition: Partition): Promise<void> {
    if (partition === this.#within) return;
    await this.#judgeUpTo(partition);
    this.#counts.noteKept(partition);
    this.#within = partition;
  }

  #startAgain(): void {
    this.#next = this.#places.all.start;
    this.#alone = undefined;
    this.#isDoubted = false;
    this.#within = undefined;
    this.#found = nothingFound();
    this.#expected.clear();
  }

  /** Judges the partition that the walk leaves, and those passed over because nothing is left of them. */
  async #judgeUpTo(next: Partition | undefined): Promise<void> {
    for (const [partition, expected] of this.#expected) {
      if (next !== undefined && partition >= next) continue;
      const found = partition === this.#within ? this.#found : nothingFound();
      this.#expected.delete(partition);
      await this.#judge(partition, expected, found);
    }
    this.#found = nothingFound();
  }

  async #judge(partition: Partition, expected: Expected, found: Found): Promise<void> {
    const keys = found.values + found.tombstones;
    const removed = this.#counts.removed(partition) - expected.removed;
    const missing = expected.keys - removed - keys;
    if (missing > 0 || found.misplaced > 0) {
      await this.#reportLoss(partition, missing, Math.max(0, keys - removed));
      return;
    }
    const corrected = this.#counts.correct(partition, expected.turns, found);
    if (corrected.length > 0) await this.#store.batch(corrected);
  }

  async #reportLoss(partition: Partition, missing: number, keys: number): Promise<void> {
    if (missing <= 0 && this.#lossy.has(partition)) return;
    this.#counters.add('records_missing_total', Math.max(1, missing));
    this.#log.error(
      'records are missing from the disk without a trace; in their partition what is not found is asked of the other replicas; replace this disk',
      { partition, missing },
    );
    await this.#store.batch(this.#lossy.mark(partition));
    // Only then: should a full disk refuse the mark, the next walk misses the same keys again.
    await this.#store.batch(this.#counts.lower(partition, keys));
  }

  #expectWhatIsAhead(): void {
    for (const partition of this.#counts.partitions) {
      if (this.#within !== undefined && partition <= this.#within) continue;
      this.#expected.set(partition, {
        keys: this.#counts.keys(partition),
        removed: this.#counts.removed(partition),
        turns: this.#counts.turns(partition),
      });
    }
  }
}

function nothingFound(): Found {
  return { values: 0, tombstones: 0, misplaced: 0 };
}
