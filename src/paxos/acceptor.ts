/**
 * The acceptor of CASPaxos (Rystsov, "CASPaxos: Replicated State Machines without logs", 2018,
 * arXiv 1802.07000, section 2.2), as steps from one state to the next. A reply may leave the node only
 * when the state that comes with it is durable.
 *
 * Two deviations:
 * - A ballot is promised once; a second prepare of the same ballot is refused. A proposer that lost
 *   its memory may draw a ballot again, and two rounds under one ballot could choose two values.
 * - Accepting leaves the promise at the accepted ballot instead of erasing it: one number to compare
 *   with, the same effect.
 */
import type { Ballot } from './ballot.ts';

export interface Accepted<Value> {
  readonly ballot: Ballot;
  readonly value: Value;
}

export interface AcceptorState<Value> {
  /** The highest ballot seen in a prepare or an accept: nothing below it is accepted any more. */
  readonly promised: Ballot | undefined;
  readonly accepted: Accepted<Value> | undefined;
}

/** An acceptor that has seen nothing yet. */
export const FRESH_ACCEPTOR: AcceptorState<never> = { promised: undefined, accepted: undefined };

export type PrepareReply<Value> =
  /** Promised; and what was accepted so far, if anything. */
  | {
      readonly promised: true;
      readonly ballot: Ballot;
      readonly accepted: Accepted<Value> | undefined;
    }
  /** Refused: `ballot` was promised already. */
  | { readonly promised: false; readonly ballot: Ballot };

/** `ballot`: the highest one promised, the accepted one itself if it was accepted. */
export interface AcceptReply {
  readonly accepted: boolean;
  readonly ballot: Ballot;
}

export interface Step<Value, Reply> {
  /** The same object when nothing changed: then there is nothing to make durable. */
  readonly state: AcceptorState<Value>;
  readonly reply: Reply;
}

/** Promises to accept nothing below `ballot`, unless that or a higher one was promised before. */
export function prepare<Value>(
  state: AcceptorState<Value>,
  ballot: Ballot,
): Step<Value, PrepareReply<Value>> {
  const { promised, accepted } = state;
  if (promised !== undefined && promised >= ballot) {
    return { state, reply: { promised: false, ballot: promised } };
  }
  return {
    state: { promised: ballot, accepted },
    reply: { promised: true, ballot, accepted },
  };
}

/** Accepts `value`, unless a higher ballot was promised. The same accept again changes nothing. */
export function accept<Value>(
  state: AcceptorState<Value>,
  ballot: Ballot,
  value: Value,
): Step<Value, AcceptReply> {
  const { promised, accepted } = state;
  if (promised !== undefined && promised > ballot) {
    return { state, reply: { accepted: false, ballot: promised } };
  }
  const reply = { accepted: true, ballot };
  if (accepted?.ballot === ballot) return { state, reply };
  return { state: { promised: ballot, accepted: { ballot, value } }, reply };
}
