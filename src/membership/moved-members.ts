/**
 * Asks who lives at the listed addresses, and where members lived: one may have come back with another
 * address, or the cluster may have gone on without this node.
 */
import type { Address, NodeId } from '../ids.ts';
import type { Random } from '../runtime/random.ts';
import { type FoundingTerms, foundersOf } from './founding-terms.ts';
import { CALL, INTRODUCE, type Inquirer, takeRingOf } from './ring-inquiry.ts';

/** Of each kind that is asked for its own sake. All of them by all members would be a square of the cluster. */
const AT_ONCE = 8;

interface MovedMembersOptions extends Inquirer {
  readonly terms: Pick<FoundingTerms, 'founders' | 'address'>;
  readonly random: Random;
}

export class MovedMembers {
  readonly #options: MovedMembersOptions;
  #askedAll = false;

  constructor(options: MovedMembersOptions) {
    this.#options = options;
  }

  /**
   * The first time everybody is asked: whoever knows that the cluster has gone on is to be heard before this
   * node serves. Then where `missing` lived, and of the seeds and of those that answer a few each time.
   */
  async look(missing: readonly NodeId[]): Promise<void> {
    const { rings, transport } = this.#options;
    const addresses = this.#askedAll ? this.#someAddresses(missing) : this.#allAddresses;
    this.#askedAll = true;
    const answers = await Promise.all(
      addresses.map((address) => transport.callAddress(address, INTRODUCE, CALL)),
    );
    // Whoever this node knew may have been replaced, all of them: then only strangers can tell it so.
    const ahead = answers.find(
      (answer) => answer.ok && answer.reply.epoch > (rings.ring?.epoch ?? 0),
    );
    if (ahead?.ok) await takeRingOf(ahead.from, this.#options);
  }

  get #allAddresses(): readonly Address[] {
    const { terms, rings } = this.#options;
    const lived = (rings.ring?.members ?? []).map(({ address }) => address);
    const addresses = new Set([...foundersOf(terms), ...lived]);
    addresses.delete(terms.address());
    return [...addresses];
  }

  #someAddresses(missing: readonly NodeId[]): readonly Address[] {
    const { terms, rings } = this.#options;
    const all = this.#allAddresses;
    const seeds = new Set(foundersOf(terms));
    const sought = new Set(
      missing.map((member) => rings.ring?.member(member)?.address).filter((place) => place),
    );
    const chosen = new Set([
      ...sought,
      ...this.#few(all.filter((address) => seeds.has(address) && !sought.has(address))),
      ...this.#few(all.filter((address) => !seeds.has(address) && !sought.has(address))),
    ]);
    return all.filter((address) => chosen.has(address));
  }

  #few(addresses: readonly Address[]): readonly Address[] {
    if (addresses.length <= AT_ONCE) return addresses;
    const left = [...addresses];
    return Array.from({ length: AT_ONCE }, () => {
      const [drawn] = left.splice(Math.floor(this.#options.random.fraction() * left.length), 1);
      return drawn;
    }).filter((address) => address !== undefined);
  }
}
