import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { type AcceptorState, accept, FRESH_ACCEPTOR, prepare } from '../../src/paxos/acceptor.ts';
import { nextBallot } from '../../src/paxos/ballot.ts';

const node = '00000000000000aa' as NodeId;
const low = nextBallot(undefined, node);
const middle = nextBallot(low, node);
const high = nextBallot(middle, node);
const fresh: AcceptorState<string> = FRESH_ACCEPTOR;

/** Quotations are from Rystsov, "CASPaxos", section 2.2. */
describe('an acceptor asked to prepare', () => {
  test('"returns a conflict if it already saw a greater ballot number"', () => {
    const promised = prepare(fresh, middle).state;
    expect(prepare(promised, low)).toEqual({
      state: promised,
      reply: { promised: false, ballot: middle },
    });
    const accepted = accept(fresh, middle, 'x').state;
    expect(prepare(accepted, low).reply).toEqual({ promised: false, ballot: middle });
  });

  test('"persists the ballot number as a promise"', () => {
    expect(prepare(fresh, low).state).toEqual({ promised: low, accepted: undefined });
    expect(prepare(prepare(fresh, low).state, high).state.promised).toBe(high);
  });

  test('"returns a confirmation either with an empty value (if it hasn\'t accepted any value yet)"', () => {
    expect(prepare(fresh, low).reply).toEqual({ promised: true, ballot: low, accepted: undefined });
  });

  test('"or with a tuple of an accepted value and its ballot number"', () => {
    const accepted = accept(fresh, low, 'x').state;
    expect(prepare(accepted, high)).toEqual({
      state: { promised: high, accepted: { ballot: low, value: 'x' } },
      reply: { promised: true, ballot: high, accepted: { ballot: low, value: 'x' } },
    });
  });

  test('promises a ballot once: asked again it refuses, and changes nothing (a deviation)', () => {
    const promised = prepare(fresh, low).state;
    expect(prepare(promised, low)).toEqual({
      state: promised,
      reply: { promised: false, ballot: low },
    });
    const accepted = accept(promised, low, 'x').state;
    expect(prepare(accepted, low).reply).toEqual({ promised: false, ballot: low });
  });
});

describe('an acceptor asked to accept', () => {
  test('"returns a conflict if it already saw a greater ballot number"', () => {
    const promised = prepare(fresh, high).state;
    expect(accept(promised, middle, 'x')).toEqual({
      state: promised,
      reply: { accepted: false, ballot: high },
    });
    const accepted = accept(fresh, high, 'x').state;
    expect(accept(accepted, middle, 'y').state).toBe(accepted);
  });

  test('"marks the received tuple (ballot number, value) as the accepted value"', () => {
    const promised = prepare(fresh, middle).state;
    expect(accept(promised, middle, 'x')).toEqual({
      state: { promised: middle, accepted: { ballot: middle, value: 'x' } },
      reply: { accepted: true, ballot: middle },
    });
  });

  test('takes a higher ballot that it never promised, and nothing below it afterwards', () => {
    const { state } = accept(prepare(fresh, low).state, high, 'x');
    expect(state).toEqual({ promised: high, accepted: { ballot: high, value: 'x' } });
    expect(accept(state, middle, 'y').reply).toEqual({ accepted: false, ballot: high });
  });

  test('answers the same accept again in the same way, and has nothing new to make durable', () => {
    const { state } = accept(fresh, low, 'x');
    expect(accept(state, low, 'x').state).toBe(state);
    expect(accept(state, low, 'x').reply).toEqual({ accepted: true, ballot: low });
  });
});
