/**
 * An operator gives members up for good: most of them die at once, or all that keep some partition, and
 * what is left is told to go on without them (`src/stabilizer/forced-removal.ts`). They stay dead until that
 * is in force with everybody, as the operator said; then one comes back, the others when all is over.
 * Drawn apart from the other changes, so that it shifts none of them.
 */
import type { NodeId } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';
import type { Absences, Contract } from './absences.ts';
import { OperatorCalls } from './operator-calls.ts';
import type { RingWatch } from './ring-watch.ts';
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedCluster, SimulatedNode } from './simulated-cluster.ts';
import type { Striking } from './striking.ts';
import type { Trace } from './trace.ts';

const FORCE = 'force';
/** Of the runs that go beyond what was promised. */
const SHARE = 0.3;
const EARLIEST_MS = 1_500;
const LATEST_MS = 9_000;
/** How often the operator asks again, and how often it is looked whether everybody is there. */
const AGAIN_EVERY_MS = 200;

export class ForcedRings {
  /** How often a removal was decided. */
  readonly fired = new Map<typeof FORCE, number>();
  readonly begun = new Set<typeof FORCE>();
  readonly #cluster: SimulatedCluster;
  readonly #scheduler: Scheduler;
  readonly #rings: RingWatch;
  readonly #absences: Absences;
  readonly #random: SeededRandom;
  readonly #trace: Trace;
  readonly #isActive: boolean;
  readonly #untilMs: number;
  readonly #calls = new OperatorCalls();
  #over = false;

  constructor(
    options: Striking & {
      readonly contract: Contract;
    },
  ) {
    this.#cluster = options.cluster;
    this.#scheduler = options.scheduler;
    this.#rings = options.rings;
    this.#absences = options.absences;
    this.#random = options.random;
    this.#trace = options.trace;
    this.#untilMs = options.untilMs;
    const isDrawn = this.#random.chance(SHARE);
    this.#isActive = isDrawn && options.contract === 'beyond' && !options.without.includes(FORCE);
  }

  get active(): readonly (typeof FORCE)[] {
    return this.#isActive ? [FORCE] : [];
  }

  start(): void {
    if (!this.#isActive) return;
    const afterMs = EARLIEST_MS + this.#random.fraction() * (LATEST_MS - EARLIEST_MS);
    this.#scheduler.after(afterMs, () => this.#strike());
  }

  /** Nothing begins any more. */
  heal(): void {
    this.#over = true;
  }

  /**
   * Whether somebody is being given up still: the operator waits for an answer, or not all that go on hold
   * the ring that came of it. Until then those given up are not to be started, as an operator is told.
   */
  get givesUp(): boolean {
    return this.begun.size > 0 && (this.underWay || !this.#allHoldNewest);
  }

  /** Whether an operator waits for an answer still. */
  get underWay(): boolean {
    return this.#calls.underWay;
  }

  #strike(): void {
    if (this.#over || this.#scheduler.nowMs > this.#untilMs) return;
    const ring = this.#rings.newest;
    const victims = ring === undefined || !this.#absences.areNone ? [] : this.#victims(ring);
    if (victims.length === 0) {
      this.#scheduler.after(AGAIN_EVERY_MS, () => this.#strike());
      return;
    }
    const ids = victims.flatMap(({ name }) => this.#rings.idOf(name) ?? []);
    const names = victims.map(({ name }) => name);
    this.#absences.begin('dead', ids);
    this.begun.add(FORCE);
    this.#trace.line(this.#scheduler.nowMs, `FAULT ${FORCE} ${names.join(' ')}`);
    for (const victim of victims) this.#cluster.crash(victim);
    this.#ask(victims, ids);
  }

  /** All that keep some partition, or so many that no majority is left. */
  #victims(ring: Ring): readonly SimulatedNode[] {
    const voters = ring.voters.map(({ id }) => id);
    const most = Math.floor(voters.length / 2) + this.#random.between(1, 2);
    const gone = this.#random.chance(0.4)
      ? this.#random.pick(ring.assignment)
      : this.#some(voters, most);
    const isLeft = voters.some((id) => !gone.includes(id) && ring.member(id)?.leaving === 'no');
    if (!isLeft) return [];
    return this.#cluster.running.filter(({ name }) => {
      const id = this.#rings.idOf(name);
      return id !== undefined && gone.includes(id);
    });
  }

  #some(ids: readonly NodeId[], count: number): readonly NodeId[] {
    const drawn = ids.map((id) => ({ id, at: this.#random.fraction() }));
    return drawn
      .sort((a, b) => a.at - b.at)
      .slice(0, count)
      .map(({ id }) => id);
  }

  /** Of anybody who runs, until the ring in force does not name them, or another lineage has begun. */
  #ask(victims: readonly SimulatedNode[], ids: readonly NodeId[]): void {
    if (this.#over) return;
    const named = ids.filter((id) => this.#rings.newest?.member(id) !== undefined);
    if (named.length === 0) {
      this.#oneComesBack(victims, ids);
      return;
    }
    const { running } = this.#cluster;
    if (running.length > 0 && !this.underWay) {
      const through = this.#random.pick(running);
      const names = named.flatMap((id) => this.#rings.newest?.member(id)?.name ?? []);
      const removal = through.node.operator.forceRemoval(names);
      this.#calls.follow(through, removal, () =>
        this.fired.set(FORCE, (this.fired.get(FORCE) ?? 0) + 1),
      );
    }
    this.#scheduler.after(AGAIN_EVERY_MS, () => this.#ask(victims, ids));
  }

  /** Whether all members of the newest ring hold one of its lineage. */
  get #allHoldNewest(): boolean {
    const ring = this.#rings.newest;
    const members = this.#cluster.nodes.filter(({ name }) => this.#rings.isMember(name));
    return members.every(({ name }) => this.#rings.ringsOf(name).at(-1)?.lineage === ring?.lineage);
  }

  #oneComesBack(victims: readonly SimulatedNode[], ids: readonly NodeId[]): void {
    if (this.#over) return;
    if (!this.#allHoldNewest) {
      this.#scheduler.after(AGAIN_EVERY_MS, () => this.#oneComesBack(victims, ids));
      return;
    }
    const [first] = victims;
    const [id] = ids;
    if (first === undefined || id === undefined || this.#random.chance(0.4)) return;
    this.#absences.end([id]);
    if (first.life.ended) this.#cluster.start(first);
  }
}
