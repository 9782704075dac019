import type { Epoch } from '../ids.ts';

/**
 * The changes under way, by the epoch that they were sent under. A write that passed the check of its
 * epoch may become durable, and be acknowledged, after this replica took a newer ring. Whoever reads
 * what older epochs left behind (a source of a transfer) waits for those first, or the write would be
 * on a quorum of the old replicas and still missed.
 */
export class EpochBarrier {
  /** How many are under way; none: no key. */
  readonly #underWay = new Map<Epoch, number>();
  readonly #waiting = new Set<() => void>();

  /** Changes under way. */
  get size(): number {
    return [...this.#underWay.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Runs `change`, which is to check its epoch itself: it counts as under way from before that. */
  async during<Result>(epoch: Epoch, change: () => Promise<Result>): Promise<Result> {
    this.#underWay.set(epoch, (this.#underWay.get(epoch) ?? 0) + 1);
    try {
      return await change();
    } finally {
      const left = (this.#underWay.get(epoch) ?? 1) - 1;
      if (left > 0) this.#underWay.set(epoch, left);
      else this.#underWay.delete(epoch);
      for (const wake of this.#waiting) wake();
    }
  }

  /**
   * Resolves when no change of an epoch below `epoch` is under way. New ones are not held up: whoever
   * waits has taken a ring of this epoch before, so that older ones are refused.
   */
  async settledBelow(epoch: Epoch): Promise<void> {
    while (!this.isSettledBelow(epoch)) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** Whether no change of an epoch below `epoch` is under way. */
  isSettledBelow(epoch: Epoch): boolean {
    for (const each of this.#underWay.keys()) if (each < epoch) return false;
    return true;
  }
}
