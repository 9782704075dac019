/**
 * What partitions hold, for comparing copies while a ring is joint. A partition is compared several
 * times at about the same time, by this node itself and by those that pull from it, and one walk is
 * enough for all of them, as long as little was changed since.
 *
 * A source speaks for what older epochs left behind, so a walk is kept for others only when it began
 * after the last change of those was over. What changes later reaches the new replicas by itself; that a
 * walk does not show it costs a leaf that is sent again. A walk proves nothing for long, since a disk may
 * lose records without a trace.
 */
import type { Epoch, Partition } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import type { Clock } from '../runtime/clock.ts';
import type { EpochBarrier } from './epoch-barrier.ts';
import type { KeyCounts } from './key-counts.ts';
import type { LossyPartitions } from './lossy-partitions.ts';
import type { PartitionContents, PartitionScan } from './partition-scan.ts';

/** Partitions kept, a few kilobytes each. */
const MAX_KEPT = 512;
/** How long a walk is kept, from its end, milliseconds: the largest takes longer than this. */
const MAX_AGE_MS = 2_000;
/** Records that may have changed since: of 256 leaves this many are sent again at the most. */
const MAX_CHANGES = 4;

interface Walked {
  readonly contents: Promise<PartitionContents>;
  /** Monotonic; `undefined` while the walk goes on. */
  endedMs: number | undefined;
  /** What was counted when it began. */
  readonly changes: number;
  readonly removed: number;
  readonly marks: number;
}

export class KnownContents {
  readonly #scan: Pick<PartitionScan, 'contents'>;
  readonly #barrier: Pick<EpochBarrier, 'isSettledBelow'>;
  readonly #counts: Pick<KeyCounts, 'changes' | 'removed'>;
  readonly #lossy: Pick<LossyPartitions, 'marks'>;
  readonly #clock: Clock;
  #epoch: Epoch | undefined;
  /** In the order of the walks. */
  readonly #walked = new Map<Partition, Walked>();

  constructor(options: {
    readonly scan: Pick<PartitionScan, 'contents'>;
    readonly barrier: Pick<EpochBarrier, 'isSettledBelow'>;
    readonly counts: Pick<KeyCounts, 'changes' | 'removed'>;
    readonly lossy: Pick<LossyPartitions, 'marks'>;
    readonly clock: Clock;
  }) {
    this.#scan = options.scan;
    this.#barrier = options.barrier;
    this.#counts = options.counts;
    this.#lossy = options.lossy;
    this.#clock = options.clock;
  }

  /** What the partition holds, by the tokens of `ring`, or held a few changes ago under the same ring. */
  of(partition: Partition, ring: Pick<Ring, 'epoch' | 'tokenOf'>): Promise<PartitionContents> {
    if (ring.epoch !== this.#epoch) this.#walked.clear();
    this.#epoch = ring.epoch;
    const known = this.#walked.get(partition);
    if (known !== undefined && this.#isFresh(partition, known)) return known.contents;
    return this.#walk(partition, ring);
  }

  #isFresh(partition: Partition, { endedMs, changes, removed, marks }: Walked): boolean {
    const nowMs = this.#clock.monotonicMs();
    return (
      nowMs <= (endedMs ?? nowMs) + MAX_AGE_MS &&
      this.#counts.changes(partition) <= changes + MAX_CHANGES &&
      this.#counts.removed(partition) === removed &&
      this.#lossy.marks(partition) === marks
    );
  }

  #walk(partition: Partition, ring: Pick<Ring, 'epoch' | 'tokenOf'>): Promise<PartitionContents> {
    const isForAll = this.#barrier.isSettledBelow(ring.epoch);
    const changes = this.#counts.changes(partition);
    const removed = this.#counts.removed(partition);
    const marks = this.#lossy.marks(partition);
    const contents = this.#scan.contents(partition, ring);
    this.#walked.delete(partition);
    if (!isForAll) return contents;
    const walked: Walked = { contents, endedMs: undefined, changes, removed, marks };
    this.#walked.set(partition, walked);
    for (const oldest of this.#walked.keys()) {
      if (this.#walked.size <= MAX_KEPT) break;
      this.#walked.delete(oldest);
    }
    // Damage is healed soon, and a walk that failed is tried again: neither is worth remembering.
    const forget = (): void => {
      if (this.#walked.get(partition) === walked) this.#walked.delete(partition);
    };
    contents.then(({ damaged, extent }) => {
      walked.endedMs = this.#clock.monotonicMs();
      if (damaged.length > 0 || extent !== 'whole') forget();
    }, forget);
    return contents;
  }
}
