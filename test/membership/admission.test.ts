import { describe, expect, test, vi } from 'vitest';
import type { Address, NodeId } from '../../src/ids.ts';
import { Admission } from '../../src/membership/admission.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { MAX_MEMBERS } from '../../src/ring/ring-parts.ts';
import type { AddressAnswer, Transport } from '../../src/rpc/transport.ts';
import { membersFrom } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';

describe('applications to join', () => {
  test('are judged once: one that came too late for a ring is made again, or forgotten', async () => {
    const rings: { ring: Ring } = { ring: ringOf(membersFrom(1, 3)) };
    const turns: (() => void)[] = [];
    const { admission } = admitting(itself, rings, {
      decided: () => new Promise<void>((resolve) => turns.push(resolve)),
    });

    const first = admission.apply(application('a'));
    const late = admission.apply(application('b'));
    await vi.waitUntil(() => turns.length > 0);
    turns.shift()?.();
    expect(await first).toMatchObject({ state: 'member' });
    expect(await late).toMatchObject({ state: 'later' });

    const third = admission.apply(application('c'));
    await vi.waitUntil(() => turns.length > 0);
    turns.shift()?.();
    expect(await third).toMatchObject({ state: 'member' });
    const names = rings.ring.members.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['a', 'c']));
    expect(names).not.toContain('b');
  });

  test('take nobody in under the name of a member that only this node finds dead', async () => {
    const rings = { ring: ringOf(membersFrom(1, 3)) };
    const [{ name, id } = { name: '', id: '' }] = rings.ring.members;
    let isContradicted = true;
    const { admission } = admitting(itself, rings, {
      stateOf: (member) => (member === id ? 'dead' : 'alive'),
      isDeathContradicted: async () => isContradicted,
    });
    const asked = { ...application('d'), name };
    expect(await admission.apply(asked)).toMatchObject({
      state: 'later',
      why: expect.stringContaining('not dead'),
    });
    isContradicted = false;
    expect(await admission.apply(asked)).toMatchObject({ state: 'member' });
  });

  test('fill the cluster up to its bound, and the others are told to ask again', async () => {
    const rings = { ring: ringOf(membersFrom(1, MAX_MEMBERS - 1)) };
    // Both have applied when the ring is drawn.
    const { admission } = admitting(itself, rings, { beforeDrawn: async () => undefined });
    const verdicts = await Promise.all(
      ['a', 'b'].map((name) => admission.apply(application(name))),
    );
    expect(verdicts.map(({ state }) => state).sort()).toEqual(['later', 'member']);
    expect(rings.ring.members).toHaveLength(MAX_MEMBERS);
    expect(await admission.apply(application('c'))).toEqual({
      state: 'later',
      why: 'a cluster has 1024 members at most',
    });
  });
});

describe('a newcomer', () => {
  test('is called where it says that it is reached, before a ring is decided', async () => {
    const { admission, calls, decisions } = admitting(async () => ({
      from: application('a').node,
    }));
    expect(await admission.apply(application('a'))).toEqual({ state: 'member', why: '' });
    expect(calls).toEqual([{ address: 'a:7400', type: 'membership.introduce' }]);
    expect(decisions()).toBe(1);
  });

  test('that does not answer there is told what to correct, and taken in once it does', async () => {
    let isReached = false;
    const { admission, decisions } = admitting(async () =>
      isReached ? { from: application('a').node } : 'timeout',
    );
    const verdict = await admission.apply(application('a'));
    expect(verdict.state).toBe('later');
    expect(verdict.why).toContain('this node cannot be reached at a:7400 (timeout)');
    expect(verdict.why).toContain('QUORATE_ADVERTISE');
    expect(decisions()).toBe(0);
    isReached = true;
    expect(await admission.apply(application('a'))).toMatchObject({ state: 'member' });
  });

  test('at whose address another node answers is told so', async () => {
    const { admission, decisions } = admitting(async () => ({ from: application('b').node }));
    const verdict = await admission.apply(application('a'));
    expect(verdict.state).toBe('later');
    expect(verdict.why).toContain('another node answers at a:7400');
    expect(decisions()).toBe(0);
  });

  test('keeps no other one waiting while it does not answer', async () => {
    let giveUp = (): void => undefined;
    const silence = new Promise<'timeout'>((resolve) => {
      giveUp = () => resolve('timeout');
    });
    const { admission } = admitting(async (address) =>
      address === 'a:7400' ? silence : { from: application('b').node },
    );
    const slow = admission.apply(application('a'));
    expect(await admission.apply(application('b'))).toMatchObject({ state: 'member' });
    giveUp();
    expect(await slow).toMatchObject({ state: 'later' });
  });

  test('is judged by the ring that is there when it has answered', async () => {
    const rings: { ring: Ring } = { ring: ringOf(membersFrom(1, 3)) };
    const { admission } = admitting(async (address) => {
      // Meanwhile its namesake is taken in by another member.
      if (address === 'a:7400') await admission.apply(application('b', 'a'));
      return { from: application(address.slice(0, 1)).node };
    }, rings);
    expect(await admission.apply(application('a'))).toMatchObject({ state: 'later' });
    expect(rings.ring.members.filter(({ name }) => name === 'a')).toHaveLength(1);
  });

  test('of so many that they cannot all be called at once has to ask again', async () => {
    let giveUp = (): void => undefined;
    const silence = new Promise<'timeout'>((resolve) => {
      giveUp = () => resolve('timeout');
    });
    const { admission, calls } = admitting(() => silence);
    const first = Array.from({ length: 64 }, (_, index) =>
      admission.apply(application(`n${index}`)),
    );
    expect(await admission.apply(application('late'))).toEqual({
      state: 'later',
      why: 'too many nodes are joining; it asks again',
    });
    expect(calls).toHaveLength(64);
    giveUp();
    for (const verdict of await Promise.all(first)) expect(verdict.why).toContain('(timeout)');
  });
});

type Called = { readonly from: NodeId } | string;

interface Differences extends Partial<ConstructorParameters<typeof Admission>[0]> {
  /** What is waited for before a ring is drawn, and until it is decided. */
  readonly beforeDrawn?: () => Promise<void>;
  readonly decided?: () => Promise<void>;
}

/** An admission whose rings are decided at once, and whose calls come to what `call` says. */
function admitting(
  call: (address: Address) => Promise<Called>,
  rings: { ring: Ring } = { ring: ringOf(membersFrom(1, 3)) },
  { beforeDrawn, decided, ...options }: Differences = {},
) {
  const calls: { readonly address: Address; readonly type: string }[] = [];
  let decisions = 0;
  const admission = new Admission({
    rings,
    stateOf: () => 'alive',
    isDeathContradicted: async () => false,
    transport: transportOf(async (address, type) => {
      calls.push({ address, type });
      return call(address);
    }),
    register: {
      decide: async (draw) => {
        if (beforeDrawn !== undefined) await beforeDrawn();
        const ring = draw(rings.ring);
        if (decided !== undefined) await decided();
        if (ring === undefined) return { state: 'nothing' };
        decisions++;
        rings.ring = ring;
        return { state: 'decided', ring };
      },
    },
    ...options,
  });
  return { admission, calls, decisions: () => decisions };
}

function transportOf(
  call: (address: Address, type: string) => Promise<Called>,
): Pick<Transport, 'callAddress'> {
  const callAddress = async (
    address: Address,
    { type }: { readonly type: string },
  ): Promise<AddressAnswer<unknown>> => {
    const called = await call(address, type);
    if (typeof called === 'string') return { ok: false, reason: called };
    return { ok: true, from: called.from, reply: {} };
  };
  return { callAddress: callAddress as Transport['callAddress'] };
}

/** Whoever applies answers at its address. */
async function itself(address: Address): Promise<Called> {
  return { from: application(address.slice(0, address.indexOf(':'))).node };
}

function application(host: string, name = host) {
  return {
    type: 'membership.join',
    node: Buffer.from(host.repeat(8)).toString('hex') as NodeId,
    name,
    address: `${host}:7400` as Address,
    zone: 'default',
    weight: 1,
    clusterName: 'test',
    replicationFactor: undefined,
  } as const;
}
