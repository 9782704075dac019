import type { Incarnation, NodeId } from '../ids.ts';
import type { Clock } from '../runtime/clock.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import type { Store } from '../storage/store.ts';
import { HybridLogicalClock } from '../version/hybrid-logical-clock.ts';
import type { Version } from '../version/version.ts';

/**
 * How far ahead of use the bound is persisted, milliseconds: one sync a second while versions are
 * drawn. After a restart the clock continues from the bound, so a crash may leave it this far ahead
 * of the wall clock; far less than any allowed skew.
 */
const AHEAD_MS = 1_000;

/**
 * The node's source of versions. An upper bound is on disk before a version at or below it is handed
 * out; the next life starts above the bound. So versions never go back, whatever the wall clock did
 * while the node was away, and nothing has to wait at a start.
 */
export class VersionClock {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #hybrid: HybridLogicalClock;
  #boundMs: number;
  #persisting: Promise<void> | undefined;

  private constructor(clock: Clock, store: Store, hybrid: HybridLogicalClock) {
    this.#clock = clock;
    this.#store = store;
    this.#hybrid = hybrid;
    this.#boundMs = hybrid.physicalMs;
  }

  static async open(options: {
    readonly node: NodeId;
    readonly incarnation: Incarnation;
    readonly clock: Clock;
    readonly store: Store;
  }): Promise<VersionClock> {
    const { node, incarnation, clock, store } = options;
    const startMs = await readBound(store);
    return new VersionClock(clock, store, new HybridLogicalClock(node, incarnation, startMs));
  }

  /** A version above all drawn before, in earlier lives too, and above `above`. */
  async draw(above: Version | undefined): Promise<Version> {
    const version = this.#hybrid.next(this.#clock.wallMs(), above);
    const neededMs = this.#hybrid.physicalMs;
    while (neededMs > this.#boundMs) await this.#persist();
    if (neededMs > this.#boundMs - AHEAD_MS / 2) this.#persistInBackground();
    return version;
  }

  #persist(): Promise<void> {
    this.#persisting ??= this.#writeBound().finally(() => {
      this.#persisting = undefined;
    });
    return this.#persisting;
  }

  #persistInBackground(): void {
    // A failed sync ends the node (FailStopStore); a full disk is met again by the next `draw`.
    this.#persist().catch(() => undefined);
  }

  async #writeBound(): Promise<void> {
    const boundMs = this.#hybrid.physicalMs + AHEAD_MS;
    await this.#store.batch([keepOwn('clock-bound', { boundMs })]);
    this.#boundMs = boundMs;
  }
}

async function readBound(store: Store): Promise<number> {
  const kept = (await readOwn(store, 'clock-bound')) as { readonly boundMs: number } | undefined;
  return kept?.boundMs ?? 0;
}
