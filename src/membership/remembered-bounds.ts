import type { NodeId } from '../ids.ts';
import type { ClockBound, Served } from '../rpc/messages.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import type { Store } from '../storage/store.ts';

/** An answer that tells the bound of whoever gives it. */
export function withBound<Reply>(
  served: Served<Reply>,
  bound: ClockBound,
): Served<Reply & ClockBound> {
  return served.ok ? { ok: true, reply: { ...served.reply, ...bound } } : served;
}

/**
 * The bounds that the members told last. A bound never goes back, so a life that begins below what an
 * earlier one told runs on a disk that was put back to an older state: what it acknowledged since is gone
 * from it, and so are its votes. Each vote moves the bound, in a cluster that nobody writes to as well.
 */
export class RememberedBounds {
  readonly #store: Store;
  readonly #bounds: Map<NodeId, ClockBound>;
  #changed = false;

  private constructor(store: Store, bounds: Map<NodeId, ClockBound>) {
    this.#store = store;
    this.#bounds = bounds;
  }

  static async open(store: Store): Promise<RememberedBounds> {
    const kept = (await readOwn(store, 'peer-bounds')) as [NodeId, ClockBound][] | undefined;
    return new RememberedBounds(store, new Map(kept ?? []));
  }

  /** Whether what `member` tells follows upon what it told before; then it is remembered. */
  follows(member: NodeId, { life, startBoundMs, boundMs }: ClockBound): boolean {
    const before = this.#bounds.get(member);
    const isSameLife = before?.life === life;
    if (before !== undefined && !isSameLife && startBoundMs < before.boundMs) return false;
    // Messages of one life may overtake each other.
    if (!isSameLife || boundMs > before.boundMs) {
      this.#bounds.set(member, { life, startBoundMs, boundMs });
      this.#changed = true;
    }
    return true;
  }

  /** Forgets everybody else. */
  keepOnly(members: ReadonlySet<NodeId>): void {
    for (const member of this.#bounds.keys()) {
      if (!members.has(member)) this.#changed = this.#bounds.delete(member);
    }
  }

  /** Brings to the disk what is new, so that a restart of all members does not forget it. */
  async persist(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    try {
      await this.#store.batch([keepOwn('peer-bounds', [...this.#bounds])]);
    } catch (error) {
      this.#changed = true; // a full disk: tried again
      throw error;
    }
  }
}
