import { beforeEach, describe, expect, test } from 'vitest';
import type { Address, Epoch, Incarnation, NodeId } from '../../src/ids.ts';
import { withBound } from '../../src/membership/remembered-bounds.ts';
import { RingAcceptor } from '../../src/membership/ring-acceptor.ts';
import type { RingHolder } from '../../src/membership/ring-holder.ts';
import { proposeRing } from '../../src/membership/ring-proposal.ts';
import { majorityOf } from '../../src/paxos/acceptor-quorum.ts';
import { type Ballot, nextBallot } from '../../src/paxos/ballot.ts';
import type { Member } from '../../src/ring/member.ts';
import { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import type { ClockBound, Request, RequestOf } from '../../src/rpc/messages.ts';
import type { Transport } from '../../src/rpc/transport.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import type { Change } from '../../src/storage/store.ts';
import { membersFrom, nodeId } from '../ring/placement.ts';
import { jointRing, ringOf } from '../ring/sample-rings.ts';
import { HandClock } from '../runtime/hand-clock.ts';

const [A, B, C] = [nodeId(1), nodeId(2), nodeId(3)];
const RING = ringOf(membersFrom(1, 3), { partitionCount: 4 });
const EPOCH = (RING.epoch + 1) as Epoch;
const NEXT = encodeRing(new Ring({ ...RING, epoch: EPOCH }));
const BALLOT = nextBallot(undefined, B);

let tried = true;
beforeEach(() => {
  tried = true;
});

describe('a vote', () => {
  test('is kept with a higher bound, each time that it says something new', async () => {
    const { acceptor, kept } = await open(A);
    const promise = {
      type: 'ring.prepare',
      register: 'next',
      epoch: EPOCH,
      ballot: BALLOT,
    } as const;
    expect(await acceptor.prepare(promise, B)).toMatchObject({ reply: { promised: true } });
    const vote = voteFor(BALLOT);
    expect(await acceptor.accept(vote, B)).toMatchObject({ reply: { accepted: true } });
    expect(await acceptor.accept(vote, B)).toMatchObject({ reply: { accepted: true } });
    const consent = {
      type: 'ring.consent',
      epoch: RING.epoch,
      missing: [C],
      to: 'survivors',
    } as const;
    await acceptor.agreeToSurvivors(consent, () => true, B);
    expect(kept).toHaveLength(3);
  });

  test('is not given before this life has looked for all other members', async () => {
    const { acceptor } = await open(A);
    tried = false;
    expect(await acceptor.accept(voteFor(BALLOT), B)).toMatchObject({ ok: false });
    tried = true;
    expect(await acceptor.accept(voteFor(BALLOT), B)).toMatchObject({ ok: true });
  });
});

describe('a proposer', () => {
  test('remembers the bound of each vote before it counts it', async () => {
    const told = new Map<NodeId, number>();
    const proposed = await propose((voter, { boundMs }) => {
      told.set(voter, boundMs);
      return true;
    });
    expect(proposed.state).toBe('chosen');
    expect(told.get(A)).toBe(2);
  });

  test('does not count the votes of a disk that was put back', async () => {
    const proposed = await propose(() => false);
    expect(proposed.state).toBe('undecided');
  });

  /** B proposes; A answers, C does not. */
  async function propose(follows: (voter: NodeId, told: ClockBound) => boolean) {
    const voters = new Map([
      [A, await open(A)],
      [B, await open(B)],
    ]);
    const clock = new HandClock();
    const call = async (to: NodeId, request: Request): Promise<unknown> => {
      const voter = voters.get(to);
      if (voter === undefined) return { ok: false, from: to, failure: 'unreachable' };
      const { acceptor, kept } = voter;
      const vote =
        request.type === 'ring.prepare'
          ? await acceptor.prepare(request, B)
          : await acceptor.accept(request as RequestOf<'ring.accept'>, B);
      const served = withBound<object>(vote, { life: to, startBoundMs: 0, boundMs: kept.length });
      return { ...served, from: to, failure: 'refused' };
    };
    return proposeRing({
      ...{ self: B, register: 'next', epoch: EPOCH, above: undefined, clock, follows },
      acceptors: [A, B, C],
      quorum: majorityOf([A, B, C]),
      change: (accepted) => accepted ?? NEXT,
      transport: { call } as unknown as Transport,
    });
  }
});

describe('a vote for a ring with other lease terms', () => {
  const [D] = membersFrom(4, 4);
  const SHORTER = encodeRing(new Ring({ ...RING, epoch: EPOCH, graceMs: RING.graceMs - 1 }));
  const JOINT = encodeRing(jointRing(RING, [...RING.members, D as Member]));

  test.each([
    ['another grace period', SHORTER, true],
    ['the same terms', NEXT, false],
    ['a newcomer, who has no vote yet', JOINT, false],
  ])('may end the leases of the present one: %s', async (_what, ring, ends) => {
    const clock = new HandClock();
    const { acceptor } = await open(A, { clock });
    expect(acceptor.endsLeasesSince).toBeUndefined();
    const acceptedMs = clock.monotonicMs();
    await acceptor.accept(voteFor(BALLOT, ring), B);
    expect(acceptor.endsLeasesSince?.monotonicMs).toBe(ends ? acceptedMs : undefined);
    // It may have been decided by the first vote.
    clock.advance(1_000);
    await acceptor.accept(voteFor(nextBallot(BALLOT, B), ring), B);
    await acceptor.accept(voteFor(BALLOT, NEXT), B); // refused: a lower ballot
    expect(acceptor.endsLeasesSince?.monotonicMs).toBe(ends ? acceptedMs : undefined);
  });

  test('ends them for a member that has left since, too', async () => {
    const clock = new HandClock();
    const { acceptor, rings } = await open(A, { clock });
    const acceptedMs = clock.monotonicMs();
    await acceptor.accept(voteFor(BALLOT, SHORTER), B);
    expect(acceptor.endsLeasesSince).toBeDefined();
    rings.ring = undefined;
    expect(acceptor.endsLeasesSince?.monotonicMs).toBe(acceptedMs);
  });

  test('is remembered over a restart, by which its time is lost', async () => {
    const store = new MemoryStore();
    const { acceptor } = await open(A, { store });
    await acceptor.accept(voteFor(BALLOT, SHORTER), B);
    const again = await open(A, { store });
    expect(again.acceptor.endsLeasesSince?.monotonicMs).toBe(Number.NEGATIVE_INFINITY);
  });
});

function voteFor(ballot: Ballot, ring = NEXT) {
  return { type: 'ring.accept', register: 'next', epoch: EPOCH, ballot, ring } as const;
}

/** The acceptor of a member of `RING`, and what it kept together with a higher bound. */
async function open(self: NodeId, { clock = new HandClock(), store = new MemoryStore() } = {}) {
  const kept: (readonly Change[])[] = [];
  const rings = {
    ring: RING as Ring | undefined,
    encoded: encodeRing(RING) as Uint8Array | undefined,
    former: undefined,
  };
  const acceptor = await RingAcceptor.open({
    register: 'next',
    clock,
    identity: { nodeId: self, incarnation: 1 as Incarnation, nonce: '' },
    terms: {
      ...{ nodeName: self, clusterName: RING.clusterName, zone: 'default', weight: 1 },
      ...{ address: () => 'a:1' as Address, founders: [], partitionCount: 4, graceMs: 60_000 },
      ...{ replicationFactor: 3, replicationFactorGiven: false, lastSurvivor: 'use' },
    },
    rings: rings as RingHolder,
    store,
    keep: async (changes) => {
      kept.push(changes);
      await store.batch(changes);
    },
    triedAll: () => tried,
    catchUp: async () => undefined,
  });
  return { acceptor, kept, rings };
}
