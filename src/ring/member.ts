import type { Address, NodeId } from '../ids.ts';

/** A node as the ring knows it. */
export interface Member {
  readonly id: NodeId;
  /** Unique in the cluster; for people. */
  readonly name: string;
  readonly address: Address;
  /** Failure domain: replicas of a partition are spread over zones. */
  readonly zone: string;
  /** Share of the data that it takes, relative to the others: a whole number from 1 to `MAX_WEIGHT`. */
  readonly weight: number;
  /**
   * Came with the transition under way, and has no vote until it ends: newcomers that die again must not
   * take the majority with them.
   */
  readonly joining: boolean;
  /** Given no partitions any more; the ring that ends the transition does not list it. */
  readonly leaving: Leaving;
}

/** `asked`: an operator sent it away. `replaced`: it was dead for longer than the grace period. */
export const LEAVING = ['no', 'asked', 'replaced'] as const;
export type Leaving = (typeof LEAVING)[number];

export const MAX_WEIGHT = 65_535;

/** Sorted by id: the one order of members, whatever order they were met in. */
export function inOrderOfId(members: readonly Member[]): readonly Member[] {
  return [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Whether both lists say the same of the same members, in the same order. */
export function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  return a.length === b.length && a.every((member, index) => textOf(member) === textOf(b[index]));
}

function textOf(member: Member | undefined): string {
  if (member === undefined) return '';
  const { id, name, address, zone, weight, joining, leaving } = member;
  return [id, name, address, zone, weight, joining, leaving].join(' ');
}
