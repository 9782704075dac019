import { describe, expect, test } from 'vitest';
import type { Address, Epoch, NodeId } from '../../src/ids.ts';
import { isHeldByMost } from '../../src/membership/ring-inquiry.ts';
import { Ring } from '../../src/ring/ring.ts';
import type { RequestType } from '../../src/rpc/messages.ts';
import type { Transport } from '../../src/rpc/transport.ts';
import { membersFrom, nodeId } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';

const EPOCH = 1_000_000_000 as Epoch;
const FORCED = new Ring({ ...ringOf(membersFrom(1, 3)), epoch: EPOCH });
const [A, B, C] = FORCED.voters as [Voter, Voter, Voter];
type Voter = (typeof FORCED.voters)[number];

describe('a forced ring is held by most of its voters', () => {
  test('when they say so where it lists them', async () => {
    const places = new Places();
    expect(await isHeldByMost(FORCED, places.transport)).toBe(false);
    places.lives(A, EPOCH);
    expect(await isHeldByMost(FORCED, places.transport)).toBe(false);
    places.lives(B, EPOCH);
    expect(await isHeldByMost(FORCED, places.transport)).toBe(true);
  });

  test('or where they have shown that they live now', async () => {
    const places = new Places();
    places.lives(A, EPOCH);
    places.moved(B, EPOCH);
    expect(await isHeldByMost(FORCED, places.transport)).toBe(true);
  });

  test('or one that followed upon it, and not while they hold an older one', async () => {
    const places = new Places();
    places.lives(A, EPOCH);
    places.moved(B, (EPOCH - 1) as Epoch);
    expect(await isHeldByMost(FORCED, places.transport)).toBe(false);
    places.moved(B, (EPOCH + 1) as Epoch);
    expect(await isHeldByMost(FORCED, places.transport)).toBe(true);
  });

  test('of whom a stranger at the address of one is none', async () => {
    const places = new Places();
    places.lives(A, EPOCH);
    for (const { address } of [B, C]) places.lives({ id: nodeId(9), address }, EPOCH);
    expect(await isHeldByMost(FORCED, places.transport)).toBe(false);
  });
});

/** Where nodes live, and which of them have shown this one that they moved. */
class Places {
  readonly #listed = new Map<Address, { readonly id: NodeId; readonly epoch: Epoch }>();
  readonly #shown = new Map<NodeId, Epoch>();

  lives({ id, address }: Pick<Voter, 'id' | 'address'>, epoch: Epoch): void {
    this.#listed.set(address, { id, epoch });
  }

  moved({ id }: Voter, epoch: Epoch): void {
    this.#shown.set(id, epoch);
  }

  get transport(): Transport {
    const transport: Pick<Transport, 'call' | 'callAddress'> = {
      call: (async (to: NodeId, { type }: { readonly type: RequestType }) => {
        expect(type).toBe('membership.introduce');
        const epoch = this.#shown.get(to);
        if (epoch === undefined) return { ok: false, from: to, failure: 'unreachable' };
        return { ok: true, from: to, reply: { epoch } };
      }) as unknown as Transport['call'],
      callAddress: (async (address: Address, { type }: { readonly type: RequestType }) => {
        expect(type).toBe('membership.introduce');
        const found = this.#listed.get(address);
        if (found === undefined) return { ok: false, reason: 'nobody is there' };
        return { ok: true, from: found.id, reply: { epoch: found.epoch } };
      }) as unknown as Transport['callAddress'],
    };
    return transport as Transport;
  }
}
