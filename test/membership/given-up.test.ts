import { expect, test } from 'vitest';
import type { Address, Epoch, NodeId } from '../../src/ids.ts';
import { GivenUp } from '../../src/membership/given-up.ts';
import { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import type { RequestOf, RequestType } from '../../src/rpc/messages.ts';
import type { AddressAnswer, Answer, Transport } from '../../src/rpc/transport.ts';
import { membersFrom, nodeId } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { silentLog } from '../telemetry/silent-log.ts';

const LOST = ['lost1:7400', 'lost2:7400'] as Address[];
const RING = new Ring({
  ...ringOf(membersFrom(1, 2)),
  epoch: 1_000_000_000 as Epoch,
  givenUp: LOST,
});

test('after a forced ring each address is looked at in turn, again and again', async () => {
  const search = new Search();
  search.givenUp.begin();
  await search.pass(40_000);
  expect(new Set(search.looked)).toEqual(new Set(LOST));
  expect(search.looked.slice(0, 4)).toEqual([...LOST, ...LOST]);
  expect(search.looked.length).toBeGreaterThan(4);
  await search.givenUp.stop();
});

test('whoever lives there under an older epoch is told of the ring', async () => {
  const search = new Search();
  search.epochOf = (address) => (address === LOST[1] ? (7 as Epoch) : undefined);
  search.givenUp.begin();
  await search.pass(20_000);
  expect(search.told[0]).toEqual({ to: nodeId(9), ring: encodeRing(search.ring) });
  await search.givenUp.stop();
});

test('one that has no ring yet, or a newer one, or another cluster, is left alone', async () => {
  for (const [epoch, cluster] of [
    [0, RING.clusterName],
    [RING.epoch, RING.clusterName],
    [7, 'another'],
  ] as const) {
    const search = new Search();
    search.epochOf = () => epoch as Epoch;
    search.clusterName = cluster;
    search.givenUp.begin();
    await search.pass(20_000);
    expect(search.looked).not.toEqual([]);
    expect(search.told).toEqual([]);
    await search.givenUp.stop();
  }
});

test('the address of a present member is not looked at', async () => {
  const search = new Search([...LOST, RING.members[1]?.address as Address]);
  search.givenUp.begin();
  await search.pass(40_000);
  expect(new Set(search.looked)).toEqual(new Set(LOST));
  await search.givenUp.stop();
});

test('after the end nobody is looked for, whatever ring comes into force then', async () => {
  const search = new Search();
  search.givenUp.begin();
  await search.pass(1_000);
  const before = search.looked.length;
  expect(before).toBeGreaterThan(0);
  await search.givenUp.stop();
  search.givenUp.begin();
  await search.pass(40_000);
  expect(search.looked).toHaveLength(before);
  expect(search.clock.timers).toBe(0);
});

test('a search that was ended before its first forced ring does not begin', async () => {
  const search = new Search();
  await search.givenUp.stop();
  search.givenUp.begin();
  await search.pass(40_000);
  expect(search.looked).toEqual([]);
});

/** A search among addresses of which a test says who lives there. */
class Search {
  readonly clock = new HandClock();
  readonly looked: Address[] = [];
  readonly told: { readonly to: NodeId; readonly ring: Uint8Array }[] = [];
  readonly givenUp: GivenUp;
  readonly ring: Ring;
  clusterName: string = RING.clusterName;
  /** Of whoever lives at an address; nobody by default. */
  epochOf: (address: Address) => Epoch | undefined = () => undefined;

  constructor(givenUp: readonly Address[] = LOST) {
    this.ring = new Ring({ ...RING, givenUp });
    this.givenUp = new GivenUp({
      rings: { ring: this.ring, encoded: encodeRing(this.ring) },
      terms: { address: () => RING.members[0]?.address as Address },
      transport: {
        callAddress: (address: Address) => this.#answerAt(address),
        call: (to: NodeId, request: RequestOf<RequestType>) => this.#take(to, request),
      } as Pick<Transport, 'call' | 'callAddress'>,
      clock: this.clock,
      random: new SeededRandom(1, 'given-up'),
      log: silentLog,
    });
  }

  /** Time passes; what it causes is done before the next step. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.advance(500);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  }

  async #answerAt(address: Address): Promise<AddressAnswer<unknown>> {
    this.looked.push(address);
    const epoch = this.epochOf(address);
    if (epoch === undefined) return { ok: false, reason: 'nobody lives there' };
    return { ok: true, from: nodeId(9), reply: { epoch, clusterName: this.clusterName } };
  }

  async #take(to: NodeId, request: RequestOf<RequestType>): Promise<Answer<unknown>> {
    if (request.type === 'ring.decided') this.told.push({ to, ring: request.ring });
    return { ok: true, from: to, reply: {} };
  }
}
