import type { Incarnation, NodeId } from '../ids.ts';
import type { Clock } from '../runtime/clock.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import type { Change, Store } from '../storage/store.ts';
import { HybridLogicalClock } from '../version/hybrid-logical-clock.ts';
import { physicalOf, type Version } from '../version/version.ts';

/**
 * How far ahead of use the bound is persisted, milliseconds: one sync a second while versions are
 * drawn. After a restart the clock continues from the bound, so a crash may leave it this far ahead
 * of the wall clock, no more than the least `QUORATE_MAX_SKEW`.
 */
const AHEAD_MS = 1_000;

interface VersionClockOptions {
  readonly node: NodeId;
  readonly incarnation: Incarnation;
  readonly clock: Clock;
  readonly store: Store;
}

/**
 * The node's source of versions. An upper bound is on disk before a version below it is handed
 * out; the next life starts at the bound. So versions never go back, whatever the wall clock did
 * while the node was away, and nothing has to wait at a start.
 *
 * What must not be forgotten moves the bound, too (`moveBoundWith`): peers remember it, and find by it
 * that a disk was put back to an older state.
 */
export class VersionClock {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #hybrid: HybridLogicalClock;
  /** For versions above one that is far ahead of all clocks, so that it does not carry the others along. */
  readonly #far: HybridLogicalClock;
  readonly #startMs: number;
  #boundMs: number;
  #persisting: Promise<void> | undefined;
  /** The bounds are written one after the other: on the disk, too, it must never go back. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(options: VersionClockOptions, startMs: number) {
    const { node, incarnation, clock, store } = options;
    this.#clock = clock;
    this.#store = store;
    this.#hybrid = new HybridLogicalClock(node, incarnation, startMs);
    this.#far = new HybridLogicalClock(node, incarnation, 0);
    this.#startMs = startMs;
    this.#boundMs = startMs;
  }

  static async open(options: VersionClockOptions): Promise<VersionClock> {
    return new VersionClock(options, await readBound(options.store));
  }

  /** What was drawn or observed so far, milliseconds; never goes back, nor does a restart take it back. */
  get latestMs(): number {
    return this.#hybrid.physicalMs;
  }

  /** The bound on disk, when this life began and now, milliseconds. */
  get bound(): { readonly startBoundMs: number; readonly boundMs: number } {
    return { startBoundMs: this.#startMs, boundMs: this.#boundMs };
  }

  /** A version above all drawn before, in earlier lives too, and above `above`. */
  async draw(above: Version | undefined): Promise<Version> {
    const version = this.#hybrid.next(this.#clock.wallMs(), above);
    const neededMs = this.#hybrid.physicalMs;
    while (neededMs >= this.#boundMs) await this.#persist();
    if (this.#isBoundNear) this.#persistInBackground();
    return version;
  }

  /**
   * A version above one that is far ahead of all clocks. It is unique by this life's incarnation, and
   * only its key is to follow it: drawn from the usual clock, it would carry every key along.
   */
  drawFarAhead(above: Version): Version {
    return this.#far.next(0, above);
  }

  /** A record with this version was taken: later versions are not before it, after a restart either. */
  observe(version: Version): void {
    this.observeMs(physicalOf(version));
  }

  /** No version is drawn any more before this time, milliseconds; whoever asks sees to it after a restart. */
  observeMs(physicalMs: number): void {
    this.#hybrid.observe(physicalMs);
    if (this.#isBoundNear) this.#persistInBackground();
  }

  /**
   * Stores `changes` and, in the same batch, a bound that is one millisecond higher: the least, so that
   * however often that happens the bound does not run away from the clocks.
   */
  moveBoundWith(changes: readonly Change[]): Promise<void> {
    return this.#inTurn(() => this.#writeBound(this.#boundMs + 1, changes));
  }

  get #isBoundNear(): boolean {
    return this.#hybrid.physicalMs > this.#boundMs - AHEAD_MS / 2;
  }

  #persist(): Promise<void> {
    this.#persisting ??= this.#inTurn(() => {
      const aheadMs = this.#hybrid.physicalMs + AHEAD_MS;
      return this.#writeBound(Math.max(aheadMs, this.#boundMs), []);
    }).finally(() => {
      this.#persisting = undefined;
    });
    return this.#persisting;
  }

  #persistInBackground(): void {
    // A failed sync ends the node (FailStopStore); a full disk is met again by the next `draw`.
    this.#persist().catch(() => undefined);
  }

  async #writeBound(boundMs: number, changes: readonly Change[]): Promise<void> {
    await this.#store.batch([...changes, keepOwn('clock-bound', { boundMs })]);
    this.#boundMs = boundMs;
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const written = this.#writing.then(write);
    this.#writing = written.catch(() => undefined);
    return written;
  }
}

async function readBound(store: Store): Promise<number> {
  const kept = (await readOwn(store, 'clock-bound')) as { readonly boundMs: number } | undefined;
  return kept?.boundMs ?? 0;
}
