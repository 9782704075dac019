/**
 * Nodes that are replicas in the same epochs play the same part: two states that differ only in which
 * of them is which have the same future, and only one of the two needs to be explored.
 */
import { FIELDS_PER_NODE, IN_FLIGHT, MASK_FIELDS, PULLED, PULLED_ALL } from './ring-fields.ts';
import { countOf, type Epochs } from './ring-scenario.ts';
import { at, newState, type State } from './state-set.ts';

/** One way to rename nodes, and what it makes of the fields that speak of nodes. */
interface Renaming {
  /** Old number -> new number. */
  readonly nodes: Uint8Array;
  readonly masks: Uint8Array;
  readonly inFlight: Uint8Array;
}

export class Symmetry {
  readonly #renamings: readonly Renaming[];
  readonly #nodes: number;
  readonly #candidate: State;
  readonly #best: State;

  constructor(epochs: Epochs, sources: number, fields: number) {
    this.#nodes = epochs.nodes;
    this.#candidate = newState(fields);
    this.#best = newState(fields);
    const parts = Array.from({ length: epochs.nodes }, (_, node) => partOf(epochs, node));
    this.#renamings = permutationsWithin(parts)
      .filter((nodes) => nodes.some((to, from) => to !== from))
      .map((nodes) => renaming(nodes, sources));
  }

  /** Puts the smallest of all states that `state` can be renamed to in its place. */
  normalize(state: State): void {
    if (this.#renamings.length === 0) return;
    this.#best.words.set(state.words);
    for (const renaming of this.#renamings) {
      this.#rename(state, renaming);
      if (isBelow(this.#candidate.words, this.#best.words)) {
        this.#best.words.set(this.#candidate.words);
      }
    }
    state.words.set(this.#best.words);
  }

  #rename({ bytes, words }: State, { nodes, masks, inFlight }: Renaming): void {
    const renamed = this.#candidate.bytes;
    this.#candidate.words.set(words);
    for (let node = 0; node < this.#nodes; node++) {
      const from = node * FIELDS_PER_NODE;
      const to = at(nodes, node) * FIELDS_PER_NODE;
      for (let field = 0; field < FIELDS_PER_NODE; field++) {
        renamed[to + field] = at(bytes, from + field);
      }
      const pulled = at(bytes, from + PULLED);
      renamed[to + PULLED] = pulled === PULLED_ALL ? PULLED_ALL : at(masks, pulled);
      renamed[to + IN_FLIGHT] = at(inFlight, at(bytes, from + IN_FLIGHT));
    }
    const shared = this.#nodes * FIELDS_PER_NODE;
    for (const field of MASK_FIELDS) {
      renamed[shared + field] = at(masks, at(bytes, shared + field));
    }
  }
}

/** In which sets of which epochs a node is. */
function partOf({ sets }: Epochs, node: number): string {
  return sets.map(({ old, wanted }) => `${(old >>> node) & 1}${(wanted >>> node) & 1}`).join(' ');
}

function permutationsWithin(parts: readonly string[]): readonly (readonly number[])[] {
  let permutations: number[][] = [[]];
  for (const part of parts) {
    permutations = permutations.flatMap((taken) =>
      parts
        .map((other, node) => ({ other, node }))
        .filter(({ other, node }) => other === part && !taken.includes(node))
        .map(({ node }) => [...taken, node]),
    );
  }
  return permutations;
}

function renaming(nodes: readonly number[], sources: number): Renaming {
  const masks = Uint8Array.from({ length: 2 ** nodes.length }, (_, mask) =>
    nodes.reduce((sum, to, from) => sum | (((mask >>> from) & 1) << to), 0),
  );
  const ranked = nodes.map((to, from) => ({ from, to })).filter(({ from }) => isIn(sources, from));
  const shiftOf = (node: number): number => 2 * countOf(sources & ((1 << node) - 1));
  const inFlight = Uint8Array.from({ length: 256 }, (_, versions) =>
    ranked.reduce(
      (sum, { from, to }) => sum | (((versions >>> shiftOf(from)) & 3) << shiftOf(to)),
      0,
    ),
  );
  return { nodes: Uint8Array.from(nodes), masks, inFlight };
}

function isIn(mask: number, node: number): boolean {
  return ((mask >>> node) & 1) === 1;
}

function isBelow(words: Uint32Array, others: Uint32Array): boolean {
  for (let word = 0; word < words.length; word++) {
    const difference = at(words, word) - at(others, word);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
