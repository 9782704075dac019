/**
 * Ballots: the numbers of rounds, no two nodes ever having one in common. A ballot is text of fixed
 * width whose order as text is the order of ballots: `cccccccccccc-nnnnnnnnnnnnnnnn`, hexadecimal:
 * counter (48 bits), id of the node that drew it.
 */
import type { Brand, NodeId } from '../ids.ts';
import { invariant } from '../invariant.ts';

export type Ballot = Brand<string, 'Ballot'>;

const COUNTER_DIGITS = 12;
const MAX_COUNTER = 2 ** 48 - 1;
const SHAPE = /^[0-9a-f]{12}-[0-9a-f]{16}$/;

/** A ballot of `node` above `above`; with nothing known, its first. */
export function nextBallot(above: Ballot | undefined, node: NodeId): Ballot {
  const counter = above === undefined ? 1 : counterOf(above) + 1;
  invariant(counter <= MAX_COUNTER, 'a ballot counter of 48 bits');
  return `${counter.toString(16).padStart(COUNTER_DIGITS, '0')}-${node}` as Ballot;
}

/** Text from a peer: a ballot, and not the last one, above which there would be none left. */
export function isBallot(text: string): text is Ballot {
  return SHAPE.test(text) && counterOf(text as Ballot) < MAX_COUNTER;
}

/** The higher of two, where `undefined` (none seen) is below all. */
export function higherBallot(a: Ballot | undefined, b: Ballot | undefined): Ballot | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a > b ? a : b;
}

function counterOf(ballot: Ballot): number {
  return Number.parseInt(ballot.slice(0, COUNTER_DIGITS), 16);
}
