/**
 * A walk through the records of one partition, page by page in key order. Each record is verified: one
 * that fails its checksum, or lies under the key of another, is shown as damaged and never passed over,
 * because a comparison that left it out would take its absence for the truth.
 */
import type { Key, Partition } from '../ids.ts';
import { LeafDigests, leafOf } from '../merkle/leaf-digests.ts';
import type { Ring } from '../ring/ring.ts';
import type { Clock } from '../runtime/clock.ts';
import { placeOf } from '../storage/keys.ts';
import { readPage } from '../storage/page.ts';
import type { RecordPlaces } from '../storage/record-places.ts';
import { type Store, StoreReadError } from '../storage/store.ts';
import { checksumOf, openSealed, type SealedRecord } from '../version/record-codec.ts';
import type { KeyCounts } from './key-counts.ts';

/** Entries read at once; fewer when they are large. */
const PAGE = 32;
/**
 * How long walks, all together, go on before other work has its turn, and how long that turn is,
 * milliseconds: a request waits for one slice at the most, and a third of a core is enough for transfers.
 */
const SLICE_MS = 2;
const REST_MS = 4;

/** What lies in one place of a partition. */
export type Scanned =
  | { readonly state: 'record'; readonly key: Key; readonly record: SealedRecord }
  | { readonly state: 'damaged'; readonly key: Key };

export interface PartitionContents {
  /** Of the sound records. */
  readonly digests: LeafDigests;
  readonly damaged: readonly Key[];
  /**
   * `fewer`: all was read, and fewer keys were found than counted. `unreadable`: the walk broke off, so
   * there may be records that the digests do not speak of.
   */
  readonly extent: 'whole' | 'fewer' | 'unreadable';
}

export class PartitionScan {
  readonly #store: Store;
  readonly #places: RecordPlaces;
  readonly #counts: KeyCounts;
  readonly #clock: Clock;
  #closed = false;
  #sliceEndsMs = Number.NEGATIVE_INFINITY;
  /** Until the next slice begins. */
  #rest: Promise<void> | undefined;

  constructor(options: {
    readonly store: Store;
    readonly places: RecordPlaces;
    readonly counts: KeyCounts;
    readonly clock: Clock;
  }) {
    this.#store = options.store;
    this.#places = options.places;
    this.#counts = options.counts;
    this.#clock = options.clock;
  }

  /** Walks under way break off before their next page, as where the disk cannot be read: a large one takes long. */
  close(): void {
    this.#closed = true;
  }

  /** From the start of the partition, or behind the key `after`. @throws StoreReadError */
  async *walk(partition: Partition, after?: Key): AsyncGenerator<readonly Scanned[], void> {
    let last = after;
    for (;;) {
      await this.#turn();
      if (this.#closed) throw new StoreReadError('the node stops before all of this is read');
      const range = this.#places.of(partition, last);
      const { entries, isLast } = await readPage(this.#store, range, PAGE);
      const page: Scanned[] = [];
      for (const { key: place, value } of entries) {
        const key = placeOf(place)?.key;
        if (key === undefined) continue;
        const record = openSealed(value);
        page.push(
          record?.key === key ? { state: 'record', key, record } : { state: 'damaged', key },
        );
        last = key;
      }
      if (page.length > 0) yield page;
      if (isLast) return;
    }
  }

  /** What the partition holds, by the tokens of `ring`. */
  async contents(partition: Partition, ring: Pick<Ring, 'tokenOf'>): Promise<PartitionContents> {
    const digests = new LeafDigests();
    const damaged: Key[] = [];
    const expected = this.#counts.keys(partition) + this.#counts.removed(partition);
    try {
      for await (const page of this.walk(partition)) {
        for (const scanned of page) {
          if (scanned.state === 'damaged') damaged.push(scanned.key);
          else digests.add(leafOf(ring.tokenOf(scanned.key)), checksumOf(scanned.record));
        }
      }
    } catch (error) {
      if (!(error instanceof StoreReadError)) throw error;
      return { digests, damaged, extent: 'unreadable' };
    }
    const found = digests.records + damaged.length + this.#counts.removed(partition);
    return { digests, damaged, extent: found >= expected ? 'whole' : 'fewer' };
  }

  /** Resolves when a walk may go on: at once while the slice lasts. */
  async #turn(): Promise<void> {
    while (this.#rest !== undefined) await this.#rest;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#sliceEndsMs) return;
    if (nowMs > this.#sliceEndsMs + REST_MS) {
      this.#sliceEndsMs = nowMs + SLICE_MS; // nobody walked for a while
      return;
    }
    this.#rest = new Promise((resolve) => {
      this.#clock.schedule(REST_MS, () => {
        this.#rest = undefined;
        this.#sliceEndsMs = this.#clock.monotonicMs() + SLICE_MS;
        resolve();
      });
    });
    await this.#rest;
  }
}
