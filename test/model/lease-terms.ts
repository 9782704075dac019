/**
 * Leases over a change of voters: three members a, b, c vote on a ring under which others vote as well.
 * None of the three hears that it is decided, which is the worst case; the newcomers do, are a majority of
 * the new voters, and go on without a and b, which have a quorum of some partition by the old ring. What is
 * promised: a and b do not both hold a lease when the newcomers may have agreed.
 *
 * Time passes in ticks, all at once for all nodes; probes get through or not as they like. All newcomers
 * have to agree, so one stands for all: more of them would only have more reasons to agree later. The one
 * that proposes is left out: any member may accept the ring at any time. So are restarts (a member that has
 * accepted counts itself no more after one), and votes for another ring at a higher ballot (then the first
 * one was not decided).
 */
import type { Model, Visit } from './explore.ts';
import { countOf } from './ring-scenario.ts';
import { at, newState, type State } from './state-set.ts';

/** The rules that can be left out, each with what happens without it. */
export const LEASE_CLAUSES = {
  'who accepted other terms lends nothing':
    'a member that accepted the ring answers probes as before',
  'nor itself, after a grace period': 'a member counts itself after it accepted the ring as before',
  'three grace periods on the present terms':
    'a newcomer agrees when it has answered no probe for three grace periods, whichever ring it held',
} as const;

export type LeaseClause = keyof typeof LEASE_CLAUSES;

const OLD_VOTERS = ['a', 'b', 'c'];
/** Those that are cut off; c lends to them. */
const HOLDERS = 2;
const MAJORITY = 2;

export class LeaseTerms implements Model {
  readonly fields = FIELDS;
  readonly #grace: number;
  readonly #patience: number;
  readonly #omitted: LeaseClause | undefined;
  readonly #next: State = newState(FIELDS);

  constructor({
    graceTicks,
    omitted,
  }: { readonly graceTicks: number; readonly omitted: LeaseClause | undefined }) {
    this.#grace = graceTicks;
    this.#patience = 3 * graceTicks;
    this.#omitted = omitted;
  }

  /** All probes were answered just now, and nothing is accepted. */
  begin(_state: State): void {}

  eachStep(state: State, visit: Visit): void {
    this.#tick(state, visit);
    for (let voter = 0; voter < OLD_VOTERS.length; voter++) {
      this.#accept(state, voter, visit);
      for (let holder = 0; holder < HOLDERS; holder++)
        if (holder !== voter) this.#lend(state, holder, voter, visit);
    }
    for (let holder = 0; holder < HOLDERS; holder++) this.#probeNewcomer(state, holder, visit);
    this.#adopt(state, visit);
    this.#agree(state, visit);
  }

  #tick(state: State, visit: Visit): void {
    const next = this.#copy(state);
    const age = (field: number, limit: number): void => {
      next[field] = Math.min(at(next, field) + 1, limit + 1);
    };
    for (let holder = 0; holder < HOLDERS; holder++) {
      age(answered(holder), this.#patience);
      for (let voter = 0; voter < OLD_VOTERS.length; voter++) {
        // To itself it lends all the time until it has accepted the ring.
        if (voter !== holder || this.#hasAccepted(state, voter))
          age(lent(holder, voter), this.#grace);
      }
    }
    if (at(state.bytes, ADOPTED) === 1) age(SINCE_ADOPTED, this.#patience);
    this.#finish(visit, () => 'a tick passes');
  }

  #accept(state: State, voter: number, visit: Visit): void {
    if (this.#hasAccepted(state, voter)) return;
    const next = this.#copy(state);
    next[ACCEPTED] = at(next, ACCEPTED) | (1 << voter);
    const isDecided = countOf(at(next, ACCEPTED)) === MAJORITY;
    const story = () => `${nameOf(voter)} accepts the ring${isDecided ? '; it is decided' : ''}`;
    this.#finish(visit, story);
  }

  /** A voter answers the probe of one that is cut off, and the answer gets through. */
  #lend(state: State, holder: number, voter: number, visit: Visit): void {
    const lends = this.#omitted === 'who accepted other terms lends nothing';
    if (this.#hasAccepted(state, voter) && !lends) return;
    const next = this.#copy(state);
    next[lent(holder, voter)] = 0;
    this.#finish(visit, () => `${nameOf(voter)} answers a probe of ${nameOf(holder)}`);
  }

  #probeNewcomer(state: State, holder: number, visit: Visit): void {
    if (at(state.bytes, AGREED) === 1) return; // it is silent
    const next = this.#copy(state);
    next[answered(holder)] = 0;
    this.#finish(visit, () => `the newcomers answer a probe of ${nameOf(holder)}`);
  }

  #adopt(state: State, visit: Visit): void {
    const isDecided = countOf(at(state.bytes, ACCEPTED)) >= MAJORITY;
    if (!isDecided || at(state.bytes, ADOPTED) === 1) return;
    const next = this.#copy(state);
    next[ADOPTED] = 1;
    this.#finish(visit, () => 'the newcomers hold the ring');
  }

  #agree(state: State, visit: Visit): void {
    if (at(state.bytes, ADOPTED) === 0 || at(state.bytes, AGREED) === 1) return;
    const waits = [answered(0), answered(1)];
    if (this.#omitted !== 'three grace periods on the present terms') waits.push(SINCE_ADOPTED);
    if (waits.some((field) => at(state.bytes, field) <= this.#patience)) return;
    const next = this.#copy(state);
    next[AGREED] = 1;
    this.#finish(visit, () => 'the newcomers agree to go on without a and b');
  }

  #finish(visit: Visit, story: () => string): void {
    const next = this.#next.bytes;
    const bothServe = [0, 1].every((holder) => this.#holdsLease(next, holder));
    const flaw = at(next, AGREED) === 1 && bothServe;
    visit(this.#next, story, flaw ? 'a and b acknowledge by the ring before as well' : undefined);
  }

  #holdsLease(next: Uint8Array, holder: number): boolean {
    const isFresh = (voter: number): boolean =>
      at(next, lent(holder, voter)) <= this.#grace ||
      (voter === holder && this.#omitted === 'nor itself, after a grace period');
    return OLD_VOTERS.filter((_, voter) => isFresh(voter)).length >= MAJORITY;
  }

  #hasAccepted({ bytes }: State, voter: number): boolean {
    return ((at(bytes, ACCEPTED) >>> voter) & 1) === 1;
  }

  #copy({ words }: State): Uint8Array {
    this.#next.words.set(words);
    return this.#next.bytes;
  }
}

function nameOf(voter: number): string {
  return OLD_VOTERS[voter] ?? '';
}

/** Ticks since a holder sent the last probe by which a voter lent it something. */
function lent(holder: number, voter: number): number {
  return OLD_VOTERS.length * holder + voter;
}

/** Ticks since the newcomers answered a probe of a holder. */
function answered(holder: number): number {
  return OLD_VOTERS.length * HOLDERS + holder;
}

/** A mask of voters. */
const ACCEPTED = answered(HOLDERS);
const ADOPTED = ACCEPTED + 1;
const SINCE_ADOPTED = ADOPTED + 1;
const AGREED = SINCE_ADOPTED + 1;
const FIELDS = AGREED + 1;
