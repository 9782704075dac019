/**
 * The last-survivor rule: replicas are missing, and with them the quorum of a partition; the other
 * members, a majority, go on with what survives. The missing ones may only be cut off, and then they
 * have a quorum of the old ring among them. What is promised: they no longer acknowledge anything
 * when the survivors' ring may.
 *
 * Time passes in ticks, all at once for all nodes; a grace period is one or more of them. Which probes
 * get through is anybody's choice at any time, so a split, a one-way split and a flapping link are all
 * in it. The missing replicas always hear each other (not hearing makes them refuse more). The
 * survivors' ring may acknowledge as soon as it is decided, which is the worst case. A probe is
 * answered at the moment it is sent: an older one makes the sender doubt earlier.
 */
import type { Model, Visit } from './explore.ts';
import { countOf } from './ring-scenario.ts';
import { at, newState, type State } from './state-set.ts';

/** The rules that can be left out, each with what happens without it. */
export const SURVIVOR_CLAUSES = {
  'replicas need a majority of members':
    'a cut-off replica goes on answering, whoever answers its probes',
  'counted from the sending of a probe':
    'a replica counts its grace period from the moment when an answer to its probe arrives',
  'members wait for three grace periods':
    'a member agrees as soon as its own probes of the missing replicas fail',
  'silent after agreeing': 'a member that agreed answers a probe of a missing replica afterwards',
  'a majority agrees': 'half of the members are enough',
} as const;

export type SurvivorClause = keyof typeof SURVIVOR_CLAUSES;

interface LastSurvivorsOptions {
  readonly members: number;
  /** Those of the members that are missing; together they are a quorum of the partition's replicas. */
  readonly missing: number;
  readonly graceTicks: number;
  readonly omitted: SurvivorClause | undefined;
}

export class LastSurvivors implements Model {
  readonly fields: number;
  readonly #missing: number;
  readonly #others: number;
  readonly #grace: number;
  readonly #patience: number;
  readonly #omitted: SurvivorClause | undefined;
  readonly #majority: number;
  /** Where the fields of pairs end: the mask of members that agreed, then whether that is decided. */
  readonly #shared: number;
  readonly #next: State;

  constructor({ members, missing, graceTicks, omitted }: LastSurvivorsOptions) {
    this.#missing = missing;
    this.#others = members - missing;
    this.#grace = graceTicks;
    this.#patience = 3 * graceTicks;
    this.#omitted = omitted;
    this.#majority = Math.floor(members / 2) + 1;
    this.#shared = 3 * missing * this.#others;
    this.fields = this.#shared + 2;
    this.#next = newState(this.fields);
  }

  /** All probes were answered just now. */
  begin(_state: State): void {}

  eachStep(state: State, visit: Visit): void {
    this.#tick(state, visit);
    for (let other = 0; other < this.#others; other++) {
      this.#agree(state, other, visit);
      for (let replica = 0; replica < this.#missing; replica++) {
        this.#probe(state, replica, other, visit);
        if (this.#omitted === 'counted from the sending of a probe') {
          this.#arrive(state, replica, other, visit);
        }
      }
    }
  }

  #tick(state: State, visit: Visit): void {
    const next = this.#copy(state);
    for (let other = 0; other < this.#others; other++) {
      for (let replica = 0; replica < this.#missing; replica++) {
        const heard = this.#heard(replica, other);
        const answered = this.#answered(replica, other);
        next[heard] = Math.min(at(next, heard) + 1, this.#grace + 1);
        next[answered] = Math.min(at(next, answered) + 1, this.#patience + 1);
      }
    }
    this.#finish(visit, () => 'a tick passes');
  }

  /** A member answers a probe of a missing replica, and the answer gets through. */
  #probe(state: State, replica: number, other: number, visit: Visit): void {
    const hasAgreed = ((at(state.bytes, this.#shared) >>> other) & 1) === 1;
    if (hasAgreed && this.#omitted !== 'silent after agreeing') return;
    const next = this.#copy(state);
    next[this.#answered(replica, other)] = 0;
    if (this.#omitted === 'counted from the sending of a probe') {
      next[this.#underWay(replica, other)] = 1;
    } else next[this.#heard(replica, other)] = 0;
    this.#finish(
      visit,
      () => `member ${other + 1} answers a probe of missing replica ${replica + 1}`,
    );
  }

  /** An answer that was under way arrives, and is taken for fresh. */
  #arrive(state: State, replica: number, other: number, visit: Visit): void {
    if (at(state.bytes, this.#underWay(replica, other)) === 0) return;
    const next = this.#copy(state);
    next[this.#underWay(replica, other)] = 0;
    next[this.#heard(replica, other)] = 0;
    const story = () => `that answer of member ${other + 1} reaches missing replica ${replica + 1}`;
    this.#finish(visit, story);
  }

  #agree(state: State, other: number, visit: Visit): void {
    if (((at(state.bytes, this.#shared) >>> other) & 1) === 1) return;
    for (let replica = 0; replica < this.#missing; replica++) {
      const isPatient = at(state.bytes, this.#answered(replica, other)) > this.#patience;
      if (!isPatient && this.#omitted !== 'members wait for three grace periods') return;
    }
    const next = this.#copy(state);
    const agreed = at(next, this.#shared) | (1 << other);
    next[this.#shared] = agreed;
    const members = this.#others + this.#missing;
    const isDecided =
      this.#omitted === 'a majority agrees'
        ? 2 * countOf(agreed) >= members - 1
        : countOf(agreed) >= this.#majority;
    if (isDecided) next[this.#shared + 1] = 1;
    const outcome = isDecided ? '; it is decided and may acknowledge' : '';
    this.#finish(visit, () => `member ${other + 1} agrees to the survivors' ring${outcome}`);
  }

  #finish(visit: Visit, story: () => string): void {
    const next = this.#next.bytes;
    const isDecided = at(next, this.#shared + 1) === 1;
    const flaw = isDecided && this.#missingServe(next);
    visit(
      this.#next,
      story,
      flaw ? 'the missing replicas acknowledge a write under the old ring as well' : undefined,
    );
  }

  /** Whether all missing replicas would answer a request that arrives now. */
  #missingServe(next: Uint8Array): boolean {
    if (this.#omitted === 'replicas need a majority of members') return true;
    for (let replica = 0; replica < this.#missing; replica++) {
      let heard = this.#missing; // itself and the others that are missing
      for (let other = 0; other < this.#others; other++) {
        if (at(next, this.#heard(replica, other)) <= this.#grace) heard += 1;
      }
      if (heard < this.#majority) return false;
    }
    return true;
  }

  /** Ticks since a replica sent the last probe that a member answered. */
  #heard(replica: number, other: number): number {
    return 3 * (replica * this.#others + other);
  }

  /** Ticks since a member answered a probe of a replica. */
  #answered(replica: number, other: number): number {
    return this.#heard(replica, other) + 1;
  }

  /** An answer has not arrived yet. Told only where arriving late makes a difference. */
  #underWay(replica: number, other: number): number {
    return this.#heard(replica, other) + 2;
  }

  #copy({ words }: State): Uint8Array {
    this.#next.words.set(words);
    return this.#next.bytes;
  }
}
