import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { InvariantError } from '../../src/invariant.ts';
import type { PrepareReply } from '../../src/paxos/acceptor.ts';
import { allOf, majorityOf } from '../../src/paxos/acceptor-quorum.ts';
import { type Ballot, nextBallot } from '../../src/paxos/ballot.ts';
import { Round } from '../../src/paxos/proposer.ts';

const [a, b, c] = ['00000000000000aa', '00000000000000bb', '00000000000000cc'] as NodeId[] as [
  NodeId,
  NodeId,
  NodeId,
];
const acceptors = [a, b, c];
const low = nextBallot(undefined, a);
const middle = nextBallot(low, b);
const ballot = nextBallot(middle, a);
const above = nextBallot(ballot, c);

const promised = (accepted?: { ballot: Ballot; value: string }): PrepareReply<string> => ({
  promised: true,
  ballot,
  accepted,
});
const refused = { promised: false, accepted: false, ballot: above } as const;
const accepted = { accepted: true, ballot } as const;

function round(quorum = majorityOf(acceptors)): Round<string> {
  const change = (current: string | undefined) => `${current ?? 'empty'}+mine`;
  return new Round({ ballot, acceptors, quorum, change });
}

function preparedRound(): Round<string> {
  const prepared = round();
  prepared.promise(a, promised());
  prepared.promise(b, promised());
  return prepared;
}

/** Quotations are from Rystsov, "CASPaxos", section 2.2. */
describe('a round', () => {
  test('"waits for the F+1 confirmations"', () => {
    const one = round();
    expect(one.promise(a, promised())).toBe('preparing');
    expect(one.promise(b, promised())).toBe('accepting');
    expect(one.accept(c, accepted)).toBe('accepting');
    expect(one.accept(b, accepted)).toBe('chosen');
  });

  test('"if they all contain the empty value, then the proposer defines the current state as" none', () => {
    expect(preparedRound().value).toBe('empty+mine');
  });

  test('"otherwise it picks the value of the tuple with the highest ballot number"', () => {
    for (const order of [
      [a, b],
      [b, a],
    ]) {
      const one = round();
      for (const from of order) {
        const held = from === a ? { ballot: low, value: 'old' } : { ballot: middle, value: 'new' };
        one.promise(from, promised(held));
      }
      expect(one.value).toBe('new+mine');
    }
  });

  test('has no value to send before enough acceptors promised', () => {
    expect(() => round().value).toThrow(InvariantError);
  });

  test('counts an acceptor once in each half, and nobody else', () => {
    const one = round();
    one.promise(a, promised());
    expect(one.promise(a, promised())).toBe('preparing');
    expect(one.promise('00000000000000dd' as NodeId, promised())).toBe('preparing');
    one.promise(b, promised());
    one.accept(a, accepted);
    expect(one.accept(a, accepted)).toBe('accepting');
    expect(one.accept('00000000000000dd' as NodeId, accepted)).toBe('accepting');
  });

  test('does not count promises that come late as acceptances, nor lets them change the value', () => {
    const one = preparedRound();
    expect(one.promise(c, promised({ ballot: middle, value: 'late' }))).toBe('accepting');
    expect(one.value).toBe('empty+mine');
  });

  test('goes on without those that refused, as long as the others are enough', () => {
    const one = round();
    one.promise(a, refused);
    one.promise(b, promised());
    expect(one.promise(c, promised())).toBe('accepting');
    one.accept(a, refused);
    one.accept(b, accepted);
    expect(one.accept(c, accepted)).toBe('chosen');
  });

  test('that cannot get enough any more was refused, and knows the ballot to draw above', () => {
    const inFirstHalf = round();
    inFirstHalf.promise(a, refused);
    expect(inFirstHalf.promise(b, undefined)).toBe('refused');
    const inSecondHalf = preparedRound();
    inSecondHalf.accept(a, undefined);
    expect(inSecondHalf.accept(b, refused)).toBe('refused');
    for (const { seen } of [inFirstHalf, inSecondHalf]) {
      expect(nextBallot(seen, a) > above).toBe(true);
    }
  });

  test('that too few acceptors answered is unavailable, not refused', () => {
    const one = round();
    one.promise(a, undefined);
    expect(one.promise(c, undefined)).toBe('unavailable');
    expect(one.seen).toBe(ballot);
  });

  test('among founders needs all of them', () => {
    const one = round(allOf(acceptors));
    one.promise(a, promised());
    expect(one.promise(b, promised())).toBe('preparing');
    expect(one.promise(c, promised())).toBe('accepting');
    one.accept(a, accepted);
    one.accept(b, accepted);
    expect(one.accept(c, undefined)).toBe('unavailable');
  });

  test('stays ended once it has ended', () => {
    const one = round(allOf(acceptors));
    one.promise(a, refused);
    expect(one.promise(b, promised())).toBe('refused');
    expect(one.accept(b, accepted)).toBe('refused');
  });
});
