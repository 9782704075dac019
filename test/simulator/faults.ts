/**
 * The faults of a run. Each seed draws a subset of the kinds (swarm testing: Groce et al., 2012: runs
 * that leave features out find more), and each kind that is active strikes again and again.
 *
 * The contract that a run keeps (after TigerBeetle's fault atlas): at most one node's disk is ever
 * damaged or wiped, only with three or more replicas of each key, and never while another copy of
 * something is away for long (`absences.ts`); more would break what was promised, and prove nothing.
 */
import { RecordPlaces } from '../../src/storage/record-places.ts';
import type { Absences } from './absences.ts';
import type { RingWatch } from './ring-watch.ts';
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedCluster, SimulatedNode } from './simulated-cluster.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { Striking } from './striking.ts';
import type { Trace } from './trace.ts';

export const FAULT_KINDS = [
  'one_way_split',
  'partial_split',
  'full_split',
  'connection_reset',
  'delay',
  'reordering',
  'crash',
  'crash_of_all',
  'pause',
  'slow_disk',
  'full_disk',
  'failing_sync',
  'bit_flip',
  'swapped_records',
  'torn_write',
  'wipe',
  'clock_offset',
  'clock_drift',
  'clock_jump',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Kinds that damage what a disk had synced. */
const DISK_DAMAGE: ReadonlySet<FaultKind> = new Set([
  'bit_flip',
  'swapped_records',
  'torn_write',
  'wipe',
]);

const HOUR_MS = 3_600_000;
const MEAN_PAUSE_MS = 400;
const MOST_RECORDS = 1_000;

export class Faults {
  /** How often each kind struck and did something: a bit that flips on an empty disk did not. */
  readonly fired = new Map<FaultKind, number>();
  readonly #cluster: SimulatedCluster;
  readonly #network: SimulatedNetwork;
  readonly #scheduler: Scheduler;
  /** When which kind strikes whom. */
  readonly #timetable: SeededRandom;
  /** What the strike of the moment draws: a strike left out shifts no other. */
  #random: SeededRandom;
  readonly #trace: Trace;
  readonly #rings: RingWatch;
  readonly #absences: Absences;
  readonly #active: readonly FaultKind[];
  /** The one node whose disk may be damaged. */
  readonly #rotting: SimulatedNode | undefined;
  readonly #without: readonly string[];
  readonly #untilMs: number;
  #over = false;

  constructor(
    options: Striking & {
      readonly network: SimulatedNetwork;
      /** Whether the disk of one node may be damaged or lost. */
      readonly mayRot: boolean;
    },
  ) {
    this.#cluster = options.cluster;
    this.#network = options.network;
    this.#scheduler = options.scheduler;
    this.#timetable = options.random;
    this.#random = options.random;
    this.#without = options.without;
    this.#untilMs = options.untilMs;
    this.#trace = options.trace;
    this.#rings = options.rings;
    this.#absences = options.absences;
    this.#active = FAULT_KINDS.filter(() => this.#timetable.chance(0.3));
    this.#rotting = options.mayRot ? this.#timetable.pick(this.#cluster.nodes) : undefined;
  }

  /** The kinds that this run may meet. */
  get active(): readonly FaultKind[] {
    return this.#active.filter((kind) => !this.#without.includes(kind));
  }

  start(): void {
    if (this.#active.length > 0) this.#next();
  }

  /**
   * No fault strikes any more, and what they left is put right: the cluster has to recover. Whoever
   * `staysDead` is started with `reviveAll`.
   */
  heal(staysDead: (node: SimulatedNode) => boolean): void {
    this.#over = true;
    this.#network.mend();
    this.#network.heldBack = 0;
    for (const node of this.#cluster.nodes) {
      node.clockFault.offsetMs = 0;
      node.clockFault.drift = 0;
      node.disk.slowness = 1;
      node.disk.room = 'ample';
      node.disk.failNextSync = false;
      this.#network.slow(node.name, 1);
      if (!node.life.ended) node.life.resume();
      else if (!staysDead(node)) this.#cluster.start(node);
    }
  }

  reviveAll(): void {
    for (const node of this.#cluster.nodes) if (node.life.ended) this.#cluster.start(node);
  }

  #next(): void {
    this.#scheduler.after(this.#timetable.fraction() * 2 * MEAN_PAUSE_MS, () => {
      if (this.#over || this.#scheduler.nowMs > this.#untilMs) return;
      const kind = this.#timetable.pick(this.#active);
      const victim = this.#timetable.pick(this.#cluster.nodes);
      const node = DISK_DAMAGE.has(kind) ? this.#expendable : victim;
      this.#random = this.#timetable.branch();
      if (node !== undefined && !this.#without.includes(kind)) this.#strike(kind, node);
      this.#next();
    });
  }

  /** The node whose disk may be damaged, when no other copy of anything is away. */
  get #expendable(): SimulatedNode | undefined {
    const id = this.#rotting && this.#rings.idOf(this.#rotting.name);
    if (id === undefined || this.#absences.isAway(id)) return undefined;
    return this.#absences.mayLose([id]) ? this.#rotting : undefined;
  }

  #strike(kind: FaultKind, node: SimulatedNode): void {
    this.#trace.line(this.#scheduler.nowMs, `FAULT ${kind} ${node.name}`);
    void this.#strikeAt(kind, node).then((struck) => {
      if (struck) this.#count(kind);
    });
  }

  /** False when there was nothing to strike at, or it did not come to that yet. */
  async #strikeAt(kind: FaultKind, node: SimulatedNode): Promise<boolean> {
    switch (kind) {
      case 'one_way_split':
        this.#network.cut(node.name, this.#other(node).name);
        this.#later(() => this.#network.mend());
        return true;
      case 'partial_split': {
        const other = this.#other(node);
        this.#network.cut(node.name, other.name);
        this.#network.cut(other.name, node.name);
        this.#later(() => this.#network.mend());
        return true;
      }
      case 'full_split':
        this.#later(() => this.#network.mend());
        return this.#split();
      case 'connection_reset':
        return this.#network.reset(node.name, this.#other(node).name);
      case 'crash':
        return this.#crash(node);
      case 'crash_of_all':
        return this.#cluster.nodes.filter((each) => this.#crash(each)).length > 0;
      case 'pause':
        if (node.life.ended || node.life.paused) return false;
        node.life.pause();
        this.#later(() => node.life.resume());
        return true;
      case 'slow_disk':
        node.disk.slowness = this.#random.pick([10, 100]);
        this.#later(() => {
          node.disk.slowness = 1;
        });
        return true;
      case 'full_disk':
        node.disk.room = this.#random.pick(['low', 'exhausted']);
        this.#later(() => {
          node.disk.room = 'ample';
        });
        return true;
      case 'failing_sync':
        node.disk.failNextSync = true;
        this.#later(() => {
          if (!node.disk.failNextSync) this.#count(kind);
          this.#restart(node);
        });
        return false;
      case 'bit_flip':
        return flipBit(node, this.#random);
      case 'swapped_records':
        return swapRecords(node, this.#random);
      case 'torn_write':
        this.#tearSoon(node, 200);
        return false;
      case 'wipe':
        if (!node.life.ended) this.#cluster.crash(node);
        this.#wipe(node);
        this.#later(() => this.#restart(node));
        return true;
      case 'delay':
        this.#network.slow(node.name, this.#random.pick([10, 50]));
        this.#later(() => this.#network.slow(node.name, 1));
        return true;
      case 'reordering':
        this.#network.heldBack = 0.05;
        this.#later(() => {
          this.#network.heldBack = 0;
        });
        return true;
      case 'clock_offset':
        node.clockFault.offsetMs = (this.#random.fraction() - 0.5) * 2 * HOUR_MS;
        this.#later(() => {
          node.clockFault.offsetMs = 0;
        });
        return true;
      case 'clock_drift':
        node.clockFault.drift = (this.#random.fraction() - 0.5) * 0.002;
        return true;
      case 'clock_jump':
        node.clockFault.offsetMs += this.#random.pick([-5_000, -500, 500, 5_000]);
        return true;
    }
  }

  #count(kind: FaultKind): void {
    this.fired.set(kind, (this.fired.get(kind) ?? 0) + 1);
  }

  /** Whether both sides have somebody. */
  #split(): boolean {
    const sides = this.#cluster.nodes.map((node) => ({ node, left: this.#random.chance(0.5) }));
    for (const a of sides) {
      for (const b of sides) if (a.left !== b.left) this.#network.cut(a.node.name, b.node.name);
    }
    return sides.some(({ left }) => left) && sides.some(({ left }) => !left);
  }

  /** Crashes `node` in the midst of writing a record. */
  #tearSoon(node: SimulatedNode, tries: number): void {
    if (this.#over || node.life.ended || tries === 0) return;
    if (!node.disk.writesRecord) {
      this.#scheduler.after(1, () => this.#tearSoon(node, tries - 1));
      return;
    }
    node.disk.tearNext = true;
    this.#crash(node);
    if (node.disk.torn) this.#count('torn_write');
  }

  /** Whether it was running. */
  #crash(node: SimulatedNode): boolean {
    const ran = !node.life.ended;
    if (ran) this.#cluster.crash(node);
    this.#later(() => this.#restart(node));
    return ran;
  }

  /** Its id never comes back, so it counts as away until no ring names it. */
  #wipe(node: SimulatedNode): void {
    const id = this.#rings.idOf(node.name);
    if (id !== undefined) this.#absences.begin('lost', [id]);
    this.#rings.forget(node.name);
    node.disk.wipe();
  }

  /** Who died for longer stays dead. */
  #restart(node: SimulatedNode): void {
    const id = this.#rings.idOf(node.name);
    if (id !== undefined && this.#absences.isDead(id)) return;
    if (node.life.ended) this.#cluster.start(node);
  }

  #other(node: SimulatedNode): SimulatedNode {
    return this.#random.pick(this.#cluster.nodes.filter((each) => each !== node));
  }

  #later(task: () => void): void {
    this.#scheduler.after(this.#random.fraction() * 2_000, () => {
      if (!this.#over) task();
    });
  }
}

/** One bit of one record. */
async function flipBit({ disk }: SimulatedNode, random: SeededRandom): Promise<boolean> {
  const { all } = await RecordPlaces.open(disk.durable);
  const entries = await disk.durable.scan(all, MOST_RECORDS);
  if (entries.length === 0) return false;
  const { key, value } = random.pick(entries);
  const flipped = Uint8Array.from(value);
  const at = random.between(0, flipped.length - 1);
  flipped[at] = (flipped[at] ?? 0) ^ (1 << random.between(0, 7));
  await disk.durable.batch([{ type: 'put', key, value: flipped }]);
  return true;
}

/** Two records lie in each other's place, as after a misdirected write. */
async function swapRecords({ disk }: SimulatedNode, random: SeededRandom): Promise<boolean> {
  const { all } = await RecordPlaces.open(disk.durable);
  const entries = await disk.durable.scan(all, MOST_RECORDS);
  if (entries.length < 2) return false;
  const one = random.pick(entries);
  const other = random.pick(entries.filter((entry) => entry !== one));
  await disk.durable.batch([
    { type: 'put', key: one.key, value: other.value },
    { type: 'put', key: other.key, value: one.value },
  ]);
  return true;
}
