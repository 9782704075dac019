/**
 * Deciding the ring of one epoch: two proposers with a ring each, three acceptors, two rounds per
 * proposer (CASPaxos: Rystsov, 2018). What is promised: nobody acts on another ring of
 * this epoch than anybody else. As in `ring-change.ts` there are no messages: what was sent may be
 * answered at any later time.
 */
import type { Model, Visit } from './explore.ts';
import { countOf } from './ring-scenario.ts';
import { at, newState, type State } from './state-set.ts';

/** The rules of deciding that can be left out, each with what happens without it. */
export const REGISTER_CLAUSES = {
  'only decided rings are used':
    'a member acts on a ring that it has accepted but that is not decided',
  'votes are synced': 'an acceptor that restarts has forgotten what it promised and accepted',
  'promises are kept': 'an acceptor accepts below a ballot that it promised',
  'accepted rings are carried on': 'a proposer proposes its own ring, whatever was accepted before',
  'a majority decides': 'two of four acceptors decide',
} as const;

export type RegisterClause = keyof typeof REGISTER_CLAUSES;

/** Per acceptor. */
const PROMISED = 0;
const ACCEPTED_BALLOT = 1;
const ACCEPTED_RING = 2;
const FIELDS_PER_ACCEPTOR = 3;
/** After them, per ballot 1 to 4: the ring to accept (0: not known yet) and who accepted it. */
const PROPOSED = 0;
const ACCEPTED_BY = 4;
/** Per proposer: its ballot, who promised, and the highest accepted ballot and ring among those. */
const BALLOT = 8;
const PROMISED_BY = 10;
const BEST_BALLOT = 12;
const BEST_RING = 14;
/** The rings somebody acts on: bit 1 for ring 1, bit 2 for ring 2. */
const USED = 16;
const SHARED_FIELDS = 17;

const BALLOTS = 4;
const PROPOSERS = ['P', 'Q'];

export class RingRegister implements Model {
  readonly fields: number;
  readonly #omitted: RegisterClause | undefined;
  readonly #acceptors: number;
  readonly #shared: number;
  readonly #next: State;

  constructor(omitted: RegisterClause | undefined) {
    this.#omitted = omitted;
    // With three acceptors two are a majority; half of them can only be told from it with four.
    this.#acceptors = omitted === 'a majority decides' ? 4 : 3;
    this.#shared = this.#acceptors * FIELDS_PER_ACCEPTOR;
    this.fields = this.#shared + SHARED_FIELDS;
    this.#next = newState(this.fields);
  }

  begin(): void {}

  eachStep(state: State, visit: Visit): void {
    for (let proposer = 0; proposer < PROPOSERS.length; proposer++) {
      this.#beginRound(state, proposer, visit);
      for (let acceptor = 0; acceptor < this.#acceptors; acceptor++) {
        this.#promise(state, proposer, acceptor, visit);
      }
    }
    for (let acceptor = 0; acceptor < this.#acceptors; acceptor++) {
      for (let ballot = 1; ballot <= BALLOTS; ballot++) {
        this.#accept(state, acceptor, ballot, visit);
      }
      if (this.#omitted === 'votes are synced') this.#forget(state, acceptor, visit);
    }
  }

  /** A proposer gives up its round, whatever came of it, and takes its next ballot. */
  #beginRound(state: State, proposer: number, visit: Visit): void {
    const ballot = this.#of(state, BALLOT + proposer);
    const above = ballot === 0 ? proposer + 1 : ballot + PROPOSERS.length;
    if (above > BALLOTS) return;
    const next = this.#copy(state);
    next[this.#shared + BALLOT + proposer] = above;
    for (const field of [PROMISED_BY, BEST_BALLOT, BEST_RING]) {
      next[this.#shared + field + proposer] = 0;
    }
    visit(
      this.#next,
      () => `${PROPOSERS[proposer]} asks for promises for ballot ${above}`,
      undefined,
    );
  }

  #promise(state: State, proposer: number, acceptor: number, visit: Visit): void {
    const ballot = this.#of(state, BALLOT + proposer);
    const first = acceptor * FIELDS_PER_ACCEPTOR;
    if (ballot === 0 || this.#of(state, PROPOSED + ballot - 1) !== 0) return;
    if (at(state.bytes, first + PROMISED) >= ballot) return;

    const next = this.#copy(state);
    const shared = this.#shared;
    next[first + PROMISED] = ballot;
    const accepted = at(next, first + ACCEPTED_BALLOT);
    if (accepted > at(next, shared + BEST_BALLOT + proposer)) {
      next[shared + BEST_BALLOT + proposer] = accepted;
      next[shared + BEST_RING + proposer] = at(next, first + ACCEPTED_RING);
    }
    const promised = at(next, shared + PROMISED_BY + proposer) | (1 << acceptor);
    next[shared + PROMISED_BY + proposer] = promised;
    let outcome = '';
    if (this.#isEnough(promised)) {
      const found = at(next, shared + BEST_RING + proposer);
      const carriesOn = found !== 0 && this.#omitted !== 'accepted rings are carried on';
      const ring = carriesOn ? found : proposer + 1;
      next[shared + PROPOSED + ballot - 1] = ring;
      outcome = `; ${PROPOSERS[proposer]} asks to accept ring ${ring}`;
    }
    const story = () => `acceptor ${acceptor + 1} promises ballot ${ballot}${outcome}`;
    visit(this.#next, story, undefined);
  }

  #accept(state: State, acceptor: number, ballot: number, visit: Visit): void {
    const first = acceptor * FIELDS_PER_ACCEPTOR;
    const ring = this.#of(state, PROPOSED + ballot - 1);
    const accepted = this.#of(state, ACCEPTED_BY + ballot - 1);
    if (ring === 0 || ((accepted >>> acceptor) & 1) === 1) return;
    const isBelow = at(state.bytes, first + PROMISED) > ballot;
    if (isBelow && this.#omitted !== 'promises are kept') return;

    const next = this.#copy(state);
    next[first + PROMISED] = Math.max(at(next, first + PROMISED), ballot);
    next[first + ACCEPTED_BALLOT] = ballot;
    next[first + ACCEPTED_RING] = ring;
    const by = accepted | (1 << acceptor);
    next[this.#shared + ACCEPTED_BY + ballot - 1] = by;
    const isUsed = this.#isEnough(by) || this.#omitted === 'only decided rings are used';
    const used = at(next, this.#shared + USED) | (isUsed ? 1 << ring : 0);
    next[this.#shared + USED] = used;
    visit(
      this.#next,
      () => {
        const outcome = isUsed ? `; ring ${ring} is acted on` : '';
        return `acceptor ${acceptor + 1} accepts ring ${ring} under ballot ${ballot}${outcome}`;
      },
      countOf(used) > 1 ? 'two different rings of one epoch are in use' : undefined,
    );
  }

  #forget(state: State, acceptor: number, visit: Visit): void {
    const first = acceptor * FIELDS_PER_ACCEPTOR;
    if (at(state.bytes, first + PROMISED) === 0) return;
    this.#copy(state).fill(0, first, first + FIELDS_PER_ACCEPTOR);
    const story = () => `acceptor ${acceptor + 1} restarts and has forgotten its votes`;
    visit(this.#next, story, undefined);
  }

  #isEnough(mask: number): boolean {
    if (this.#omitted === 'a majority decides') return 2 * countOf(mask) >= this.#acceptors;
    return 2 * countOf(mask) > this.#acceptors;
  }

  #of({ bytes }: State, field: number): number {
    return at(bytes, this.#shared + field);
  }

  #copy({ words }: State): Uint8Array {
    this.#next.words.set(words);
    return this.#next.bytes;
  }
}
