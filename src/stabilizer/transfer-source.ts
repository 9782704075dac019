/**
 * The giving end of transfers: tells what this node holds of a partition, and hands out its records,
 * page by page. It speaks for the old set: what a quorum of it acknowledged must be found at the
 * sources, so a copy that may lack records (damaged, or lossy) says so instead of answering.
 */
import type { Epoch, Key, NodeId, Partition } from '../ids.ts';
import type { EpochCheck } from '../membership/epoch-check.ts';
import { BranchDigests } from '../merkle/branch-digests.ts';
import { type LeafDigests, leafOf } from '../merkle/leaf-digests.ts';
import { decodeLeaves, type LeafSet } from '../merkle/leaf-set.ts';
import type { EpochBarrier } from '../replica/epoch-barrier.ts';
import type { KnownContents } from '../replica/known-contents.ts';
import type { LossyPartitions } from '../replica/lossy-partitions.ts';
import type { PartitionScan, Scanned } from '../replica/partition-scan.ts';
import type { Ring } from '../ring/ring.ts';
import type { Handlers, ReplyOf, RequestContext, RequestOf, Served } from '../rpc/messages.ts';
import { refused, served } from '../rpc/served.ts';
import { type Clock, sleep } from '../runtime/clock.ts';
import type { RateLimit } from '../runtime/rate-limit.ts';
import { StoreReadError } from '../storage/store.ts';
import type { UnsoundCopies } from './unsound-copies.ts';

export type TransferHandlers = Pick<
  Handlers,
  'transfer.branches' | 'transfer.digests' | 'transfer.records'
>;

/** Walks through partitions at once; beyond it whoever asks has to come again. */
const MAX_SERVED = 8;
/**
 * A page of records ends when it holds this many, or this many bytes; the first record may be larger. It is
 * stored in one batch: a millisecond or two of work at either end.
 */
const PAGE_RECORDS = 128;
const PAGE_BYTES = 256 * 1024;
/** It ends as well when this many were read: those of leaves that nobody wants cost time, too. */
const MAX_WALKED_BYTES = 8 * 1024 * 1024;
/** Damaged keys whose healing is begun after one walk. */
const MAX_HEALED = 256;

type Page = ReplyOf<'transfer.records'>;

export class TransferSource {
  readonly #self: NodeId;
  readonly #epochs: EpochCheck;
  readonly #barrier: EpochBarrier;
  readonly #scan: Pick<PartitionScan, 'walk'>;
  readonly #contents: KnownContents;
  readonly #lossy: LossyPartitions;
  readonly #rate: RateLimit;
  readonly #clock: Clock;
  readonly #onDamaged: (key: Key) => void;
  readonly #unsound: UnsoundCopies;
  readonly #closing = new AbortController();
  #serving = 0;

  readonly handlers: TransferHandlers = {
    'transfer.branches': (request, context) => this.#branches(request, context),
    'transfer.digests': (request, context) => this.#digests(request, context),
    'transfer.records': (request, context) => this.#records(request, context),
  };

  constructor(options: {
    readonly self: NodeId;
    readonly epochs: EpochCheck;
    readonly barrier: EpochBarrier;
    readonly scan: Pick<PartitionScan, 'walk'>;
    readonly contents: KnownContents;
    readonly lossy: LossyPartitions;
    /** Bytes that may leave; shared with all else that is sent behind client work. */
    readonly rate: RateLimit;
    readonly clock: Clock;
    /** Hears of each key whose record is damaged. */
    readonly onDamaged: (key: Key) => void;
    readonly unsound: UnsoundCopies;
  }) {
    this.#self = options.self;
    this.#epochs = options.epochs;
    this.#barrier = options.barrier;
    this.#scan = options.scan;
    this.#contents = options.contents;
    this.#lossy = options.lossy;
    this.#rate = options.rate;
    this.#clock = options.clock;
    this.#onDamaged = options.onDamaged;
    this.#unsound = options.unsound;
  }

  /** Walks under way. */
  get serving(): number {
    return this.#serving;
  }

  /** Those who wait for their turn are refused. */
  close(): void {
    this.#closing.abort();
  }

  #branches(
    request: RequestOf<'transfer.branches'>,
    context: RequestContext,
  ): Promise<Served<ReplyOf<'transfer.branches'>>> {
    return this.#compare(request, context, (digests) => ({
      branches: BranchDigests.of(digests).encode(),
    }));
  }

  async #digests(
    request: RequestOf<'transfer.digests'>,
    context: RequestContext,
  ): Promise<Served<ReplyOf<'transfer.digests'>>> {
    const leaves = decodeLeaves(request.leaves);
    if (leaves === undefined) return refused('not_ready');
    return this.#compare(request, context, (digests) => ({
      digests: digests.only(leaves).encode(),
    }));
  }

  #compare<Reply>(
    { epoch, partition }: { readonly epoch: Epoch; readonly partition: Partition },
    context: RequestContext,
    tell: (digests: LeafDigests) => Reply,
  ): Promise<Served<Reply>> {
    return this.#serve({ epoch, partition }, context, async (ring) => {
      const { digests, damaged, extent } = await this.#contents.of(partition, ring);
      for (const key of damaged.slice(0, MAX_HEALED)) this.#onDamaged(key);
      if (damaged.length > 0 || extent !== 'whole') return refused('damaged');
      return this.#throttled(tell(digests), 0, context);
    });
  }

  async #records(
    { epoch, partition, leaves: bits, after }: RequestOf<'transfer.records'>,
    context: RequestContext,
  ): ReturnType<TransferHandlers['transfer.records']> {
    const leaves = decodeLeaves(bits);
    if (leaves === undefined) return refused('not_ready');
    return this.#serve({ epoch, partition }, context, async (ring) => {
      const page = await this.#page(ring, partition, leaves, after);
      if (page === 'damaged') return refused('damaged');
      return this.#throttled(page, bytesOf(page.records), context);
    });
  }

  /** Only a replica that the requests of older epochs went to can say what they left behind. */
  async #serve<Reply>(
    { epoch, partition }: { readonly epoch: Epoch; readonly partition: Partition },
    context: RequestContext,
    walk: (ring: Ring) => Promise<Served<Reply>>,
  ): Promise<Served<Reply>> {
    const checked = await this.#epochs.check(epoch, context);
    if (!checked.ok) return checked;
    if (!checked.ring.assignment[partition]?.includes(this.#self)) return refused('not_ready');
    // Where only survivors are left, nobody knows better than this copy what it lost.
    const isAllThatIsLeft = checked.ring.recovering.includes(partition);
    if (this.#lossy.has(partition) && !isAllThatIsLeft) return this.#damaged(partition);
    if (this.#serving >= MAX_SERVED) return refused('overloaded');
    this.#serving += 1;
    try {
      if (!(await this.#olderEpochsAreOver(epoch, context))) return refused('expired');
      const answer = await walk(checked.ring);
      if (answer.ok) this.#unsound.noteSound(partition);
      return !answer.ok && answer.refusal.reason === 'damaged' ? this.#damaged(partition) : answer;
    } catch (error) {
      if (error instanceof StoreReadError) return this.#damaged(partition);
      throw error;
    } finally {
      this.#serving -= 1;
    }
  }

  #damaged(partition: Partition): Served<never> {
    // A walk that the end of this node broke off says nothing of the copy.
    if (this.#closing.signal.aborted) return refused('not_ready');
    this.#unsound.noteDamaged(partition);
    return refused('damaged');
  }

  /** False when the time of the request is up before. */
  async #olderEpochsAreOver(epoch: Epoch, { deadlineMs }: RequestContext): Promise<boolean> {
    if (this.#barrier.isSettledBelow(epoch)) return true;
    const settled = this.#barrier.settledBelow(epoch).then(() => true);
    const over = new AbortController();
    const leftMs = Math.max(0, deadlineMs - this.#clock.monotonicMs());
    const expired = sleep(this.#clock, leftMs, over.signal).then(() => false);
    try {
      return await Promise.race([settled, expired]);
    } finally {
      over.abort();
    }
  }

  /** Damage in a leaf that is not wanted is no concern here: that leaf was sound and equal before. */
  async #page(
    ring: Ring,
    partition: Partition,
    leaves: LeafSet,
    after: Key | undefined,
  ): Promise<Page | 'damaged'> {
    const page = new PageBuilder();
    for await (const walked of this.#scan.walk(partition, after)) {
      for (const scanned of walked) {
        const isWanted = leaves.has(leafOf(ring.tokenOf(scanned.key)));
        if (isWanted && scanned.state === 'damaged') {
          this.#onDamaged(scanned.key);
          return 'damaged';
        }
        page.pass(scanned, isWanted);
        if (page.isFull) return { records: page.records, next: scanned.key };
      }
    }
    return { records: page.records, next: undefined };
  }

  async #throttled<Reply>(
    reply: Reply,
    bytes: number,
    { deadlineMs }: RequestContext,
  ): Promise<Served<Reply>> {
    const inTime = await this.#rate.take(bytes, deadlineMs, this.#closing.signal);
    return inTime ? served(reply) : refused('overloaded');
  }
}

class PageBuilder {
  readonly records: Uint8Array[] = [];
  #bytes = 0;
  #walkedBytes = 0;

  pass(scanned: Scanned, isWanted: boolean): void {
    if (scanned.state === 'damaged') return;
    const { bytes } = scanned.record;
    this.#walkedBytes += bytes.length;
    if (!isWanted) return;
    this.records.push(bytes);
    this.#bytes += bytes.length;
  }

  get isFull(): boolean {
    return (
      this.#bytes >= PAGE_BYTES ||
      this.#walkedBytes >= MAX_WALKED_BYTES ||
      this.records.length === PAGE_RECORDS
    );
  }
}

function bytesOf(records: readonly Uint8Array[]): number {
  return records.reduce((sum, record) => sum + record.length, 0);
}
