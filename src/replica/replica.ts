/**
 * The copies that this node keeps. Every change of a record, whoever asks for it (a client's write,
 * read repair, later hints and transfers), goes through `apply`; only a damaged record is replaced by
 * `heal`, which has a rule of its own.
 */

import type { Key, Partition } from '../ids.ts';
import { invariant } from '../invariant.ts';
import type { Clock } from '../runtime/clock.ts';
import { dropOwn } from '../storage/own-state.ts';
import { readPage } from '../storage/page.ts';
import type { RecordPlaces } from '../storage/record-places.ts';
import {
  type Change,
  type Space,
  type Store,
  StoreFullError,
  StoreReadError,
  unlessFull,
} from '../storage/store.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import { conflicts, merge } from '../version/merge.ts';
import { openSealed, type SealedRecord } from '../version/record-codec.ts';
import type { Version } from '../version/version.ts';
import type { DamageTicket, HealGuard } from './heal-guard.ts';
import type { KeyCounts, Kind } from './key-counts.ts';
import { KeyQueue } from './key-queue.ts';
import type { LossyPartitions } from './lossy-partitions.ts';

/**
 * What lies under a key. `damaged` is a failed answer, never "nothing": a record that fails its
 * checksum, or an absence that proves nothing because records of the partition went missing.
 */
export type Held =
  | { readonly state: 'record'; readonly record: SealedRecord }
  | { readonly state: 'nothing' }
  | { readonly state: 'damaged'; readonly cause: 'unsound' | 'missing' };

/** What became of a record: `held` when it, or a higher version, is on disk. */
export type Applied =
  | { readonly state: 'held'; readonly version: Version }
  | { readonly state: 'damaged' };

/** What a step of a removal did: there is `more`, that was `all`, or the partition is `kept` after all. */
export type Discarded = 'more' | 'all' | 'kept';

/** A record that is to be kept, in place of what was there. */
interface Survivor {
  readonly record: SealedRecord;
  readonly before: Kind;
}

/** What is kept, and when it is on disk. */
type Submitted = Pick<Pending, 'record' | 'durable'> | 'damaged';

/** A record on its way to the disk. Reads do not see it; writes of the same key must. */
interface Pending {
  readonly record: SealedRecord;
  readonly durable: Promise<void>;
  /** Resolves when nothing of the key is on its way any more, as far as this record knows. */
  readonly done: Promise<void>;
}

const UNSOUND: Held = { state: 'damaged', cause: 'unsound' };
const MISSING: Held = { state: 'damaged', cause: 'missing' };
const ON_DISK = Promise.resolve();

/** Surplus records that one batch removes; fewer when they are large. */
const DISCARDED_AT_ONCE = 256;

/** Applies under way at once; beyond it the replica says that it is overloaded. */
const MAX_APPLIES = 8_192;

export class Replica {
  readonly #store: Store;
  readonly #places: RecordPlaces;
  readonly #counts: KeyCounts;
  readonly #lossy: LossyPartitions;
  readonly #counters: Counters;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #guard: HealGuard;
  readonly #queue = new KeyQueue();
  readonly #pending = new Map<Key, Pending>();
  /** Partitions of which surplus records are being removed: the end of the step under way. */
  readonly #removals = new Map<Partition, Promise<void>>();
  #applies = 0;
  #servedMs = Number.NEGATIVE_INFINITY;
  #space: Space = 'ample';

  constructor(options: {
    readonly store: Store;
    readonly places: RecordPlaces;
    readonly counts: KeyCounts;
    readonly lossy: LossyPartitions;
    readonly guard: HealGuard;
    readonly counters: Counters;
    readonly log: Log;
    readonly clock: Clock;
  }) {
    this.#store = options.store;
    this.#places = options.places;
    this.#clock = options.clock;
    this.#counts = options.counts;
    this.#lossy = options.lossy;
    this.#guard = options.guard;
    this.#counters = options.counters;
    this.#log = options.log;
  }

  /** Values kept, over all partitions. A healed copy whose kind was misread is put right by the next scrub. */
  get values(): number {
    return Math.max(0, this.#counts.values);
  }

  /** When a record was read or written last for somebody who waits for it, monotonic. */
  get servedMs(): number {
    return this.#servedMs;
  }

  /** Applies under way. */
  get applies(): number {
    return this.#applies;
  }

  /** Keys with steps that wait or run. */
  get queuedKeys(): number {
    return this.#queue.size;
  }

  /** Keys with a record on its way to the disk. */
  get unsyncedKeys(): number {
    return this.#pending.size;
  }

  get overloaded(): boolean {
    return this.#applies >= MAX_APPLIES;
  }

  /** Room on the disk as of the last `refreshSpace`. */
  get space(): Space {
    return this.#space;
  }

  async refreshSpace(): Promise<void> {
    const space = await this.#store.space();
    if (space !== this.#space) {
      const fields = { before: this.#space, now: space };
      if (space === 'ample') this.#log.info('there is room on the disk again', fields);
      else this.#log.error('the disk is nearly full; free some space or grow it', fields);
    }
    this.#space = space;
  }

  /** The next writes are to hear at once, in phase 1, that there is no room. */
  #refreshSpaceSoon(): void {
    this.refreshSpace().catch((error: unknown) => {
      this.#log.error('the room on the disk could not be told', { err: error });
    });
  }

  /** What is on disk under `key`, synced and verified. */
  async read(partition: Partition, key: Key): Promise<Held> {
    this.#servedMs = this.#clock.monotonicMs();
    await this.#removals.get(partition);
    const held = await this.#load(partition, key);
    if (held.state === 'damaged' && held.cause === 'unsound') this.#reportDamage(partition, key);
    return held;
  }

  /** For who is told that a copy here is damaged, and heals it. */
  ticket(): DamageTicket {
    return this.#guard.ticket();
  }

  /**
   * `read` for a request that counts what it is told with what others tell, until `deadlineMs` (monotonic):
   * no healing by those who were asked before that goes below it.
   */
  async tell(partition: Partition, key: Key, deadlineMs: number): Promise<Held> {
    const held = await this.read(partition, key);
    if (held.state !== 'record') return held;
    // A read must go on where the disk is full, though a next life may heal too early then.
    await this.#guard.expect(deadlineMs).catch(unlessFull);
    this.#guard.noteTold(key, held.record.version, deadlineMs);
    return held;
  }

  /**
   * Keeps the merge of `record` and what is held; resolves when that is on disk. A damaged record
   * could have been newer than this one and acknowledged, so it is not overwritten here.
   * No healing by those who were asked before `deadlineMs` (monotonic), when the request that brought it
   * ends, goes below it.
   * @throws StoreFullError, StoreFailedError
   */
  async apply(partition: Partition, record: SealedRecord, deadlineMs: number): Promise<Applied> {
    this.#applies += 1;
    this.#servedMs = this.#clock.monotonicMs();
    try {
      await this.#guard.expect(deadlineMs);
      await this.#removals.get(partition);
      // Only the decision waits its turn. The syncs of one key's writes overlap: the store makes
      // batches durable in the order in which they were handed over.
      const [submitted] = await this.#queue.run(record.key, () =>
        this.#submit(partition, [record]),
      );
      if (submitted === undefined || submitted === 'damaged') return { state: 'damaged' };
      await submitted.durable;
      const { version } = submitted.record;
      this.#lossy.noteAcknowledged(deadlineMs);
      this.#guard.noteTold(record.key, version, deadlineMs);
      return { state: 'held', version };
    } finally {
      this.#applies -= 1;
    }
  }

  /**
   * `apply` for records of different keys of one partition, in one batch, for what no client waits for.
   * Returns the keys whose own records are damaged, and were left alone.
   * @throws StoreFullError when not all of it is on disk, or StoreFailedError
   */
  async applyAll(
    partition: Partition,
    records: readonly SealedRecord[],
  ): Promise<ReadonlySet<Key>> {
    this.#applies += records.length;
    try {
      await this.#removals.get(partition);
      const keys = records.map(({ key }) => key);
      const submitted = await this.#queue.runAll(keys, () => this.#submit(partition, records));
      for (const each of submitted) if (each !== 'damaged') await each.durable;
      return new Set(keys.filter((_, index) => submitted[index] === 'damaged'));
    } finally {
      this.#applies -= records.length;
    }
  }

  /**
   * Replaces a damaged record by what the other replicas hold together: `merged` came from n-q+1 of
   * them, asked after the `ticket` was given, so it is at least as new as anything acknowledged whose request
   * was over then. A key that is not damaged (any more) is left to `apply`. False when a newer write may have
   * been acknowledged here that the others did not hold yet: the record stays damaged until a later healing.
   */
  async heal(
    partition: Partition,
    key: Key,
    merged: SealedRecord | undefined,
    ticket: DamageTicket,
    deadlineMs: number,
  ): Promise<boolean> {
    invariant(merged === undefined || merged.key === key, 'a record of the key that is healed');
    await this.#removals.get(partition);
    const result = await this.#queue.run(key, () => this.#healNow(partition, key, merged, ticket));
    if (result === 'sound' && merged !== undefined) await this.apply(partition, merged, deadlineMs);
    if (result === 'healed') {
      this.#counters.add('records_healed_total');
      this.#log.info('a damaged record was healed from other replicas', { partition });
    }
    return result !== 'too old';
  }

  /**
   * Removes some records of a partition that this node does not keep any more. `isSurplus` is asked at
   * the moment that the removal begins. Should the node become a replica again meanwhile, requests
   * wait for the end of the step: a record that they are told is held must not vanish afterwards.
   * @throws StoreFullError, StoreReadError, StoreFailedError
   */
  async discard(partition: Partition, isSurplus: () => boolean): Promise<Discarded> {
    if (!isSurplus()) return 'kept';
    const step = this.#removeSome(partition);
    const over = step.then(
      () => undefined,
      () => undefined,
    );
    this.#removals.set(partition, over);
    try {
      return await step;
    } finally {
      this.#removals.delete(partition);
    }
  }

  /** Resolves when no step of a removal of the partition is under way: what is read then stays. */
  async removalOver(partition: Partition): Promise<void> {
    await this.#removals.get(partition);
  }

  async #removeSome(partition: Partition): Promise<Discarded> {
    const range = this.#places.of(partition);
    const { entries, isLast } = await readPage(this.#store, range, DISCARDED_AT_ONCE);
    const tombstones = entries.filter(({ value }) => openSealed(value)?.tombstone).length;
    const gone = { values: entries.length - tombstones, tombstones };
    const turn = isLast
      ? this.#counts.removeLast(partition, gone)
      : this.#counts.remove(partition, gone);
    let durable = false;
    try {
      await this.#store.batch([
        ...entries.map(({ key }) => ({ type: 'delete', key }) as const),
        ...turn.changes,
        ...(isLast ? [dropOwn(`lossy/${partition}`)] : []),
      ]);
      durable = true;
    } finally {
      turn.settle(durable);
    }
    if (!isLast) return 'more';
    this.#lossy.forget(partition);
    return 'all';
  }

  async #healNow(
    partition: Partition,
    key: Key,
    merged: SealedRecord | undefined,
    ticket: DamageTicket,
  ): Promise<'sound' | 'healed' | 'too old'> {
    const held = await this.#newest(partition, key);
    if (held.state !== 'damaged') return 'sound';
    if (!this.#guard.permits(key, merged?.version, ticket)) return 'too old';
    // A damaged record was counted as the value that it probably was.
    const before = held.cause === 'unsound' ? 'value' : 'nothing';
    await this.#replace(partition, key, merged, before);
    if (merged === undefined) this.#lossy.proveAbsent(key);
    return 'healed';
  }

  async #submit(
    partition: Partition,
    records: readonly SealedRecord[],
  ): Promise<readonly Submitted[]> {
    const decided: (Survivor | Submitted)[] = [];
    for (const record of records) decided.push(await this.#decide(partition, record));
    const survivors = decided.filter(isSurvivor);
    const durable = survivors.length > 0 ? this.#write(partition, survivors) : ON_DISK;
    return decided.map((each) => (isSurvivor(each) ? { record: each.record, durable } : each));
  }

  /** What survives, `record` or what is held; the latter may be on its way to the disk still. */
  async #decide(partition: Partition, record: SealedRecord): Promise<Survivor | Submitted> {
    const pending = this.#pending.get(record.key);
    const held = await this.#newest(partition, record.key);
    if (held.state === 'damaged') return 'damaged';
    if (held.state === 'nothing') return { record, before: 'nothing' };

    if (conflicts(held.record, record)) this.#reportConflict(held.record);
    const survives = merge(held.record, record) === record;
    if (survives) return { record, before: kindOf(held.record) };
    return pending ?? { record: held.record, durable: ON_DISK };
  }

  /** Including what is still on its way to the disk. */
  async #newest(partition: Partition, key: Key): Promise<Held> {
    const pending = this.#pending.get(key);
    if (pending !== undefined) return { state: 'record', record: pending.record };
    return this.#load(partition, key);
  }

  /** In one batch; resolves when it is on disk. */
  #write(partition: Partition, survivors: readonly Survivor[]): Promise<void> {
    const turn = this.#counts.turn(
      partition,
      ...survivors.map(({ record, before }) => ({ from: before, to: kindOf(record) })),
    );
    const durable = this.#store.batch([
      ...survivors.map(({ record }) => this.#put(partition, record)),
      ...turn.changes,
    ]);
    const settled = durable.then(
      () => turn.settle(true),
      (error: unknown) => {
        turn.settle(false);
        if (error instanceof StoreFullError) this.#refreshSpaceSoon();
        throw error;
      },
    );
    for (const { record } of survivors) this.#keepPending(record, durable, settled);
    return durable;
  }

  #put(partition: Partition, { key, bytes }: SealedRecord): Change {
    return { type: 'put', key: this.#places.at(partition, key), value: bytes };
  }

  /** The record is on its way to the disk. */
  #keepPending(record: SealedRecord, durable: Promise<void>, settled: Promise<void>): void {
    const { key } = record;
    this.#lossy.noteStored(key);
    // A batch that is refused for want of room may overtake those before it. Until they are on disk,
    // the disk does not show yet what the key holds.
    const earlier = this.#pending.get(key)?.done;
    const done = settled.catch(() => earlier);
    const pending: Pending = { record, durable, done };
    this.#pending.set(key, pending);
    void done.then(() => {
      if (this.#pending.get(key) === pending) this.#pending.delete(key);
    });
  }

  async #replace(
    partition: Partition,
    key: Key,
    merged: SealedRecord | undefined,
    before: Kind,
  ): Promise<void> {
    const turn = this.#counts.turn(partition, { from: before, to: kindOf(merged) });
    const at = this.#places.at(partition, key);
    let durable = false;
    try {
      await this.#store.batch([
        merged === undefined
          ? { type: 'delete', key: at }
          : { type: 'put', key: at, value: merged.bytes },
        ...turn.changes,
      ]);
      durable = true;
    } finally {
      turn.settle(durable);
    }
  }

  async #load(partition: Partition, key: Key): Promise<Held> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.#store.get(this.#places.at(partition, key));
    } catch (error) {
      if (error instanceof StoreReadError) return UNSOUND;
      throw error;
    }
    if (bytes === undefined) {
      return this.#lossy.mayMiss(partition, key) ? MISSING : { state: 'nothing' };
    }
    const record = openSealed(bytes);
    // A sound record of another key lies in the wrong place: a misdirected write or read.
    if (record === undefined || record.key !== key) return UNSOUND;
    return { state: 'record', record };
  }

  #reportDamage(partition: Partition, key: Key): void {
    this.#counters.add('records_damaged_total');
    this.#log.warn(
      'a record failed its checksum; it is healed from other replicas when it is read',
      {
        partition,
        key: key.slice(0, 64),
      },
    );
  }

  #reportConflict(record: SealedRecord): void {
    this.#counters.add('records_conflicting_total');
    this.#log.error('two different records carry one version; a node may run twice', {
      key: record.key.slice(0, 64),
      version: record.version,
    });
  }
}

function kindOf(record: SealedRecord | undefined): Kind {
  if (record === undefined) return 'nothing';
  return record.tombstone ? 'tombstone' : 'value';
}

function isSurvivor(each: Survivor | Submitted): each is Survivor {
  return each !== 'damaged' && 'before' in each;
}
