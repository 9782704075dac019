import { describe, expect, test } from 'vitest';
import type { Address, Epoch, NodeId } from '../../src/ids.ts';
import { MovedMembers } from '../../src/membership/moved-members.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import type { Transport } from '../../src/rpc/transport.ts';
import { membersFrom, nodeId } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';

const RING = ringOf(membersFrom(1, 100));
const [SELF, ...OTHERS] = RING.members as [Member, ...Member[]];
type Member = (typeof RING.members)[number];
const MISSING = OTHERS.slice(40, 43);
const ADDRESSES = OTHERS.map(({ address }) => address);
const SEEDS = ['seed1:7400', 'seed2:7400'] as Address[];

describe('while members are missing', () => {
  test('everybody is asked once, where they live and at the seeds', async () => {
    const search = new Search(SEEDS);
    expect(new Set(await search.turn())).toEqual(new Set([...SEEDS, ...ADDRESSES]));
  });

  test.each([
    ['few seeds', SEEDS],
    ['all members as seeds', [SELF.address, ...ADDRESSES]],
  ])(
    'then a few others a turn, however many there are, and all of them in the end: %s',
    async (_name, seeds) => {
      const search = new Search(seeds);
      await search.turn();
      const asked = new Set<Address>();
      for (let turn = 0; turn < 200; turn++) {
        const addresses = await search.turn();
        expect(new Set(addresses).size).toBe(addresses.length);
        expect(addresses).toEqual(expect.arrayContaining(MISSING.map(({ address }) => address)));
        if (seeds === SEEDS) expect(addresses).toEqual(expect.arrayContaining(SEEDS));
        expect(addresses.length).toBeLessThanOrEqual(MISSING.length + 16);
        expect(addresses).not.toContain(SELF.address);
        for (const address of addresses) asked.add(address);
      }
      expect(asked).toEqual(new Set([...seeds, ...ADDRESSES].filter((at) => at !== SELF.address)));
    },
  );

  test('whoever is ahead is asked for its ring', async () => {
    const search = new Search(SEEDS);
    search.epochOf = (address) => (address === SEEDS[1] ? ((RING.epoch + 1) as Epoch) : RING.epoch);
    await search.turn();
    expect(search.taken).toEqual([encodeRing(RING)]);
  });
});

/** A node among many that answer, and what it asks. */
class Search {
  epochOf: (address: Address) => Epoch = () => RING.epoch;
  readonly taken: Uint8Array[] = [];
  readonly #moved: MovedMembers;
  #asked: Address[] = [];

  constructor(founders: readonly Address[]) {
    const transport: Pick<Transport, 'call' | 'callAddress'> = {
      callAddress: (async (address: Address) => {
        this.#asked.push(address);
        return { ok: true, from: nodeId(200), reply: { epoch: this.epochOf(address) } };
      }) as unknown as Transport['callAddress'],
      call: (async (to: NodeId) => {
        return { ok: true, from: to, reply: { ring: encodeRing(RING) } };
      }) as unknown as Transport['call'],
    };
    this.#moved = new MovedMembers({
      self: SELF.id,
      terms: { founders, address: () => SELF.address },
      rings: { ring: RING, adopt: async (ring) => void this.taken.push(ring) },
      transport: transport as Transport,
      random: new SeededRandom(1, 'moved members'),
    });
  }

  /** Whom it asks in one. */
  async turn(): Promise<readonly Address[]> {
    this.#asked = [];
    await this.#moved.look(MISSING.map(({ id }) => id));
    return this.#asked;
  }
}
