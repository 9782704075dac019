/**
 * One partition's pull under one joint ring: from enough replicas of the old set to have met every
 * acknowledged write (n-q+1, or all of them where only survivors are left). Each source is compared
 * leaf by leaf, and what differs is fetched page by page; after an error it goes on behind the last page
 * that was stored. Afresh compared for each source: what one brought, the next need not bring again.
 *
 * A copy that lost records without a trace is whole again at the end: it takes all that the sources hold,
 * compared with nothing, when they hold all that it ever acknowledged. Should a loss be found in the
 * meantime, what was pulled before may be what was lost, and is pulled again.
 */
import type { Key, NodeId, Partition } from '../ids.ts';
import type { Membership } from '../membership/membership.ts';
import { leafOf } from '../merkle/leaf-digests.ts';
import { ALL_LEAVES, encodeLeaves } from '../merkle/leaf-set.ts';
import type { KnownContents } from '../replica/known-contents.ts';
import type { LossyPartitions } from '../replica/lossy-partitions.ts';
import type { PartitionContents } from '../replica/partition-scan.ts';
import type { Replica } from '../replica/replica.ts';
import { pullsNeeded } from '../ring/pulls.ts';
import type { ReplicaSet } from '../ring/replica-set.ts';
import type { Ring } from '../ring/ring.ts';
import type { ReplyOf, RequestOf } from '../rpc/messages.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { StoreFullError, unlessFull } from '../storage/store.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import { openSealed, type SealedRecord } from '../version/record-codec.ts';
import type { Pacing } from './pacing.ts';
import { type ComparisonRequest, differenceFrom } from './partition-comparison.ts';

export interface PullPorts {
  readonly self: NodeId;
  readonly membership: Pick<Membership, 'ring' | 'isReachable' | 'adopt'>;
  readonly transport: Pick<Transport, 'call'>;
  readonly replica: Pick<Replica, 'applyAll' | 'space' | 'removalOver'>;
  readonly contents: KnownContents;
  readonly lossy: LossyPartitions;
  readonly pacing: Pick<Pacing, 'restAfter'>;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
  /** Hears of each key whose own record is damaged. */
  readonly onDamaged: (key: Key) => void;
}

/** Where a source is read on. */
interface Cursor {
  readonly leaves: Uint8Array;
  /** Records that the source said to hold and did not send yet, by leaf. */
  readonly owed: Map<number, number>;
  /** How often the own copy had been marked as lossy when it was compared. */
  readonly marks: number;
  after: Key | undefined;
  /** Something could not be stored, because the own copy of it is damaged. */
  refusedHere: boolean;
}

/**
 * How long a source may take over an answer, milliseconds: at first no longer than a lost message is worth,
 * then twice as long each time, up to a walk through the largest partition.
 */
const FIRST_TIMEOUT_MS = 2_000;
const LAST_TIMEOUT_MS = 60_000;
/** How often a call under way looks whether its answer is still of use, milliseconds. */
const WATCH_EVERY_MS = 1_000;

export class PartitionPull {
  readonly partition: Partition;
  /** Bytes of the records that were stored. */
  bytes = 0;
  readonly #ports: PullPorts;
  readonly #ring: Ring;
  readonly #old: ReplicaSet;
  readonly #cursors = new Map<NodeId, Cursor>();
  /** Sources that did not answer when they were asked last, or refused because of what they are busy with. */
  readonly #unavailable = new Set<NodeId>();
  /** How long each source may take; absent: the first time. Milliseconds. */
  readonly #timeouts = new Map<NodeId, number>();
  /** Sources that had nothing more to bring: how often the own copy was marked as lossy before. */
  readonly #merged = new Map<NodeId, number>();
  /** The same of this node as a source for itself: in the old set, with a sound copy. */
  #ownCountsAt: number | undefined;

  constructor(ports: PullPorts, ring: Ring, partition: Partition) {
    this.#ports = ports;
    this.#ring = ring;
    this.partition = partition;
    this.#old = ring.assignment[partition] ?? [];
  }

  /**
   * Pulls from the sources that answer now and are not `resting`; `onFailed` hears of each that
   * brought nothing to its end, and whether that is for reasons of this partition alone: that copy of it, or
   * the own one, is damaged. True when it was enough, counting earlier tries. `signal` ends it early.
   */
  async attempt(
    resting: (source: NodeId) => boolean,
    onFailed: (source: NodeId, isAvailable: boolean) => void,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { self, membership, replica } = this.#ports;
    if (replica.space === 'exhausted') return false; // whatever is sent could not be kept
    const isOld = this.#old.includes(self);
    if (!this.#othersCanTell) return false;
    for (const source of this.#sources) {
      // A comparison walks through the own copy anyway; it is looked at alone where only it is missing.
      if (isOld && this.#needs === 1 && !this.#ownCounts) await this.#lookAtOwn();
      if (this.#isEnough) break;
      // Again for each source: a loss that is found on the way is as young.
      if (!this.#isCurrent || !this.#othersCanTell || signal.aborted) return false;
      if (this.#isMerged(source)) continue;
      if (resting(source) || !membership.isReachable(source)) continue;
      this.#unavailable.delete(source);
      const marks = await this.#pullFrom(source, signal);
      if (marks === undefined) onFailed(source, !this.#unavailable.has(source));
      else this.#merged.set(source, marks);
    }
    if (isOld && this.#needs === 1 && !this.#ownCounts) await this.#lookAtOwn();
    if (this.#isEnough) await this.#liftMark();
    return this.isDone;
  }

  /** Whether this copy holds all that the old set acknowledged, and may answer for it. */
  get isDone(): boolean {
    return this.#isEnough && !this.#ports.lossy.has(this.partition);
  }

  /**
   * The other old replicas, in the order in which they are asked. Those that leave are among the first that
   * are enough: what they alone acknowledged, at level one, would go with them. But not before the others of
   * those, so that not everybody takes everything from one.
   */
  get #sources(): readonly NodeId[] {
    const { self } = this.#ports;
    const others = this.#old.filter((source) => source !== self);
    const leaves = (source: NodeId): boolean => this.#ring.member(source)?.leaving === 'asked';
    const leaving = others.filter(leaves);
    const staying = others.filter((source) => !leaves(source));
    const enough =
      pullsNeeded(this.#ring, this.partition) - (others.length < this.#old.length ? 1 : 0);
    const before = Math.max(0, enough - leaving.length);
    return [...staying.slice(0, before), ...leaving, ...staying.slice(before)];
  }

  /** Whether what this copy acknowledged and lost has reached the others by now. */
  get #othersCanTell(): boolean {
    const { lossy, clock } = this.#ports;
    return lossy.othersCanTell(this.partition, clock.monotonicMs());
  }

  get #isEnough(): boolean {
    return this.#isCurrent && this.#needs <= (this.#ownCounts ? 1 : 0);
  }

  /** Sources that are missing still; this node may be one of them. */
  get #needs(): number {
    const merged = this.#old.filter((source) => this.#isMerged(source));
    return pullsNeeded(this.#ring, this.partition) - merged.length;
  }

  /**
   * Whether nobody else could bring what this copy lost: the other survivors have brought what they have.
   * What it holds is what is left then.
   */
  get #isLastToCount(): boolean {
    return this.#ring.recovering.includes(this.partition) && this.#needs === 1;
  }

  /** What was brought before a loss was found may be lost again. */
  #isMerged(source: NodeId): boolean {
    return this.#merged.get(source) === this.#marks;
  }

  get #ownCounts(): boolean {
    return this.#ownCountsAt === this.#marks;
  }

  /** How often the own copy was marked as lossy. */
  get #marks(): number {
    return this.#ports.lossy.marks(this.partition);
  }

  /** A lossy copy is no source for itself: where it has enough, others brought it. */
  async #liftMark(): Promise<void> {
    const { lossy } = this.#ports;
    if (!lossy.has(this.partition)) return;
    await lossy.lift(this.partition, this.#marks).catch(unlessFull); // or when there is room again
  }

  /** A session dies with its epoch: under another ring all is compared again. */
  get #isCurrent(): boolean {
    return this.#ports.membership.ring === this.#ring;
  }

  async #lookAtOwn(): Promise<PartitionContents> {
    const { self, replica, contents: known, lossy, onDamaged } = this.#ports;
    // The ring before may have left the partition to others: what is on its way out is not held.
    await replica.removalOver(this.partition);
    const marks = this.#marks;
    const contents = await known.of(this.partition, this.#ring);
    const isWhole = !lossy.has(this.partition) || this.#isLastToCount;
    const isSound = contents.extent === 'whole' && contents.damaged.length === 0 && isWhole;
    this.#ownCountsAt = isSound && this.#old.includes(self) ? marks : undefined;
    for (const key of contents.damaged) onDamaged(key);
    return contents;
  }

  /**
   * The number of marks of the own copy before, when all that the source holds is on this disk;
   * `undefined` when it is not.
   */
  async #pullFrom(source: NodeId, signal: AbortSignal): Promise<number | undefined> {
    const { clock, pacing } = this.#ports;
    let startedMs = clock.monotonicMs();
    const cursor = this.#cursors.get(source) ?? (await this.#compare(source));
    if (cursor === undefined || !this.#isCurrent) return undefined;
    this.#cursors.set(source, cursor);
    for (;;) {
      await pacing.restAfter(startedMs, signal);
      if (!this.#isCurrent || signal.aborted) return undefined;
      startedMs = clock.monotonicMs();
      const page = await this.#page(source, cursor);
      // The ring may have changed while the answer was on its way: the partition may be others' by now.
      if (page === undefined || !this.#isCurrent) return undefined;
      if (!(await this.#store(source, cursor, page.records))) return undefined;
      if (page.next === undefined) {
        this.#cursors.delete(source);
        await pacing.restAfter(startedMs, signal);
        return cursor.refusedHere || cursor.owed.size > 0 ? undefined : cursor.marks;
      }
      cursor.after = page.next;
    }
  }

  async #compare(source: NodeId): Promise<Cursor | undefined> {
    const { partition } = this;
    const { epoch } = this.#ring;
    const marks = this.#marks;
    const cursor = { marks, after: undefined, refusedHere: false };
    if (this.#ports.lossy.has(partition)) {
      await this.#lookAtOwn();
      return { ...cursor, leaves: encodeLeaves(ALL_LEAVES), owed: new Map() };
    }
    const own = this.#lookAtOwn().then(({ digests }) => digests);
    const found = await differenceFrom(own, { epoch, partition }, (request) =>
      this.#ask(source, request),
    );
    if (found === 'no answer') return undefined;
    if (found === 'unreadable') return this.#distrust(source, 'digests that cannot be read');
    const { leaves, theirCounts } = found;
    return { ...cursor, leaves: encodeLeaves(leaves), owed: new Map(theirCounts) };
  }

  /** The next page of the source's records. */
  async #page(
    source: NodeId,
    { leaves, after }: Cursor,
  ): Promise<ReplyOf<'transfer.records'> | undefined> {
    if (leaves.every((bits) => bits === 0)) return { records: [], next: undefined };
    const { partition } = this;
    const { epoch } = this.#ring;
    const request = { type: 'transfer.records', epoch, partition, leaves, after } as const;
    const page = await this.#ask<'transfer.records'>(source, request);
    if (page?.next !== undefined && after !== undefined && !isBehind(page.next, after)) {
      return this.#distrust(source, 'a page that leads back');
    }
    return page;
  }

  /** True when the whole page is on disk, but for records of which the own copy is damaged. */
  async #store(source: NodeId, cursor: Cursor, page: readonly Uint8Array[]): Promise<boolean> {
    if (this.#ports.replica.space === 'exhausted') return false;
    const records = page.map(openSealed);
    if (!this.#canBeStored(records)) {
      this.#distrust(source, 'a record that is damaged, of another partition, or there twice');
      return false;
    }
    const applied = await this.#apply(records);
    if (applied === 'full') return false;
    if (applied === 'damaged') cursor.refusedHere = true;
    for (const { key } of records) this.#settleDebt(cursor, leafOf(this.#ring.tokenOf(key)));
    return true;
  }

  /** A source whose disk lost something since it was walked through sends fewer than it said. */
  #settleDebt({ owed }: Cursor, leaf: number): void {
    const left = (owed.get(leaf) ?? 0) - 1;
    if (left > 0) owed.set(leaf, left);
    else owed.delete(leaf);
  }

  async #apply(records: readonly SealedRecord[]): Promise<'held' | 'damaged' | 'full'> {
    const { replica, counters, onDamaged } = this.#ports;
    try {
      const damaged = await replica.applyAll(this.partition, records);
      for (const key of damaged) onDamaged(key);
      const held = records.filter(({ key }) => !damaged.has(key));
      const bytes = held.reduce((sum, record) => sum + record.bytes.length, 0);
      this.bytes += bytes;
      counters.add('transfer_records_total', held.length);
      counters.add('transfer_bytes_total', bytes);
      return damaged.size > 0 ? 'damaged' : 'held';
    } catch (error) {
      if (error instanceof StoreFullError) return 'full';
      throw error;
    }
  }

  #canBeStored(records: readonly (SealedRecord | undefined)[]): records is SealedRecord[] {
    const keys = new Set(records.map((record) => record?.key));
    return (
      keys.size === records.length &&
      records.every((record) => record && this.#ring.partitionOf(record.key) === this.partition)
    );
  }

  /** `undefined` when the source refused, does not answer any more, or need not be asked any more. */
  async #ask<Type extends ComparisonRequest | 'transfer.records'>(
    source: NodeId,
    request: RequestOf<Type>,
  ): Promise<ReplyOf<Type> | undefined> {
    if (!this.#isCurrent) return undefined;
    const { transport, membership, log } = this.#ports;
    const timeoutMs = this.#timeouts.get(source) ?? FIRST_TIMEOUT_MS;
    const call = transport.call<Type>(source, request, { timeoutMs, traffic: 'transfer' });
    const answer = await this.#whileOfUse(source, call);
    if (answer?.ok) return answer.reply;
    if (answer?.failure === 'timeout')
      this.#timeouts.set(source, Math.min(2 * timeoutMs, LAST_TIMEOUT_MS));
    const why = answer?.failure === 'refused' ? answer.refusal.reason : answer?.failure;
    if (why !== 'damaged') this.#unavailable.add(source);
    const { partition } = this;
    log.debug('a source of a transfer did not answer', { source, partition, why });
    if (answer?.failure === 'refused' && answer.refusal.ring !== undefined) {
      await membership.adopt(answer.refusal.ring);
    }
    return undefined;
  }

  /** What `call` resolves to; `undefined` soon after the source counts as silent, or the epoch is over. */
  #whileOfUse<Result>(source: NodeId, call: Promise<Result>): Promise<Result | undefined> {
    const { clock, membership } = this.#ports;
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#isCurrent && membership.isReachable(source))
          timer = clock.schedule(WATCH_EVERY_MS, look);
        else resolve(undefined);
      };
      let timer = clock.schedule(WATCH_EVERY_MS, look);
      call.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  #distrust(source: NodeId, what: string): undefined {
    const { partition } = this;
    this.#ports.log.error('a source of a transfer sent what cannot be used', {
      source,
      partition,
      what,
    });
    return undefined;
  }
}

function isBehind(key: Key, other: Key): boolean {
  return Buffer.compare(Buffer.from(key, 'utf8'), Buffer.from(other, 'utf8')) > 0;
}
