import type { Partition } from '../ids.ts';
import type { Clock } from '../runtime/clock.ts';

/** Told to the others at once; of more, the rest is told when these are over. */
const MAX_TOLD = 1024;
/** Who pulls asks again each second or so; when nobody did for so long, nobody needs the copy, milliseconds. */
const ASKED_LATELY_MS = 30_000;

interface Refusals {
  readonly firstMs: number;
  lastMs: number;
}

/**
 * Partitions that were asked of this node for a transfer, and whose copy is damaged: since when it could not
 * hand them out. Mostly they are healed in a moment, from the other replicas. Where too few of those are left
 * they never are, and a transition that needs this copy would wait for ever.
 */
export class UnsoundCopies {
  readonly #clock: Clock;
  readonly #refused = new Map<Partition, Refusals>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  noteDamaged(partition: Partition): void {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#refused.get(partition);
    if (known === undefined || nowMs - known.lastMs > ASKED_LATELY_MS)
      this.#refused.set(partition, { firstMs: nowMs, lastMs: nowMs });
    else known.lastMs = nowMs;
  }

  noteSound(partition: Partition): void {
    this.#refused.delete(partition);
  }

  /** Those that were asked for and refused for as long as `durationMs`. */
  forLongerThan(durationMs: number): readonly Partition[] {
    const nowMs = this.#clock.monotonicMs();
    const unsound: Partition[] = [];
    for (const [partition, { firstMs, lastMs }] of this.#refused) {
      if (nowMs - lastMs > ASKED_LATELY_MS) this.#refused.delete(partition);
      else if (lastMs - firstMs > durationMs && unsound.length < MAX_TOLD) unsound.push(partition);
    }
    return unsound;
  }
}
