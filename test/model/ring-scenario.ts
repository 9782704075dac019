/**
 * A change of one partition's replicas, as a list of epochs: the old set at rest, one joint epoch for
 * each wanted set, the last wanted set at rest. More than one wanted set is a *fold*: what is wanted
 * changes while the ring is joint, and the old set stays.
 *
 * Nodes are numbered in the order of the alphabet; a set of nodes is a mask, bit n for node n.
 */
import { quorumOf } from '../../src/quorum/consistency-level.ts';
import type { Clause } from './ring-clauses.ts';

export interface Scenario {
  /** The replicas before the change, one letter each: `abc`. */
  readonly old: string;
  /** The replicas wanted; a second one is the fold. */
  readonly wanted: readonly string[];
}

/** The replica sets of one epoch. */
export interface EpochSets {
  /** The set that counts; while joint, the old one. */
  readonly old: number;
  /** While joint, the wanted set; 0 at rest. */
  readonly wanted: number;
}

/** Which messages a rule counts the answers of. */
export type Counted = 'ask' | 'store' | 'write back' | 'agree';

export class Epochs {
  readonly names: string;
  readonly nodes: number;
  readonly sets: readonly EpochSets[];
  /** The last epoch: the last wanted set at rest. */
  readonly last: number;
  /** The last joint epoch: the one that `last` completes. */
  readonly joint: number;
  readonly #enough: Readonly<Record<Counted, readonly Uint8Array[]>>;

  constructor(scenario: Scenario, omitted: Clause | undefined) {
    const { old, wanted } = scenario;
    this.names = [...new Set(old + wanted.join(''))].sort().join('');
    this.nodes = this.names.length;
    this.sets = this.#setsOf(scenario, omitted);
    this.last = this.sets.length - 1;
    this.joint = this.last - 1;
    this.#enough = {
      ask: this.#tablesFor(omitted, 'old set asked', 'wanted set asked'),
      store: this.#tablesFor(omitted, 'old set stores', 'wanted set stores'),
      'write back': this.#tablesFor(omitted, 'old set written back', 'wanted set written back'),
      agree: this.#tablesFor(omitted, 'old set agrees', 'wanted set agrees'),
    };
  }

  setsOf(epoch: number): EpochSets {
    return this.sets[epoch] ?? { old: 0, wanted: 0 };
  }

  /** Whether `node` is a replica in `epoch`, of either set. */
  has(epoch: number, node: number): boolean {
    const { old, wanted } = this.setsOf(epoch);
    return (((old | wanted) >>> node) & 1) === 1;
  }

  /** The first epoch from `epoch` on in which `node` is a replica; `undefined`: in none any more. */
  nextWith(epoch: number, node: number): number | undefined {
    for (let next = epoch; next <= this.last; next++) if (this.has(next, node)) return next;
    return undefined;
  }

  /** Whether answers of the nodes in `mask` are enough in `epoch`. */
  enough(counted: Counted, epoch: number, mask: number): boolean {
    return this.#enough[counted][epoch]?.[mask] === 1;
  }

  nameOf(node: number): string {
    return this.names.charAt(node);
  }

  /** "epoch 1 (joint abc -> bcd)" */
  describe(epoch: number): string {
    const { old, wanted } = this.setsOf(epoch);
    if (wanted === 0) return `epoch ${epoch} (${this.#lettersOf(old)})`;
    return `epoch ${epoch} (joint ${this.#lettersOf(old)} -> ${this.#lettersOf(wanted)})`;
  }

  #setsOf({ old, wanted }: Scenario, omitted: Clause | undefined): readonly EpochSets[] {
    const masks = wanted.map((set) => this.#maskOf(set));
    const joint = masks.map((mask, index) => {
      // Left out: a fold starts from the set that was wanted before, as if that one were complete.
      const previous = omitted === 'old set stays while joint' ? masks[index - 1] : undefined;
      return { old: previous ?? this.#maskOf(old), wanted: mask };
    });
    const atRest = { old: masks.at(-1) ?? 0, wanted: 0 };
    return [{ old: this.#maskOf(old), wanted: 0 }, ...joint, atRest];
  }

  /** Per epoch and mask, whether a quorum of both sets is in it, or of the one that is not left out. */
  #tablesFor(omitted: Clause | undefined, old: Clause, wanted: Clause): readonly Uint8Array[] {
    return this.sets.map((sets) => {
      const isJoint = sets.wanted !== 0;
      const countsOld = !isJoint || omitted !== old;
      const countsWanted = isJoint && omitted !== wanted;
      return Uint8Array.from({ length: 2 ** this.nodes }, (_, mask) => {
        const oldMet = !countsOld || hasQuorum(sets.old, mask);
        const wantedMet = !countsWanted || hasQuorum(sets.wanted, mask);
        return oldMet && wantedMet ? 1 : 0;
      });
    });
  }

  #maskOf(letters: string): number {
    let mask = 0;
    for (const letter of letters) mask |= 1 << this.names.indexOf(letter);
    return mask;
  }

  #lettersOf(mask: number): string {
    return [...this.names].filter((_, node) => ((mask >>> node) & 1) === 1).join('');
  }
}

export function countOf(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

function hasQuorum(set: number, mask: number): boolean {
  return countOf(set & mask) >= quorumOf(countOf(set));
}
