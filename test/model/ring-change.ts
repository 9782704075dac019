/**
 * A ring change while two clients write one key and one client reads it, small enough to try every
 * interleaving. What is promised: the key is an atomic register. No read returns less than what was
 * acknowledged, or returned by another read, before it began.
 *
 * Three things are in a state: what each replica holds and which epoch it is in; how far each
 * coordinator is; what clients were told. There are no messages in it. A message that may be late for
 * ever is the same as a replica that may answer at any later time or never, so a step is "b answers",
 * and it is possible from the sending on. Each shortcut below only adds behaviour or leaves out what
 * can be told in another order with the same end:
 *
 * - **Both writes were sent at the beginning, under the first ring**, and have been on their way since.
 *   Whatever starts later starts with less in flight. Writer A is the one whose version is lower; the
 *   writers do not differ otherwise.
 * - **Phase 1 of a write is not told apart from a read's**: it asks the same question of the same sets.
 *   The check is made on the answer itself, when a quorum gave it: less than what clients knew when the
 *   asking began is a wrong read, and for a write it would be a version below an acknowledged one.
 * - **A record that was sent may reach any replica under any ring, again and again**: from the writer,
 *   from a read that writes it back, as a hint, by anti-entropy, by a pull. All of them are the same
 *   `apply`, so one step stands for all.
 * - **A replica takes a newer ring when it answers a request of it**, not before: without the answer,
 *   taking it only means refusing more.
 * - **Joint rings are decided at the beginning**: deciding obliges nobody to know. Only the last ring
 *   has a condition.
 * - **A coordinator hears an answer when it is given**, and a write is acknowledged the moment that
 *   enough answered: later only means that less was promised to those who came in between. A read may go
 *   on listening after a quorum answered.
 * - **A coordinator may go on to any decided ring at any time**, refused or not. A read that starts
 *   again is not told apart from a read that starts then.
 * - **A replica of the wanted set answers before it has pulled**: a refusal is an answer that is late.
 * - **The reader reads for ever**, one read after the other. Two readers add nothing: a history goes
 *   wrong in two operations, one that ended and one that began after it.
 *
 * Left out: removing the copies of replicas that are no longer wanted, damaged and lost disks, level
 * `one`, conditional writes, floors.
 *
 * Beside the shortcuts are reductions, which can be turned off to see that they hide nothing: `States`.
 */
import type { Model, Visit } from './explore.ts';
import type { Clause } from './ring-clauses.ts';
import {
  ACKNOWLEDGED_BY,
  ANSWERED,
  EPOCH,
  FIELDS_PER_NODE,
  HOLDERS,
  IN_FLIGHT,
  KNOWN,
  LAST_DECIDED,
  PHASE,
  PULLED,
  PULLED_ALL,
  READ_EPOCH,
  READ_FROM,
  READ_SAW,
  SAW_A_THEN_B,
  SHARED_FIELDS,
  UNDER,
  VALUE,
} from './ring-fields.ts';
import { countOf, Epochs, type Scenario } from './ring-scenario.ts';
import { at, newState, type State } from './state-set.ts';
import { Symmetry } from './symmetry.ts';

/** Versions: A's record, B's record, and A's again, written a second time by a coordinator that may not. */
const A = 1;
const B = 2;
const A_AGAIN = 3;
const RECORDS = ['nothing', 'A', 'B', 'A under a new version'];
/** Under this epoch no answers are counted: the write is known already, or not begun. */
const NOWHERE = 0xfe;

/** Rules without which reads must be told step by step. */
const ABOUT_READS: ReadonlySet<Clause> = new Set([
  'old set written back',
  'wanted set written back',
  'old set agrees',
  'wanted set agrees',
  'reads write back',
  'same version after a refusal',
]);

/**
 * How much is told. `plain`: every state. `merged`: one state for many that have the same future.
 * `reduced`: the same, and reads are left out. That hides nothing as long as every read writes back:
 * what a read needs to return a record is what its writer needs to have it acknowledged, so the writer
 * stands for both; and a wrong read goes wrong as well when all its answers are given at once, at its
 * beginning, when replicas hold least and refuse least, so every state is asked what a read of it sees.
 */
export type States = 'plain' | 'merged' | 'reduced';

interface RingChangeOptions {
  readonly scenario: Scenario;
  /** The rule to leave out. */
  readonly omitted: Clause | undefined;
  readonly states: States;
}

export class RingChange implements Model {
  readonly fields: number;
  readonly #epochs: Epochs;
  readonly #omitted: Clause | undefined;
  readonly #reduced: boolean;
  /** Whether reads are told step by step; else any state is asked what a read of it could see. */
  readonly #tellsReads: boolean;
  readonly #symmetry: Symmetry;
  /** Where the fields that belong to no node begin. */
  readonly #shared: number;
  /** Per node: how many old replicas come before it, which is an old replica's place in `IN_FLIGHT`. */
  readonly #sourceRank: Uint8Array;
  /** Answers that a pull needs: n-q+1. */
  readonly #pullsNeeded: number;
  readonly #next: State;
  /** What a step led to beside what it did itself, for its story. */
  #outcomes: string[] = [];

  constructor({ scenario, omitted, states }: RingChangeOptions) {
    const epochs = new Epochs(scenario, omitted);
    this.#epochs = epochs;
    this.#omitted = omitted;
    this.#reduced = states !== 'plain';
    this.#tellsReads = states !== 'reduced' || (omitted !== undefined && ABOUT_READS.has(omitted));
    this.#shared = epochs.nodes * FIELDS_PER_NODE;
    this.fields = this.#shared + SHARED_FIELDS;
    this.#next = newState(this.fields);
    const { old } = epochs.setsOf(epochs.joint);
    this.#sourceRank = Uint8Array.from([...epochs.names], (_, node) =>
      countOf(old & ((1 << node) - 1)),
    );
    const n = countOf(old);
    this.#pullsNeeded = omitted === 'pulls from n-q+1' ? 1 : n - Math.floor(n / 2);
    this.#symmetry = new Symmetry(epochs, old, this.fields);
  }

  begin({ bytes }: State): void {
    for (let node = 0; node < this.#epochs.nodes; node++) {
      // A replica of later rings only has no use for the earlier ones.
      bytes[this.#field(node, EPOCH)] = this.#epochs.nextWith(0, node) ?? 0;
    }
    bytes[this.#shared + UNDER + A_AGAIN - 1] = NOWHERE;
  }

  eachStep(state: State, visit: Visit): void {
    const { bytes } = state;
    for (let node = 0; node < this.#epochs.nodes; node++) {
      for (let version = A; version <= A_AGAIN; version++) {
        this.#storeSteps(state, node, version, visit);
      }
      if (this.#tellsReads) this.#answerSteps(state, node, visit);
      if (at(bytes, this.#shared + LAST_DECIDED) === 0) this.#pullSteps(state, node, visit);
    }
    for (let version = A; version <= A_AGAIN; version++) this.#moveSteps(state, version, visit);
  }

  // Writes.

  /**
   * A record reaches a replica: under the oldest ring that the replica still serves, which asks least of
   * it, or under one where a coordinator counts the answer. Any other only makes it refuse more.
   */
  #storeSteps(state: State, node: number, version: number, visit: Visit): void {
    const { bytes } = state;
    if (this.#reduced && version < this.#matters(bytes)) return;
    const under = this.#of(bytes, UNDER + version - 1);
    const held = at(bytes, this.#field(node, VALUE));
    const writesBack =
      this.#of(bytes, PHASE) === 2 && this.#of(bytes, READ_SAW) === version
        ? this.#of(bytes, READ_EPOCH)
        : NOWHERE;
    if (version !== A_AGAIN && held < version) {
      // (A's second record is sent under its writer's ring only: it was made there.)
      const first = this.#epochs.nextWith(this.#lowestServed(bytes, node), node);
      if (first !== undefined && first !== under && first !== writesBack) {
        this.#store(state, node, version, first, visit);
      }
    }
    for (const epoch of under === writesBack ? [under] : [under, writesBack]) {
      if (held >= version && at(bytes, this.#field(node, EPOCH)) >= epoch) continue; // nothing changes
      this.#store(state, node, version, epoch, visit);
    }
  }

  #store(state: State, node: number, version: number, epoch: number, visit: Visit): void {
    if (!this.#mayAsk(state.bytes, node, epoch)) return;
    const next = this.#copy(state);
    this.#take(next, node, epoch);
    const field = this.#field(node, VALUE);
    next[field] = Math.max(at(next, field), version);
    this.#finish(visit, undefined, () => {
      const name = this.#epochs.nameOf(node);
      return `${name} stores ${RECORDS[version]}, sent under ${this.#epochs.describe(epoch)}`;
    });
  }

  /** The coordinator of a write goes on to a newer ring. */
  #moveSteps(state: State, version: number, visit: Visit): void {
    const under = this.#of(state.bytes, UNDER + version - 1);
    if (under === NOWHERE) return;
    for (let epoch = under + 1; this.#isDecided(state.bytes, epoch); epoch++) {
      const next = this.#copy(state);
      if (this.#omitted === 'same version after a refusal' && version === A) {
        next[this.#shared + UNDER] = NOWHERE;
        next[this.#shared + ACKNOWLEDGED_BY] = 0;
        next[this.#shared + UNDER + A_AGAIN - 1] = epoch;
      } else {
        next[this.#shared + UNDER + version - 1] = epoch;
        if (this.#omitted !== 'answers counted anew') {
          next[this.#shared + ACKNOWLEDGED_BY + version - 1] = 0;
        }
      }
      this.#finish(visit, undefined, () => {
        return `the writer of ${RECORDS[version]} goes on to ${this.#epochs.describe(epoch)}`;
      });
    }
  }

  // Reads.

  /** A replica answers the read under way, or is the first to answer a new one. */
  #answerSteps(state: State, node: number, visit: Visit): void {
    const { bytes } = state;
    const phase = this.#of(bytes, PHASE);
    if (phase === 2) return;
    if (phase === 1) {
      if (((this.#of(bytes, ANSWERED) >>> node) & 1) === 1) return;
      this.#answer(state, node, this.#of(bytes, READ_EPOCH), visit);
      return;
    }
    for (let epoch = 0; this.#isDecided(bytes, epoch); epoch++) {
      this.#answer(state, node, epoch, visit);
    }
  }

  #answer(state: State, node: number, epoch: number, visit: Visit): void {
    if (!this.#mayAsk(state.bytes, node, epoch)) return;
    const value = at(state.bytes, this.#field(node, VALUE));
    const story = () => {
      const asked = this.#of(state.bytes, PHASE) === 0 ? 'a read begins: ' : '';
      const under = this.#epochs.describe(epoch);
      return `${asked}${this.#epochs.nameOf(node)} answers it with ${RECORDS[value]}, under ${under}`;
    };

    const heard = this.#hear(state, node, epoch, value);
    const isEnough = this.#epochs.enough('ask', epoch, heard);
    const { old, wanted } = this.#epochs.setsOf(epoch);
    if (!isEnough || heard !== (old | wanted)) this.#finish(visit, undefined, story);
    if (!isEnough) return;
    this.#hear(state, node, epoch, value); // once more: the state handed on was only lent
    const flaw = this.#judge();
    this.#finish(visit, flaw, story);
  }

  /** Makes the state after an answer; returns who has answered by then. */
  #hear(state: State, node: number, epoch: number, value: number): number {
    const next = this.#copy(state);
    const shared = this.#shared;
    if (at(next, shared + PHASE) === 0) {
      next[shared + PHASE] = 1;
      next[shared + READ_EPOCH] = epoch;
      next[shared + READ_FROM] = at(next, shared + KNOWN);
    }
    this.#take(next, node, epoch);
    const saw = at(next, shared + READ_SAW);
    if (value > saw) {
      next[shared + READ_SAW] = value;
      next[shared + HOLDERS] = 1 << node;
    } else if (value === saw) {
      next[shared + HOLDERS] = at(next, shared + HOLDERS) | (1 << node);
    }
    const answered = at(next, shared + ANSWERED) | (1 << node);
    next[shared + ANSWERED] = answered;
    return answered;
  }

  /** A read has its quorum: what is wrong with what it saw; else it returns it or writes it back. */
  #judge(): string | undefined {
    const next = this.#next.bytes;
    const shared = this.#shared;
    const saw = at(next, shared + READ_SAW);
    const from = at(next, shared + READ_FROM);
    if (saw < from) {
      this.#outcomes.push(`the read ends with ${RECORDS[saw]}`);
      return `${RECORDS[from]} was known to clients before the read that ended with ${RECORDS[saw]} began`;
    }
    if (saw === A_AGAIN && from >= B && at(next, shared + SAW_A_THEN_B) === 1) {
      this.#outcomes.push('the read returns A');
      return 'one read returned A, a later one B, and one after that A again';
    }
    const epoch = at(next, shared + READ_EPOCH);
    const agreed = this.#epochs.enough('agree', epoch, at(next, shared + HOLDERS));
    if (agreed || this.#omitted === 'reads write back') {
      this.#return(next);
    } else {
      next[shared + PHASE] = 2;
      next[shared + ANSWERED] = 0;
      this.#outcomes.push(`the read saw ${RECORDS[saw]} and writes it back`);
    }
    return undefined;
  }

  #return(next: Uint8Array): void {
    const shared = this.#shared;
    const saw = at(next, shared + READ_SAW);
    if (saw === B && at(next, shared + READ_FROM) === A) next[shared + SAW_A_THEN_B] = 1;
    next[shared + KNOWN] = Math.max(at(next, shared + KNOWN), saw);
    this.#outcomes.push(`the read returns ${RECORDS[saw]}`);
    this.#forgetRead(next);
  }

  #forgetRead(next: Uint8Array): void {
    next.fill(0, this.#shared + PHASE, this.#shared + HOLDERS + 1);
  }

  // Pulls.

  /** A replica of the wanted set asks an old one, or an answer to that arrives. */
  #pullSteps(state: State, node: number, visit: Visit): void {
    const { bytes } = state;
    if (at(bytes, this.#field(node, PULLED)) === PULLED_ALL) return;
    for (let source = 0; source < this.#epochs.nodes; source++) {
      if (this.#inFlight(bytes, node, source) > 0) this.#land(state, node, source, visit);
      else this.#askSource(state, node, source, visit);
    }
  }

  /** One source answers. What it sends arrives now if it is nothing new, else now or later. */
  #askSource(state: State, node: number, source: number, visit: Visit): void {
    const { bytes } = state;
    if (((at(bytes, this.#field(node, PULLED)) >>> source) & 1) === 1) return;
    for (let epoch = this.#firstPulls; epoch <= this.#epochs.joint; epoch++) {
      const { old } = this.#epochs.setsOf(epoch);
      if (((old >>> source) & 1) === 0 || !this.#pulls(epoch, node)) continue;
      if (!this.#serves(bytes, node, epoch) || !this.#serves(bytes, source, epoch)) continue;

      const next = this.#copy(state);
      this.#take(next, node, epoch);
      if (source === node || this.#omitted !== 'sources take the joint epoch') {
        this.#take(next, source, epoch);
      }
      const value = at(bytes, this.#field(source, VALUE));
      if (value > at(bytes, this.#field(node, VALUE))) {
        this.#setInFlight(next, node, source, value);
      } else this.#hasPulled(next, node, source);
      this.#finish(visit, undefined, () => {
        const names = `${this.#epochs.nameOf(node)} pulls from ${this.#epochs.nameOf(source)}`;
        return `${names}, which sends ${RECORDS[value]}, under ${this.#epochs.describe(epoch)}`;
      });
    }
  }

  #land(state: State, node: number, source: number, visit: Visit): void {
    const value = this.#inFlight(state.bytes, node, source);
    const next = this.#copy(state);
    this.#setInFlight(next, node, source, 0);
    const field = this.#field(node, VALUE);
    next[field] = Math.max(at(next, field), value);
    this.#hasPulled(next, node, source);
    this.#finish(visit, undefined, () => {
      const to = this.#epochs.nameOf(node);
      return `what ${this.#epochs.nameOf(source)} sent to ${to} arrives: ${RECORDS[value]}`;
    });
  }

  #hasPulled(next: Uint8Array, node: number, source: number): void {
    const field = this.#field(node, PULLED);
    const pulled = at(next, field) | (1 << source);
    const isAll = countOf(pulled) >= this.#pullsNeeded;
    next[field] = isAll ? PULLED_ALL : pulled;
    if (isAll) {
      next[this.#field(node, IN_FLIGHT)] = 0; // late ones bring nothing that `apply` could not
      this.#outcomes.push(`${this.#epochs.nameOf(node)} has pulled`);
    }
  }

  /**
   * The first epoch with pulls. Those of a joint epoch that was folded count for nothing, and what they
   * copy is copied by `#storeSteps` too: they are told only where a pull before the fold is made to count.
   */
  get #firstPulls(): number {
    return this.#omitted === 'all pull again after a fold' ? 1 : this.#epochs.joint;
  }

  /** Whether `node` must pull in `epoch`. */
  #pulls(epoch: number, node: number): boolean {
    const { old, wanted } = this.#epochs.setsOf(epoch);
    if (((wanted >>> node) & 1) === 0) return false;
    return this.#omitted !== 'kept replicas pull' || ((old >>> node) & 1) === 0;
  }

  // What holds of every step.

  /** A replica takes a newer ring before it does anything for it; what it pulled before dies with that. */
  #take(next: Uint8Array, node: number, epoch: number): void {
    const field = this.#field(node, EPOCH);
    if (this.#omitted === 'newer epoch taken first' || at(next, field) >= epoch) return;
    next[field] = epoch;
    const pulled = this.#field(node, PULLED);
    const counts = this.#omitted === 'all pull again after a fold';
    if (counts && at(next, pulled) === PULLED_ALL) return;
    next[pulled] = 0;
    next[this.#field(node, IN_FLIGHT)] = 0;
  }

  /** Draws the conclusions of a step that need no further message, and hands the state on. */
  #finish(visit: Visit, flaw: string | undefined, story: () => string): void {
    const next = this.#next.bytes;
    for (let version = A_AGAIN; version >= A; version--) this.#countStored(next, version);
    this.#countWrittenBack(next);
    if (this.#reduced) this.#reduce(next);
    this.#decideLast(next);
    if (this.#reduced) this.#symmetry.normalize(this.#next);
    const wrong = this.#tellsReads ? flaw : this.#wrongRead(next);
    const outcomes = this.#outcomes;
    visit(
      this.#next,
      () => (outcomes.length === 0 ? story() : `${story()}; ${outcomes.join('; ')}`),
      wrong,
    );
  }

  /** What a read could see that began now and was answered at once, if that is wrong. */
  #wrongRead(next: Uint8Array): string | undefined {
    const from = this.#of(next, KNOWN);
    for (let epoch = 0; from > 0 && this.#isDecided(next, epoch); epoch++) {
      let unaware = 0;
      for (let node = 0; node < this.#epochs.nodes; node++) {
        const lacksIt = at(next, this.#field(node, VALUE)) < from;
        if (lacksIt && this.#mayAsk(next, node, epoch)) unaware |= 1 << node;
      }
      if (!this.#epochs.enough('ask', epoch, unaware)) continue;
      return `a read under ${this.#epochs.describe(epoch)} would miss ${RECORDS[from]}, known to clients`;
    }
    return undefined;
  }

  /** Replicas that hold a record (or a newer one) in the writer's epoch say so. */
  #countStored(next: Uint8Array, version: number): void {
    const underField = this.#shared + UNDER + version - 1;
    const under = at(next, underField);
    if (under === NOWHERE) return;
    const field = this.#shared + ACKNOWLEDGED_BY + version - 1;
    const holders = at(next, field) | this.#holders(next, under, version);
    next[field] = holders;
    const acknowledged = this.#epochs.enough('store', under, holders);
    if (acknowledged) {
      next[this.#shared + KNOWN] = Math.max(at(next, this.#shared + KNOWN), version);
      this.#outcomes.push(`${RECORDS[version]} is acknowledged`);
    }
    // Once clients know it, its acknowledgement tells them nothing.
    const isKnown = this.#reduced && at(next, this.#shared + KNOWN) >= version;
    if (acknowledged || isKnown) {
      next[underField] = NOWHERE;
      next[field] = 0;
    }
  }

  #countWrittenBack(next: Uint8Array): void {
    const shared = this.#shared;
    if (at(next, shared + PHASE) !== 2) return;
    const epoch = at(next, shared + READ_EPOCH);
    const holders =
      at(next, shared + HOLDERS) | this.#holders(next, epoch, at(next, shared + READ_SAW));
    next[shared + HOLDERS] = holders;
    if (this.#epochs.enough('write back', epoch, holders)) this.#return(next);
  }

  /** Who would answer at once, under `epoch`, that it holds `version` or a newer one. */
  #holders(next: Uint8Array, epoch: number, version: number): number {
    let holders = 0;
    for (let node = 0; node < this.#epochs.nodes; node++) {
      if (at(next, this.#field(node, VALUE)) < version || !this.#epochs.has(epoch, node)) continue;
      const own = at(next, this.#field(node, EPOCH));
      const answersOlder = own > epoch && this.#omitted === 'older epochs refused';
      const answersNewer = own < epoch && this.#omitted === 'newer epoch taken first';
      if (own === epoch || answersOlder || answersNewer) holders |= 1 << node;
    }
    return holders;
  }

  /** The last ring is decided as soon as it may be: nobody has to know. */
  #decideLast(next: Uint8Array): void {
    if (at(next, this.#shared + LAST_DECIDED) === 1) return;
    const { wanted } = this.#epochs.setsOf(this.#epochs.joint);
    let pulled = 0;
    for (let node = 0; node < this.#epochs.nodes; node++) {
      const isDone = at(next, this.#field(node, PULLED)) === PULLED_ALL;
      if (isDone || !this.#pulls(this.#epochs.joint, node)) pulled |= (1 << node) & wanted;
    }
    if (!this.#havePulled(pulled, wanted)) return;
    next[this.#shared + LAST_DECIDED] = 1;
    for (let node = 0; node < this.#epochs.nodes; node++) {
      next[this.#field(node, PULLED)] = 0;
      next[this.#field(node, IN_FLIGHT)] = 0;
    }
    this.#outcomes.push(`${this.#epochs.describe(this.#epochs.last)} is decided`);
  }

  #havePulled(pulled: number, wanted: number): boolean {
    if (this.#omitted === 'new when all have pulled') return pulled !== 0;
    if (this.#omitted !== 'all have pulled, not only a quorum') return pulled === wanted;
    return this.#epochs.enough('ask', this.#epochs.last, pulled);
  }

  /**
   * Makes states equal whose futures are. Versions below all that can still matter are as good as
   * none; a read or a write that can no longer get its quorum under its ring is as good as ended there.
   */
  #reduce(next: Uint8Array): void {
    const shared = this.#shared;
    for (let version = B; version >= A; version--) this.#leaveHopelessEpochs(next, version);
    const phase = at(next, shared + PHASE);
    const epoch = at(next, shared + READ_EPOCH);
    if (phase === 1) {
      if (!this.#epochs.enough('ask', epoch, this.#couldAnswer(next, epoch, ANSWERED))) {
        this.#forgetRead(next);
      }
    } else if (phase === 2) {
      const isHopeless = !this.#epochs.enough(
        'write back',
        epoch,
        this.#couldAnswer(next, epoch, HOLDERS),
      );
      if (isHopeless || at(next, shared + READ_SAW) <= at(next, shared + KNOWN)) {
        this.#forgetRead(next);
      }
    }

    const matters = this.#matters(next);
    if (at(next, shared + PHASE) === 1 && at(next, shared + READ_SAW) < matters) {
      next[shared + READ_SAW] = 0; // unless something newer comes, this read is wrong already
      next[shared + HOLDERS] = 0;
    }
    for (let node = 0; node < this.#epochs.nodes; node++) {
      const held = at(next, this.#field(node, VALUE));
      if (held < matters) next[this.#field(node, VALUE)] = 0;
      if (at(next, this.#field(node, IN_FLIGHT)) === 0) continue;
      for (let source = 0; source < this.#epochs.nodes; source++) {
        const value = this.#inFlight(next, node, source);
        if (value === 0 || (value > held && value >= matters)) continue;
        this.#setInFlight(next, node, source, 0);
        this.#hasPulled(next, node, source);
        if (at(next, this.#field(node, PULLED)) === PULLED_ALL) break;
      }
    }
  }

  #leaveHopelessEpochs(next: Uint8Array, version: number): void {
    if (this.#omitted === 'answers counted anew') return;
    const underField = this.#shared + UNDER + version - 1;
    const field = ACKNOWLEDGED_BY + version - 1;
    for (;;) {
      const under = at(next, underField);
      if (under === NOWHERE) return;
      if (at(next, this.#shared + KNOWN) >= version) break;
      if (this.#epochs.enough('store', under, this.#couldAnswer(next, under, field))) return;
      next[underField] = under === this.#epochs.last ? NOWHERE : under + 1;
      next[this.#shared + field] = 0;
      this.#countStored(next, version);
    }
    next[underField] = NOWHERE;
    next[this.#shared + field] = 0;
  }

  /** Those who answered, by a field of them, and those who still may under `epoch`. */
  #couldAnswer(next: Uint8Array, epoch: number, field: number): number {
    let mask = at(next, this.#shared + field);
    for (let node = 0; node < this.#epochs.nodes; node++) {
      // The epoch need not be decided yet: it may be one day.
      if (!this.#epochs.has(epoch, node)) continue;
      if (this.#lowestServed(next, node) <= epoch) mask |= 1 << node;
    }
    return mask;
  }

  /** The lowest version that makes a difference to anyone: less is as wrong as nothing. */
  #matters(bytes: Uint8Array): number {
    return this.#of(bytes, this.#of(bytes, PHASE) === 1 ? READ_FROM : KNOWN);
  }

  /** Whether a request under `epoch` to `node` would be answered. */
  #mayAsk(bytes: Uint8Array, node: number, epoch: number): boolean {
    return this.#epochs.has(epoch, node) && this.#serves(bytes, node, epoch);
  }

  #serves(bytes: Uint8Array, node: number, epoch: number): boolean {
    return this.#lowestServed(bytes, node) <= epoch && this.#isDecided(bytes, epoch);
  }

  #lowestServed(bytes: Uint8Array, node: number): number {
    return this.#omitted === 'older epochs refused' ? 0 : at(bytes, this.#field(node, EPOCH));
  }

  #isDecided(bytes: Uint8Array, epoch: number): boolean {
    return epoch < this.#epochs.last + this.#of(bytes, LAST_DECIDED);
  }

  // Fields.

  #copy(state: State): Uint8Array {
    this.#next.words.set(state.words);
    if (this.#outcomes.length > 0) this.#outcomes = [];
    return this.#next.bytes;
  }

  #of(bytes: Uint8Array, field: number): number {
    return at(bytes, this.#shared + field);
  }

  #field(node: number, field: number): number {
    return node * FIELDS_PER_NODE + field;
  }

  #inFlight(bytes: Uint8Array, node: number, source: number): number {
    const { old } = this.#epochs.setsOf(this.#epochs.joint);
    if (((old >>> source) & 1) === 0) return 0;
    return (at(bytes, this.#field(node, IN_FLIGHT)) >>> this.#shiftOf(source)) & 3;
  }

  #setInFlight(next: Uint8Array, node: number, source: number, value: number): void {
    const shift = this.#shiftOf(source);
    const field = this.#field(node, IN_FLIGHT);
    next[field] = (at(next, field) & ~(3 << shift)) | (value << shift);
  }

  #shiftOf(source: number): number {
    return 2 * at(this.#sourceRank, source);
  }
}
