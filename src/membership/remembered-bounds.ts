import type { NodeId } from '../ids.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import type { Store } from '../storage/store.ts';

/**
 * What a node tells of the bound of its clock, which it has on disk before it draws a version below it:
 * where it stood when this life of it began, and where it stands. Milliseconds.
 */
export interface ClockBound {
  /** Its nonce in this life. */
  readonly life: string;
  readonly startMs: number;
  readonly boundMs: number;
}

/**
 * The bounds that the members told last. A bound never goes back, so a life that begins below what an
 * earlier one told runs on a disk that was put back to an older state: what it acknowledged since is gone
 * from it, and so are its votes.
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
  follows(member: NodeId, told: ClockBound): boolean {
    const before = this.#bounds.get(member);
    const isSameLife = before?.life === told.life;
    if (before !== undefined && !isSameLife && told.startMs < before.boundMs) return false;
    // Messages of one life may overtake each other.
    if (!isSameLife || told.boundMs > before.boundMs) {
      this.#bounds.set(member, told);
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
    await this.#store.batch([keepOwn('peer-bounds', [...this.#bounds])]);
  }
}
