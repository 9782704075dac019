import type { NodeId } from '../ids.ts';

/**
 * Whom to probe next (SWIM, section 4.3): one after the other through a list, which is shuffled after
 * each lap. So every member is probed in every lap, and no two nodes keep step. Newcomers get a random
 * place in it.
 */
export class ProbeOrder {
  readonly #fraction: () => number;
  readonly #list: NodeId[] = [];
  #at = 0;

  /** `fraction` draws from [0, 1). */
  constructor(fraction: () => number) {
    this.#fraction = fraction;
  }

  get size(): number {
    return this.#list.length;
  }

  add(node: NodeId): void {
    const place = this.#below(this.#list.length + 1);
    this.#list.splice(place, 0, node);
    if (place < this.#at) this.#at++; // those that had their turn in this lap stay behind
  }

  remove(node: NodeId): void {
    const place = this.#list.indexOf(node);
    if (place === -1) return;
    this.#list.splice(place, 1);
    if (place < this.#at) this.#at--;
  }

  /** `undefined` when there is nobody. */
  next(): NodeId | undefined {
    if (this.#at >= this.#list.length) {
      mix(this.#list, this.#fraction);
      this.#at = 0;
    }
    const node = this.#list[this.#at];
    this.#at++;
    return node;
  }

  #below(bound: number): number {
    return Math.floor(this.#fraction() * bound);
  }
}

/** Some of `nodes`, at most `count`, each choice as likely as any other. */
export function sample(
  nodes: readonly NodeId[],
  count: number,
  fraction: () => number,
): readonly NodeId[] {
  const mixed = [...nodes];
  mix(mixed, fraction);
  return mixed.slice(0, count);
}

/** Puts `nodes` into a random order, in place (Fisher and Yates). */
function mix(nodes: NodeId[], fraction: () => number): void {
  for (let last = nodes.length - 1; last > 0; last--) {
    const other = Math.floor(fraction() * (last + 1));
    const node = nodes[last] as NodeId;
    nodes[last] = nodes[other] as NodeId;
    nodes[other] = node;
  }
}
