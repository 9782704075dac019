/**
 * Exhaustive exploration: every state that a model can reach, in order of distance from its first
 * state (breadth first, so the first flaw found is one of the shortest). A model is a small program
 * that says which steps are possible in a state; messages have no order and no deadline in it, so
 * "lost" is "late for ever" and comes without saying.
 */
import { invariant } from '../../src/invariant.ts';
import { newState, type State, StateSet } from './state-set.ts';

/** Told of each possible step: the state after it, its story, and what is wrong with it, if anything. */
export type Visit = (next: State, story: () => string, flaw: string | undefined) => void;

export interface Model {
  /** Fields, one byte each, of a state. */
  readonly fields: number;
  /** Sets up the first state in `state`, whose fields are all 0. */
  begin(state: State): void;
  /** Tells `visit` of every step possible in `state`. The state handed on is only lent. */
  eachStep(state: State, visit: Visit): void;
}

export interface Counterexample {
  readonly flaw: string;
  readonly steps: readonly string[];
}

export interface Exploration {
  readonly states: number;
  readonly steps: number;
  /** Steps from the first state to the last one met. */
  readonly depth: number;
  /** `undefined`: the whole space was explored and nothing is wrong in it. */
  readonly counterexample: Counterexample | undefined;
}

/** @throws Error when there are more than `maxStates` states: then nothing is known. */
export function explore(model: Model, maxStates = 120_000_000): Exploration {
  const current = newState(model.fields);
  const known = new StateSet(current.words.length);
  model.begin(current);
  known.add(current.words, undefined);

  let steps = 0;
  let depth = 0;
  let layerEnd = 1;
  let found: { readonly flaw: string; readonly story: string } | undefined;
  for (let index = 0; index < known.size; index++) {
    if (index === layerEnd) {
      depth += 1;
      layerEnd = known.size;
    }
    known.read(index, current.words);
    model.eachStep(current, (next, story, flaw) => {
      steps += 1;
      if (flaw === undefined) known.add(next.words, index);
      else found ??= { flaw, story: story() };
    });
    if (found !== undefined) {
      const path = [...pathTo(model, known, index), found.story];
      const counterexample = { flaw: found.flaw, steps: path };
      return { states: known.size, steps, depth, counterexample };
    }
    if (known.size > maxStates) throw new Error(`more than ${maxStates} states`);
  }
  return { states: known.size, steps, depth, counterexample: undefined };
}

/** The stories of the steps from the first state to state number `index`: they are told again. */
function pathTo(model: Model, known: StateSet, index: number): readonly string[] {
  const parent = known.parentOf(index);
  if (parent === undefined) return [];
  const before = newState(model.fields);
  const after = newState(model.fields);
  known.read(parent, before.words);
  known.read(index, after.words);
  let told: string | undefined;
  model.eachStep(before, (next, story, flaw) => {
    const leadsHere = next.words.every((word, place) => word === after.words[place]);
    if (flaw === undefined && leadsHere) told ??= story();
  });
  invariant(told !== undefined, 'a step from a state to the one found from it');
  return [...pathTo(model, known, parent), told];
}
