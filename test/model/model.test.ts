import { describe, expect, test } from 'vitest';
import { CASES, type Case } from './cases.ts';
import { explore, type Model, type Visit } from './explore.ts';
import { RING_CLAUSES } from './ring-clauses.ts';
import { at, newState, type State } from './state-set.ts';

const QUICK = CASES.filter(({ length }) => length === 'quick');
/** Far more than needed; the machine may be busy with other things. */
const TIMEOUT_MS = 60_000;

describe('with every rule in force nothing goes wrong, in any order of events:', () => {
  test.each(named(QUICK.filter(({ omitted }) => omitted === undefined)))(
    '%s',
    (_, { model }) => {
      expect(explore(model()).counterexample).toBeUndefined();
    },
    TIMEOUT_MS,
  );
});

describe('something goes wrong without the rule:', () => {
  test.each(named(QUICK.filter(({ expected }) => expected === 'a counterexample')))(
    '%s',
    (_, { model }) => {
      expect(explore(model()).counterexample).toBeDefined();
    },
    TIMEOUT_MS,
  );
});

describe('an atomic register does not need the rule:', () => {
  const spare = CASES.filter(({ omitted, expected }) => omitted && expected === 'nothing');
  test.each(named(spare.filter(({ length }) => length === 'quick')))(
    '%s',
    (_, { model }) => {
      expect(explore(model()).counterexample).toBeUndefined();
    },
    TIMEOUT_MS,
  );
});

test('states that are told as one hide nothing: each rule of a ring change shows in all of them too', () => {
  for (const rule of Object.keys(RING_CLAUSES)) {
    const lengths = CASES.filter(({ omitted }) => omitted?.rule === rule).map(({ name }) => name);
    expect(lengths.some((name) => name.endsWith('reduced'))).toBe(true);
    expect(lengths.some((name) => name.endsWith('plain'))).toBe(true);
  }
  const plain = CASES.find(
    ({ name, omitted }) => name === 'a -> b, plain' && omitted?.rule === 'old set stores',
  );
  expect(plain && explore(plain.model()).counterexample?.steps).toEqual([
    'b stores A, sent under epoch 1 (joint a -> b)',
    'the writer of A goes on to epoch 1 (joint a -> b); A is acknowledged',
    'a read begins: a answers it with nothing, under epoch 0 (a); the read ends with nothing',
  ]);
});

test('what is explored goes all the way: a fold, the last ring, a write acknowledged and read under it', () => {
  const change = CASES.find(({ name }) => name === 'a -> b -> c, merged');
  expect(change).toBeDefined();
  if (change === undefined) return;
  const stepsTo = (ending: RegExp) =>
    explore(new Until(change.model(), ending)).counterexample?.steps ?? [];
  expect(stepsTo(/epoch 3 \(c\) is decided/)).toHaveLength(1);
  expect(stepsTo(/c stores B, sent under epoch 3 \(c\); B is acknowledged/)).not.toEqual([]);
  expect(stepsTo(/c answers it with B, under epoch 3 \(c\); the read returns B/)).not.toEqual([]);
});

describe('the explorer', () => {
  test('meets every state once, and tells the shortest way to a wrong one', () => {
    const right = explore(new Grid(200, undefined));
    expect(right).toEqual({ states: 40_000, steps: 79_600, depth: 398, counterexample: undefined });

    const wrong = explore(new Grid(200, [2, 1]));
    expect(wrong.counterexample?.flaw).toBe('there it is');
    expect(wrong.counterexample?.steps).toHaveLength(3);
    expect([...(wrong.counterexample?.steps ?? [])].sort()).toEqual(['down', 'right', 'right']);
  });

  test('says so when there are more states than it was given room for', () => {
    expect(() => explore(new Grid(200, undefined), 1_000)).toThrow('more than 1000 states');
  });
});

/** Walks right and down on a square; one of its places may be wrong. */
class Grid implements Model {
  readonly fields = 2;
  readonly #side: number;
  readonly #wrong: readonly [number, number] | undefined;

  constructor(side: number, wrong: readonly [number, number] | undefined) {
    this.#side = side;
    this.#wrong = wrong;
  }

  begin(): void {}

  eachStep({ bytes }: State, visit: Visit): void {
    for (const [field, story] of ['right', 'down'].entries()) {
      if (at(bytes, field) + 1 === this.#side) continue;
      const next = newState(this.fields);
      next.bytes.set(bytes);
      next.bytes[field] = at(bytes, field) + 1;
      const [x, y] = this.#wrong ?? [];
      const isWrong = at(next.bytes, 0) === x && at(next.bytes, 1) === y;
      visit(next, () => story, isWrong ? 'there it is' : undefined);
    }
  }
}

/** A model in which a step with a certain story is what is looked for. */
class Until implements Model {
  readonly fields: number;
  readonly #model: Model;
  readonly #ending: RegExp;

  constructor(model: Model, ending: RegExp) {
    this.fields = model.fields;
    this.#model = model;
    this.#ending = ending;
  }

  begin(state: State): void {
    this.#model.begin(state);
  }

  eachStep(state: State, visit: Visit): void {
    this.#model.eachStep(state, (next, story) => {
      visit(next, story, this.#ending.test(story()) ? 'found' : undefined);
    });
  }
}

function named(cases: readonly Case[]): readonly (readonly [string, Case])[] {
  return cases.map((one) => [
    one.omitted === undefined ? one.name : `${one.omitted.rule} (${one.name})`,
    one,
  ]);
}
