/**
 * Room for a commit, made sure of before LMDB is asked for it. A write of LMDB that finds the disk
 * full leaves the data as it was, but not the process: lmdb 3.5.6 prints its error text past the end
 * of a buffer, and what it overwrites there is anyone's guess. So such an error can only end the node
 * (`FailStopStore`), and must not happen.
 *
 * Far from the end of the volume there is room. Near to it, three things are certain enough: what the
 * volume still has, when it is written with zeros in advance, behind the last page in use (that may
 * fail, and then nothing has happened); what was written there before; and free pages, when there are
 * many more than are needed. Where a file system does not write in place (btrfs, ZFS), none of it is:
 * there, a full volume ends the node.
 */
import { databaseBytes, lengthenDatabase, type Volume, volumeOf } from './lmdb-folder.ts';
import { exhaustedBelow, lowBelow, spaceOf } from './reserves.ts';
import { type Change, type Space, StoreFullError } from './store.ts';

interface TreeStats {
  readonly treeDepth: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  /** Pages of values too large for a leaf; those of one value lie side by side. */
  readonly overflowPages: number;
  readonly entryCount: number;
}

/** What LMDB tells of itself. */
export interface LmdbStats extends TreeStats {
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly lastTxnId: number;
  /** The tree of free pages. */
  readonly free: TreeStats;
}

/** Pages that a commit takes, at most. */
interface Need {
  /** To be taken side by side; those of them that hold new values. */
  readonly inRow: number;
  readonly forValues: number;
  readonly single: number;
}

/** The most that is taken on trust between two looks at the volume. */
const CREDIT_BYTES = 16 * 1024 * 1024;

/** LMDB keeps no more free pages at hand, and writes down those that it does. */
const MAX_FREE_PAGES_WRITTEN = 75_000;
const BYTES_PER_FREE_PAGE = 8;

/** The pages of the largest value, which become free when it is overwritten. */
const MAX_VALUE_PAGES = 4_096;

/** Two pages in front say where the trees are. */
const HEAD_PAGES = 2;

/** Added to every estimate: the roots, and what is rounded up. */
const SLACK_PAGES = 8;

export class LmdbRoom {
  readonly #folder: string;
  readonly #stats: () => LmdbStats;
  /** What the volume had beyond its reserve when it was looked at last, less what was asked for since. */
  #creditBytes = 0;
  /** The free pages after the last commit, and before it: what it freed itself cannot be used yet. */
  #free = { afterTransaction: 0, now: 0, before: 0 };
  /** Room that there has to be before large values are promised again: they were refused with less. */
  #promisedFromBytes = 0;

  constructor(folder: string, stats: () => LmdbStats) {
    this.#folder = folder;
    this.#stats = stats;
  }

  /** By what the volume has left, and what the file has that is free to be used again. */
  async space(): Promise<Space> {
    const { availableBytes, wholeBytes } = await volumeOf(this.#folder);
    const roomBytes = availableBytes + (await this.#reusableBytes());
    const space = spaceOf(roomBytes, wholeBytes);
    // Free pages that lie scattered are room that a large value cannot use.
    return space === 'ample' && roomBytes < this.#promisedFromBytes ? 'low' : space;
  }

  async #reusableBytes(): Promise<number> {
    const stats = this.#stats();
    const fileBytes = await databaseBytes(this.#folder);
    return Math.max(0, fileBytes - usedPages(stats) * stats.pageSize);
  }

  /** @throws StoreFullError when it is not certain that `changes` can be committed. */
  async makeFor(changes: readonly Change[]): Promise<void> {
    const stats = this.#stats();
    this.#noteFreePages(stats);
    const need = needOf(changes, stats);
    const neededBytes = (need.inRow + need.single) * stats.pageSize;
    if (neededBytes <= this.#creditBytes) {
      this.#creditBytes -= neededBytes;
      return;
    }
    const volume = await volumeOf(this.#folder);
    const beyondReserve = volume.availableBytes - lowBelow(volume.wholeBytes);
    if (neededBytes <= beyondReserve) {
      this.#creditBytes = Math.min(beyondReserve - neededBytes, CREDIT_BYTES);
      return;
    }
    if (this.#fitsInFreePages(need, stats)) return;
    const usedBytes = (stats.lastPageNumber + 1) * stats.pageSize;
    try {
      await this.#lengthen(usedBytes + neededBytes, need.forValues > 0, volume);
    } catch (error) {
      // One huge value says nothing of the others.
      if (neededBytes <= lowBelow(volume.wholeBytes)) {
        const roomBytes = volume.availableBytes + (await this.#reusableBytes());
        this.#promisedFromBytes = roomBytes + neededBytes;
      }
      throw error;
    }
    this.#promisedFromBytes = 0;
  }

  #noteFreePages(stats: LmdbStats): void {
    const { afterTransaction, now } = this.#free;
    if (stats.lastTxnId === afterTransaction) return;
    const free = stats.lastPageNumber + 1 - usedPages(stats);
    this.#free = { afterTransaction: stats.lastTxnId, now: free, before: now };
  }

  /**
   * The free pages lie in pieces, at most one more than there are things in use; the largest piece is
   * no smaller than the mean. Half of that is counted on, as what was freed last is still in the way.
   */
  #fitsInFreePages(need: Need, stats: LmdbStats): boolean {
    const free = Math.min(this.#free.now, this.#free.before);
    const largeValues = Math.min(stats.entryCount, stats.overflowPages);
    const pieces = usedPages(stats) - stats.overflowPages + largeValues + 1;
    return need.inRow <= free / pieces / 2 && need.inRow + need.single <= free / 2;
  }

  /**
   * Sees to it that the file has `neededBytes`, and behind them a ballast, without which no large value
   * is taken: so that there is room to delete what is too much.
   */
  async #lengthen(neededBytes: number, keepBallast: boolean, volume: Volume): Promise<void> {
    const ballastBytes = exhaustedBelow(volume.wholeBytes);
    const leastBytes = neededBytes + (keepBallast ? ballastBytes : 0);
    const fileBytes = await databaseBytes(this.#folder);
    if (leastBytes > fileBytes + volume.availableBytes) throw this.#full();
    const goalBytes = Math.min(neededBytes + ballastBytes, fileBytes + volume.availableBytes);
    if (goalBytes <= fileBytes) return;
    try {
      await lengthenDatabase(this.#folder, goalBytes);
    } catch (error) {
      if ((await databaseBytes(this.#folder)) < leastBytes) throw this.#full(error);
    }
  }

  #full(cause?: unknown): StoreFullError {
    return new StoreFullError(`no space left for ${this.#folder}; nothing was written`, { cause });
  }
}

function needOf(changes: readonly Change[], stats: LmdbStats): Need {
  let [puts, forValues] = [0, 0];
  for (const change of changes) {
    if (change.type === 'delete') continue;
    puts += 1;
    // A value up to a quarter of a page surely lies in the leaf.
    if (change.value.length <= stats.pageSize / 4) continue;
    forValues += 1 + Math.ceil(change.value.length / stats.pageSize);
  }
  // Each changed page is copied, and those above it; each put may split one in two.
  const treePages = stats.treeBranchPageCount + stats.treeLeafPageCount;
  const copied = Math.min(changes.length * stats.treeDepth, treePages) + puts;
  const freed = copied + Math.min(changes.length * MAX_VALUE_PAGES, stats.overflowPages);
  const freeBefore = Math.min(stats.lastPageNumber, MAX_FREE_PAGES_WRITTEN);
  const list = Math.ceil(((freed + freeBefore) * BYTES_PER_FREE_PAGE) / stats.pageSize);
  return {
    inRow: forValues + (list > 1 ? list : 0),
    forValues,
    single: copied + stats.free.treeDepth + SLACK_PAGES,
  };
}

function usedPages(stats: LmdbStats): number {
  return HEAD_PAGES + pagesOf(stats) + pagesOf(stats.free);
}

function pagesOf(tree: TreeStats): number {
  return tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages;
}
