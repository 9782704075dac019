import { hash64 } from '../hash.ts';
import type { Member } from './member.ts';

/**
 * Well mixed orders that are the same wherever they are computed: drawn from the members' ids, not
 * from chance. Without them the first partitions would all go to the first members, and a dead
 * member's data would have to come from two or three others instead of from all.
 *
 * The generator is xorshift (Marsaglia, "Xorshift RNGs", 2003); ids in `members` are sorted.
 */
export class Shuffle {
  #state: number;

  constructor(members: readonly Member[]) {
    const ids = members.map((member) => member.id).join();
    this.#state = Number(hash64(Buffer.from(ids)) & 0xffff_ffffn) || 1; // 0 would stay 0
  }

  /** Puts `items` into another order, in place (Fisher and Yates). */
  mix<Item>(items: Item[]): void {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.#below(last + 1);
      const item = items[last] as Item;
      items[last] = items[other] as Item;
      items[other] = item;
    }
  }

  #below(bound: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % bound;
  }
}
