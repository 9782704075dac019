/**
 * What changes the ring of a run: nodes that join, members that are sent away, die for longer than the
 * grace period and come back, or are cut off for as long; another replication factor. Each seed draws a
 * subset of the kinds, as with the faults, which go on meanwhile. Changes come in pairs and in quick
 * succession now and then: two proposals for one epoch, and a transition that is folded.
 */
import type { NodeId } from '../../src/ids.ts';
import type { QuorateNode } from '../../src/node.ts';
import type { Request } from '../../src/rpc/messages.ts';
import type { Absences, Contract } from './absences.ts';
import { OperatorCalls } from './operator-calls.ts';
import type { RingWatch } from './ring-watch.ts';
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedCluster, SimulatedNode } from './simulated-cluster.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { Striking } from './striking.ts';
import type { Trace } from './trace.ts';

export const CHANGE_KINDS = ['join', 'leave', 'remove', 'death', 'factor', 'long_split'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

const MEAN_PAUSE_MS = 1_500;
const SOON_MS = 200;
/** How often somebody looks whether something has come about. */
const LOOK_EVERY_MS = 100;
/** Nobody waits longer for a ring to be decided. */
const MOST_LOOKS = 250;
/** Until all others hold a silent member for dead, about. */
export const DETECTION_MS = 6_000;
/** Grace periods after which survivors may go on without those who are cut off, and a little. */
export const SURVIVORS_GO_ON_GRACES = 4;
/** How long the question whether survivors may go on is under way, at most, and the ring that comes of it. */
const MOST_HOLD_UP_MS = 800;
/** With fewer, every change touches everything. */
const FEWEST_MEMBERS = 3;

type Operator = QuorateNode['operator'];

export class RingChanges {
  /** How often each kind came to something: a change that was refused did not. */
  readonly fired = new Map<ChangeKind, number>();
  /** The kinds that struck, whatever came of them. */
  readonly begun = new Set<ChangeKind>();
  readonly #cluster: SimulatedCluster;
  readonly #network: SimulatedNetwork;
  readonly #scheduler: Scheduler;
  readonly #rings: RingWatch;
  readonly #absences: Absences;
  readonly #timetable: SeededRandom;
  /** What the change of the moment draws: a change left out shifts no other. */
  #random: SeededRandom;
  readonly #trace: Trace;
  readonly #contract: Contract;
  readonly #active: readonly ChangeKind[];
  readonly #without: readonly string[];
  readonly #untilMs: number;
  readonly #graceMs: number;
  readonly #factors: readonly number[];
  #newcomers: number;
  #over = false;
  readonly #calls = new OperatorCalls();

  constructor(
    options: Striking & {
      readonly network: SimulatedNetwork;
      readonly contract: Contract;
      readonly graceMs: number;
      /** How many further nodes may join. */
      readonly newcomers: number;
      /** Replication factors to choose from. */
      readonly factors: readonly number[];
    },
  ) {
    this.#cluster = options.cluster;
    this.#network = options.network;
    this.#scheduler = options.scheduler;
    this.#rings = options.rings;
    this.#absences = options.absences;
    this.#timetable = options.random;
    this.#random = options.random;
    this.#trace = options.trace;
    this.#contract = options.contract;
    this.#without = options.without;
    this.#untilMs = options.untilMs;
    this.#graceMs = options.graceMs;
    this.#newcomers = options.newcomers;
    this.#factors = options.factors;
    this.#active = CHANGE_KINDS.filter(() => this.#timetable.chance(0.5));
  }

  /** The kinds that this run may meet. */
  get active(): readonly ChangeKind[] {
    if (this.#contract === 'still') return [];
    return this.#active.filter((kind) => !this.#without.includes(kind));
  }

  start(): void {
    if (this.active.length === 0) return;
    this.#next();
    // Survivors go on late; a split that is to last so long has to begin early.
    if (this.#contract !== 'beyond' || !this.active.includes('long_split')) return;
    const random = this.#timetable.branch();
    this.#scheduler.after(random.fraction() * MEAN_PAUSE_MS, () => {
      if (this.#over || this.#scheduler.nowMs > this.#untilMs) return;
      this.#random = random;
      const members = this.#members;
      if (members.length === 0) return;
      const first = random.pick(members);
      const others = members.filter((member) => member !== first);
      this.#splitForLong(others.length === 0 ? [first] : [first, random.pick(others)]);
    });
  }

  /** Whether something may change yet that was asked for before `heal`. */
  get underWay(): boolean {
    return this.#calls.underWay;
  }

  /** Nothing changes any more, and who was away comes back. */
  heal(): void {
    this.#over = true;
    this.#network.island = new Set();
    this.#network.holdUp = () => 0;
  }

  #next(): void {
    const pauseMs = this.#timetable.chance(0.25) ? SOON_MS : MEAN_PAUSE_MS;
    this.#scheduler.after(this.#timetable.fraction() * 2 * pauseMs, () => {
      if (this.#over || this.#scheduler.nowMs > this.#untilMs) return;
      for (let changes = this.#timetable.chance(0.25) ? 2 : 1; changes > 0; changes--) {
        const kind = this.#timetable.pick(this.#active);
        this.#random = this.#timetable.branch();
        if (!this.#without.includes(kind)) this.#begin(kind);
      }
      this.#next();
    });
  }

  #begin(kind: ChangeKind): void {
    switch (kind) {
      case 'join':
        this.#join();
        break;
      case 'leave':
        this.#leave();
        break;
      case 'remove':
        this.#dieAnd((victim, id) => this.#removeSoon(victim, id, MOST_LOOKS));
        break;
      case 'death':
        this.#dieAnd((victim, id) => this.#awaitReplacement(victim, id));
        break;
      case 'factor':
        this.#changeFactor();
        break;
      case 'long_split':
        this.#splitForLong(this.#members.filter(() => this.#random.chance(0.4)));
        break;
    }
  }

  #join(): void {
    if (this.#newcomers === 0) return;
    this.#newcomers -= 1;
    const newcomer = this.#cluster.add(`node${this.#cluster.nodes.length + 1}`);
    this.#tell('join', newcomer.name);
    this.#cluster.start(newcomer);
    this.#when(
      () => this.#rings.isMember(newcomer.name),
      () => this.#count('join'),
    );
  }

  #leave(): void {
    const members = this.#rings.newest?.members.filter(({ leaving }) => leaving === 'no') ?? [];
    if (members.length <= FEWEST_MEMBERS) return;
    const { name } = this.#random.pick(members);
    this.#ask('leave', name, (operator) => operator.changeMember('leave', name));
  }

  #changeFactor(): void {
    const factor = this.#random.pick(this.#factors);
    this.#ask('factor', `${factor}`, (operator) => operator.changeReplicationFactor(factor));
  }

  /** Members that die; `then` says what becomes of each. */
  #dieAnd(then: (victim: SimulatedNode, id: NodeId) => void): void {
    const many = this.#contract === 'beyond' ? this.#random.between(1, 3) : 1;
    for (let deaths = 0; deaths < many; deaths++) {
      const running = this.#members;
      if (running.length === 0) return;
      const victim = this.#random.pick(running);
      const id = this.#rings.idOf(victim.name);
      if (id === undefined || !this.#absences.mayGo([id])) continue;
      this.#absences.begin('dead', [id]);
      this.#tell('death', victim.name);
      this.#cluster.crash(victim);
      then(victim, id);
    }
  }

  #awaitReplacement(victim: SimulatedNode, id: NodeId): void {
    this.#when(
      () => this.#isReplaced(id),
      () => this.#count('death'),
      () => this.#comeBack(victim, id),
    );
  }

  /** An operator gives up a dead member, as soon as some other member holds it for dead. */
  #removeSoon(victim: SimulatedNode, id: NodeId, looks: number): void {
    if (this.#over) return;
    if (looks === 0 || this.#isReplaced(id)) {
      this.#comeBack(victim, id);
      return;
    }
    const { running } = this.#cluster;
    if (running.length > 0) {
      const through = this.#random.pick(running);
      const { operator } = through.node;
      this.#await('remove', through, operator.changeMember('remove', victim.name));
    }
    this.#scheduler.after(LOOK_EVERY_MS, () => this.#removeSoon(victim, id, looks - 1));
  }

  #isReplaced(id: NodeId): boolean {
    return this.#rings.newest?.member(id)?.leaving !== 'no';
  }

  /** At once, later, or not before all is over. */
  #comeBack(victim: SimulatedNode, id: NodeId): void {
    if (this.#random.chance(0.3)) return;
    this.#scheduler.after(this.#random.fraction() * 3_000, () => {
      if (this.#over) return;
      this.#absences.end([id]);
      if (victim.life.ended) this.#cluster.start(victim);
    });
  }

  /** These members are cut off for several grace periods. */
  #splitForLong(members: readonly SimulatedNode[]): void {
    if (this.#network.island.size > 0) return;
    const ids = members.flatMap(({ name }) => this.#rings.idOf(name) ?? []);
    if (ids.length === 0 || !this.#absences.mayGo(ids)) return;
    this.#absences.begin('cut_off', ids);
    const names = members.map(({ name }) => name);
    this.#tell('long_split', names.join(' '));
    const island = new Set(names);
    this.#network.island = island;
    const end = (): void => {
      if (this.#over || this.#network.island !== island) return;
      this.#count('long_split');
      this.#network.island = new Set();
      this.#absences.end(ids);
    };
    const leastGraces = this.#contract === 'beyond' ? SURVIVORS_GO_ON_GRACES : 1;
    const graces = leastGraces + 2 * this.#random.fraction();
    this.#scheduler.after(DETECTION_MS + graces * this.#graceMs, end);
    // The worst moment: they are back just when the others agree to go on without them, while the
    // question is under way still; and what comes of it reaches them late.
    if (this.#random.chance(0.5)) {
      const random = this.#random.branch();
      this.#network.onSent = (_, request) => {
        if (asksForSurvivors(request)) end();
      };
      this.#network.holdUp = (request) =>
        asksForSurvivors(request) || request.type === 'ring.decided'
          ? random.fraction() * MOST_HOLD_UP_MS
          : 0;
    }
  }

  /** Through some node that runs; it may refuse, or not live to answer. */
  #ask(kind: ChangeKind, what: string, change: (operator: Operator) => Promise<unknown>): void {
    const { running } = this.#cluster;
    if (running.length === 0) return;
    const through = this.#random.pick(running);
    this.#tell(kind, `${what} through ${through.name}`);
    this.#await(kind, through, change(through.node.operator));
  }

  #await(kind: ChangeKind, through: SimulatedNode, change: Promise<unknown>): void {
    this.#calls.follow(through, change, () => this.#count(kind));
  }

  /** Calls `then` when `holds`, if it ever does, and `anyway` after that or when it took too long. */
  #when(
    holds: () => boolean,
    then: () => void,
    anyway: () => void = () => undefined,
    looks = MOST_LOOKS,
  ): void {
    if (this.#over) return;
    if (holds()) then();
    if (holds() || looks === 0) anyway();
    else this.#scheduler.after(LOOK_EVERY_MS, () => this.#when(holds, then, anyway, looks - 1));
  }

  /** Running members that no ring has given up. */
  get #members(): readonly SimulatedNode[] {
    const ring = this.#rings.newest;
    return this.#cluster.running.filter(({ name }) => {
      const id = this.#rings.idOf(name);
      return id !== undefined && ring?.member(id)?.leaving === 'no' && !this.#absences.isAway(id);
    });
  }

  #count(kind: ChangeKind): void {
    this.fired.set(kind, (this.fired.get(kind) ?? 0) + 1);
  }

  #tell(kind: ChangeKind, what: string): void {
    this.begun.add(kind);
    this.#trace.line(this.#scheduler.nowMs, `FAULT ${kind} ${what}`);
  }
}

function asksForSurvivors(request: Request): boolean {
  return request.type === 'ring.consent' && request.to === 'survivors';
}
