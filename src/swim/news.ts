import type { Incarnation, NodeId } from '../ids.ts';

/** What a node believes of a member. */
export type MemberState = 'alive' | 'suspect' | 'dead' | 'left';

/** What one node tells another of a member. */
export interface News {
  readonly node: NodeId;
  readonly state: MemberState;
  /** See `firstIncarnation`; 0 while nothing was heard of it. */
  readonly incarnation: number;
  /** Who suspects it, so that a suspicion passed on by many counts once. Absent in other news. */
  readonly by: NodeId | undefined;
}

const RANK: Readonly<Record<MemberState, number>> = { alive: 0, suspect: 1, dead: 2, left: 3 };

/**
 * Whether news replaces what is known (SWIM, section 4.2):
 * alive(i) < suspect(i) < dead(i) < left(i) < alive(i + 1).
 */
export function supersedes(news: News, known: Pick<News, 'state' | 'incarnation'>): boolean {
  if (news.incarnation !== known.incarnation) return news.incarnation > known.incarnation;
  return RANK[news.state] > RANK[known.state];
}

export function worse(one: MemberState, other: MemberState): MemberState {
  return RANK[one] > RANK[other] ? one : other;
}

/** Refutations that one life has room for. With one each second that is twelve days. */
const REFUTATIONS = 2 ** 20;

/** The last number: that of the last life, refuted as often as it can be. */
export const LAST_INCARNATION = 2 ** 52 - 1;

/**
 * The number under which a member first says that it is alive in this life. SWIM's incarnation is the
 * member's incarnation, which is on disk and rises at each start, times 2^20, plus the refutations of
 * this life: so a restart always supersedes what was said of the life before, and a refutation writes
 * nothing to the disk. (A life that refutes more often runs into the numbers of the next one, which
 * then has to refute once itself.)
 */
export function firstIncarnation(life: Incarnation): number {
  return life * REFUTATIONS;
}

/** The number that refutes what was said under `accused`. */
export function refutation(own: number, accused: number): number {
  return Math.min(Math.max(own, accused) + 1, LAST_INCARNATION);
}
