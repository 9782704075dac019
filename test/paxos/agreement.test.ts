import { describe, expect, test } from 'vitest';
import type { accept, prepare } from '../../src/paxos/acceptor.ts';
import { type History, type Outcome, PROTOCOL, type Protocol, runSchedule } from './schedule.ts';

const SCHEDULES = 3_000;

/** The ring register's: what is decided stays. */
const keep = (current: History | undefined, mark: string): History => current ?? [mark];
const append = (current: History | undefined, mark: string): History => [...(current ?? []), mark];

describe('under lost, repeated and reordered messages and forgetful proposers', () => {
  test('never two different values are chosen when the first one is to stay', () => {
    let decided = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const outcome = run(seed, keep, PROTOCOL);
      expect(flawOf(outcome), `seed ${seed}`).toBeUndefined();
      expect(new Set(outcome.chosen.map(({ value }) => value.join())).size).toBeLessThanOrEqual(1);
      if (outcome.reported.length > 0) decided += 1;
    }
    expect(decided).toBeGreaterThan(SCHEDULES / 2); // the schedules are not all too rough to decide
  });

  test('every chosen value was made from the one chosen before it', () => {
    let chains = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const outcome = run(seed, append, PROTOCOL);
      expect(flawOf(outcome), `seed ${seed}`).toBeUndefined();
      if (outcome.chosen.length > 2) chains += 1;
    }
    expect(chains).toBeGreaterThan(SCHEDULES / 4);
  });
});

describe('the same schedules find', () => {
  const acceptsBelowItsPromise: typeof accept = (_, ballot, value) => ({
    state: { promised: ballot, accepted: { ballot, value } },
    reply: { accepted: true, ballot },
  });
  const forgetsItsPromise: typeof prepare = (state, ballot) => {
    const { reply } = PROTOCOL.prepare(state, ballot);
    return { state, reply };
  };
  const hidesWhatItAccepted: typeof prepare = (state, ballot) => {
    const { state: next, reply } = PROTOCOL.prepare(state, ballot);
    return { state: next, reply: reply.promised ? { ...reply, accepted: undefined } : reply };
  };
  const promisesABallotTwice: typeof prepare = (state, ballot) =>
    state.promised === ballot
      ? { state, reply: { promised: true, ballot, accepted: state.accepted } }
      : PROTOCOL.prepare(state, ballot);
  const half: Protocol['quorumOf'] = (acceptors) => (nodes) =>
    2 * nodes.size >= acceptors.length - 1;

  test.each<[string, Partial<Protocol>]>([
    ['an acceptor that accepts below its promise', { accept: acceptsBelowItsPromise }],
    ['an acceptor that forgets its promise', { prepare: forgetsItsPromise }],
    ['an acceptor that hides what it accepted', { prepare: hidesWhatItAccepted }],
    ['an acceptor that promises one ballot twice', { prepare: promisesABallotTwice }],
    ['quorums that share no acceptor', { quorumOf: half }],
  ])('%s', (_, mutation) => {
    const mutant = { ...PROTOCOL, ...mutation };
    const found = Array.from({ length: SCHEDULES }, (_, index) =>
      flawOf(run(index + 1, append, mutant)),
    );
    expect(found.some((flaw) => flaw !== undefined)).toBe(true);
  });
});

function run(seed: number, change: typeof keep, protocol: Protocol): Outcome {
  const acceptors = 2 + (seed % 4);
  const scattered = Math.imul(seed, 0x9e37_79b1);
  return runSchedule({ seed: scattered, acceptors, proposers: 3, steps: 300, change }, protocol);
}

/** What is wrong with an outcome, in words. */
function flawOf({ chosen, reported }: Outcome): string | undefined {
  let before: History = [];
  for (const { value } of chosen) {
    if (!before.every((mark, index) => value[index] === mark))
      return `${before} was lost in ${value}`;
    before = value;
  }
  const values = new Set(chosen.map(({ value }) => value.join()));
  const invented = reported.find((value) => !values.has(value.join()));
  return invented === undefined ? undefined : `${invented} was reported, but never chosen`;
}
