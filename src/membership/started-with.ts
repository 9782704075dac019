/**
 * The replication factor that this node was started with, and the one that it was started with before:
 * that tells a node that was restarted with another value from one whose ring was changed while it ran,
 * or while it was away. Only the former asks for something. (No command changes the other settings of the
 * ring, so that for them what all members were started with is what is wanted.)
 *
 * The factor given at a start is a *wish* as long as it is not the one kept on the own disk, or nothing is
 * kept there. It is kept when the wish is settled, and not before: a node that starts twice while the
 * others are still being restarted would not ask any more. It is settled when
 * - the ring has that factor, or none was given; or
 * - the members were asked, about the ring in force, and the factor of the ring became any other one
 *   since: somebody decided otherwise after this start.
 * The second needs the asking: a node that was away learns of changes that were made before it was
 * started, and goes on wishing. What settles a wish is kept in one batch with the ring that does it.
 */
import type { Ring } from '../ring/ring.ts';
import { keepOwn } from '../storage/own-state.ts';
import type { Change, Store } from '../storage/store.ts';

/** As it is kept; without a factor, it was started without one. */
export interface KeptStart {
  readonly replicationFactor?: number;
}

type Factor = Pick<Ring, 'replicationFactor'>;

export class StartedWith {
  /** Given at this start; `undefined` when none was. */
  readonly replicationFactor: number | undefined;
  readonly #store: Store;
  #before: KeptStart | undefined;
  #asked = false;

  constructor(options: {
    readonly store: Store;
    readonly given: number | undefined;
    /** What the store keeps of an earlier start. */
    readonly before: KeptStart | undefined;
  }) {
    this.#store = options.store;
    this.replicationFactor = options.given;
    this.#before = options.before;
  }

  /** The factor that this start asks for; `undefined` when it asks for none. */
  get wish(): number | undefined {
    return this.#isKept ? undefined : this.replicationFactor;
  }

  /** The members are asked, or were, about the ring in force. */
  noteAsked(): void {
    this.#asked = true;
  }

  /** Whether there is something to keep when `ring` is in force in place of `held`. */
  isSettledBy(ring: Factor, held: Factor | undefined): boolean {
    if (this.#isKept) return false;
    const given = this.replicationFactor;
    if (given === undefined || given === ring.replicationFactor) return true;
    return this.#asked && held?.replicationFactor !== ring.replicationFactor;
  }

  /** Brings `changes` to the disk, and with them that the wish is settled. */
  async settle(changes: readonly Change[] = []): Promise<void> {
    const kept: KeptStart =
      this.replicationFactor === undefined ? {} : { replicationFactor: this.replicationFactor };
    await this.#store.batch([...changes, keepOwn('ring/started-with', kept)]);
    this.#before = kept;
  }

  get #isKept(): boolean {
    return this.#before !== undefined && this.#before.replicationFactor === this.replicationFactor;
  }
}
