/** What is explored: every rule in force, which must find nothing; and without one, which must find something. */
import type { Model } from './explore.ts';
import { LastSurvivors, SURVIVOR_CLAUSES, type SurvivorClause } from './last-survivors.ts';
import { LEASE_CLAUSES, type LeaseClause, LeaseTerms } from './lease-terms.ts';
import { RingChange, type States } from './ring-change.ts';
import { type Clause, RING_CLAUSES, SPARE_RULES } from './ring-clauses.ts';
import { REGISTER_CLAUSES, type RegisterClause, RingRegister } from './ring-register.ts';
import type { Scenario } from './ring-scenario.ts';

export interface Case {
  /** What is explored: "abc -> bcd -> cde, reduced". */
  readonly name: string;
  /** The rule left out, and what happens instead. `undefined`: all are in force. */
  readonly omitted: { readonly rule: string; readonly instead: string } | undefined;
  readonly expected: 'nothing' | 'a counterexample';
  /** `quick` ones run with every check. */
  readonly length: 'quick' | 'long';
  readonly model: () => Model;
}

/** The smallest changes in which leaving out each rule shows. */
const SHOWS_IN: Readonly<Record<keyof typeof RING_CLAUSES, string>> = {
  'older epochs refused': 'a -> b',
  'newer epoch taken first': 'a -> b',
  'old set asked': 'a -> b',
  'wanted set asked': 'a -> b',
  'old set stores': 'a -> b',
  'wanted set stores': 'a -> b',
  'old set written back': 'a -> b -> c',
  'wanted set written back': 'a -> b',
  'old set agrees': 'a -> b -> c',
  'wanted set agrees': 'a -> b',
  'reads write back': 'a -> b',
  'pulls from n-q+1': 'abc -> a',
  'kept replicas pull': 'abc -> a',
  'all pull again after a fold': 'a -> abc -> b',
  'sources take the joint epoch': 'a -> b',
  'new when all have pulled': 'a -> abc',
  'old set stays while joint': 'a -> b -> c',
  'same version after a refusal': 'a -> b',
};

/**
 * The same with sets of three. Pulls of kept replicas are not among them: they show only where a
 * single replica is left (docs/model.md).
 */
const SHOWS_IN_THREES: readonly (readonly [keyof typeof RING_CLAUSES, string])[] = [
  ['pulls from n-q+1', 'abc -> bcd'],
  ['all pull again after a fold', 'abc -> bcd -> d'],
  ['sources take the joint epoch', 'abc -> bcd'],
  ['new when all have pulled', 'abc -> bcd'],
  ['old set stays while joint', 'abc -> bcd -> cde'],
];

const QUICK_CHANGES = ['a -> b', 'ab -> bc', 'a -> abc', 'abc -> a', 'ab -> abc', 'abc -> ab'];
const QUICK_FOLDS = ['a -> b -> c', 'a -> abc -> b', 'ab -> bc -> cd'];
const LONG_FOLDS = [
  'abc -> bcd -> abc',
  'abc -> bcd -> acd',
  'abc -> abd -> abe',
  'abc -> bcd -> cde',
  'abc -> bcd -> d',
];

export const CASES: readonly Case[] = [
  ...[...QUICK_CHANGES, 'abc -> bcd', ...QUICK_FOLDS].map((change) =>
    sound(change, 'reduced', 'quick'),
  ),
  ...['a -> b', 'abc -> a', 'a -> b -> c'].map((change) => sound(change, 'merged', 'quick')),
  ...['a -> b', 'ab -> b'].map((change) => sound(change, 'plain', 'quick')),
  ...LONG_FOLDS.map((change) => sound(change, 'reduced', 'long')),
  ...['abc -> bcd', 'ab -> bc -> cd', 'a -> abc -> b'].map((change) =>
    sound(change, 'merged', 'long'),
  ),
  ...['ab -> bc', 'a -> abc', 'a -> b -> c', 'abc -> a'].map((change) =>
    sound(change, 'plain', 'long'),
  ),

  ...clauses(RING_CLAUSES).flatMap((rule) => [
    broken(rule, SHOWS_IN[rule], 'reduced', 'quick'),
    broken(rule, SHOWS_IN[rule], 'plain', 'long'),
  ]),
  ...SHOWS_IN_THREES.map(([rule, change]) => broken(rule, change, 'reduced', 'long')),
  ...clauses(SPARE_RULES).flatMap((rule) => [
    spare(rule, 'ab -> bc', 'quick'),
    spare(rule, 'abc -> bcd', 'long'),
    spare(rule, 'a -> abc -> bc', 'long'),
  ]),
  spare('all have pulled, not only a quorum', 'abc -> bcd -> cde', 'long'),
  spare('answers counted anew', 'ab -> bc -> cd', 'long'),

  register(undefined),
  ...clauses(REGISTER_CLAUSES).map(register),

  survivors(undefined, { members: 3, missing: 1, graceTicks: 2 }, 'quick'),
  survivors(undefined, { members: 5, missing: 2, graceTicks: 1 }, 'quick'),
  survivors(undefined, { members: 5, missing: 2, graceTicks: 2 }, 'long'),
  ...clauses(SURVIVOR_CLAUSES).flatMap((rule) => [
    survivors(rule, { members: 3, missing: 1, graceTicks: 1 }, 'quick'),
    survivors(rule, { members: 5, missing: 2, graceTicks: 1 }, 'long'),
  ]),
  leases(undefined, 1, 'quick'),
  leases(undefined, 2, 'long'),
  ...clauses(LEASE_CLAUSES).map((rule) => leases(rule, 1, 'quick')),
];

function sound(change: string, states: States, length: Case['length']): Case {
  return ringCase(change, states, length, { omitted: undefined, expected: 'nothing' });
}

function broken(
  rule: keyof typeof RING_CLAUSES,
  change: string,
  states: States,
  length: Case['length'],
): Case {
  return ringCase(change, states, length, { omitted: rule, expected: 'a counterexample' });
}

function spare(rule: keyof typeof SPARE_RULES, change: string, length: Case['length']): Case {
  return ringCase(change, 'reduced', length, { omitted: rule, expected: 'nothing' });
}

function ringCase(
  change: string,
  states: States,
  length: Case['length'],
  { omitted, expected }: { omitted: Clause | undefined } & Pick<Case, 'expected'>,
): Case {
  const rules = { ...RING_CLAUSES, ...SPARE_RULES };
  return {
    name: `${change}, ${states}`,
    omitted: omitted && { rule: omitted, instead: rules[omitted] },
    expected,
    length,
    model: () => new RingChange({ scenario: scenarioOf(change), omitted, states }),
  };
}

function register(omitted: RegisterClause | undefined): Case {
  return {
    name: 'ring register',
    omitted: omitted && { rule: omitted, instead: REGISTER_CLAUSES[omitted] },
    expected: omitted === undefined ? 'nothing' : 'a counterexample',
    length: 'quick',
    model: () => new RingRegister(omitted),
  };
}

function survivors(
  omitted: SurvivorClause | undefined,
  split: { readonly members: number; readonly missing: number; readonly graceTicks: number },
  length: Case['length'],
): Case {
  const { members, missing, graceTicks } = split;
  return {
    name: `last survivors ${members - missing}|${missing}, grace ${graceTicks}`,
    omitted: omitted && { rule: omitted, instead: SURVIVOR_CLAUSES[omitted] },
    expected: omitted === undefined ? 'nothing' : 'a counterexample',
    length,
    model: () => new LastSurvivors({ ...split, omitted }),
  };
}

function leases(
  omitted: LeaseClause | undefined,
  graceTicks: number,
  length: Case['length'],
): Case {
  return {
    name: `leases over a change of voters, grace ${graceTicks}`,
    omitted: omitted && { rule: omitted, instead: LEASE_CLAUSES[omitted] },
    expected: omitted === undefined ? 'nothing' : 'a counterexample',
    length,
    model: () => new LeaseTerms({ graceTicks, omitted }),
  };
}

/** "ab -> bc -> cd" */
function scenarioOf(change: string): Scenario {
  const [old = '', ...wanted] = change.split(' -> ');
  return { old, wanted };
}

function clauses<Name extends string>(rules: Readonly<Record<Name, string>>): readonly Name[] {
  return Object.keys(rules) as Name[];
}
