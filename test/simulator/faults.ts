/**
 * The faults of a run. Each seed draws a subset of the kinds (swarm testing: Groce et al., 2012: runs
 * that leave features out find more), and each kind that is active strikes again and again.
 *
 * The contract that a run keeps (after TigerBeetle's fault atlas): at most one node's disk is ever
 * damaged or wiped, and only with three or more replicas of each key; more would break what was
 * promised, and prove nothing.
 */
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedCluster, SimulatedNode } from './simulated-cluster.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { Trace } from './trace.ts';

export const FAULT_KINDS = [
  'one_way_split',
  'partial_split',
  'full_split',
  'connection_reset',
  'crash',
  'crash_of_all',
  'pause',
  'slow_disk',
  'full_disk',
  'failing_sync',
  'bit_flip',
  'clock_offset',
  'clock_drift',
  'clock_jump',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

const HOUR_MS = 3_600_000;
const MEAN_PAUSE_MS = 400;

export class Faults {
  /** How often each kind struck. */
  readonly fired = new Map<FaultKind, number>();
  readonly #cluster: SimulatedCluster;
  readonly #network: SimulatedNetwork;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #trace: Trace;
  readonly #active: readonly FaultKind[];
  /** The one node whose disk may rot. */
  readonly #rotting: SimulatedNode | undefined;
  #over = false;

  constructor(options: {
    readonly cluster: SimulatedCluster;
    readonly network: SimulatedNetwork;
    readonly scheduler: Scheduler;
    readonly random: SeededRandom;
    readonly trace: Trace;
    readonly replicationFactor: number;
  }) {
    this.#cluster = options.cluster;
    this.#network = options.network;
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#trace = options.trace;
    this.#active = FAULT_KINDS.filter(() => this.#random.chance(0.3));
    const mayRot = options.replicationFactor >= 3;
    this.#rotting = mayRot ? this.#random.pick(this.#cluster.nodes) : undefined;
  }

  /** The kinds that this run may meet. */
  get active(): readonly FaultKind[] {
    return this.#active;
  }

  start(): void {
    if (this.#active.length > 0) this.#next();
  }

  /** No fault strikes any more, and what they left is put right: the cluster has to recover. */
  heal(): void {
    this.#over = true;
    this.#network.mend();
    for (const node of this.#cluster.nodes) {
      node.clockFault.offsetMs = 0;
      node.clockFault.drift = 0;
      node.disk.slowness = 1;
      node.disk.room = 'ample';
      node.disk.failNextSync = false;
      if (node.life.ended) this.#cluster.start(node);
      else node.life.resume();
    }
  }

  #next(): void {
    this.#scheduler.after(this.#random.fraction() * 2 * MEAN_PAUSE_MS, () => {
      if (this.#over) return;
      this.#strike(this.#random.pick(this.#active), this.#random.pick(this.#cluster.nodes));
      this.#next();
    });
  }

  #strike(kind: FaultKind, node: SimulatedNode): void {
    this.fired.set(kind, (this.fired.get(kind) ?? 0) + 1);
    this.#trace.line(this.#scheduler.nowMs, `FAULT ${kind} ${node.name}`);
    switch (kind) {
      case 'one_way_split':
        this.#network.cut(node.name, this.#other(node).name);
        this.#later(() => this.#network.mend());
        return;
      case 'partial_split': {
        const other = this.#other(node);
        this.#network.cut(node.name, other.name);
        this.#network.cut(other.name, node.name);
        this.#later(() => this.#network.mend());
        return;
      }
      case 'full_split':
        this.#split();
        this.#later(() => this.#network.mend());
        return;
      case 'connection_reset':
        this.#network.reset(node.name, this.#other(node).name);
        return;
      case 'crash':
        this.#crash(node);
        return;
      case 'crash_of_all':
        for (const each of this.#cluster.nodes) this.#crash(each);
        return;
      case 'pause':
        node.life.pause();
        this.#later(() => node.life.resume());
        return;
      case 'slow_disk':
        node.disk.slowness = this.#random.pick([10, 100]);
        this.#later(() => {
          node.disk.slowness = 1;
        });
        return;
      case 'full_disk':
        node.disk.room = this.#random.pick(['low', 'exhausted']);
        this.#later(() => {
          node.disk.room = 'ample';
        });
        return;
      case 'failing_sync':
        node.disk.failNextSync = true;
        this.#later(() => this.#restart(node));
        return;
      case 'bit_flip':
        void this.#flip();
        return;
      case 'clock_offset':
        node.clockFault.offsetMs = (this.#random.fraction() - 0.5) * 2 * HOUR_MS;
        this.#later(() => {
          node.clockFault.offsetMs = 0;
        });
        return;
      case 'clock_drift':
        node.clockFault.drift = (this.#random.fraction() - 0.5) * 0.002;
        return;
      case 'clock_jump':
        node.clockFault.offsetMs += this.#random.pick([-5_000, -500, 500, 5_000]);
        return;
    }
  }

  #split(): void {
    const sides = this.#cluster.nodes.map((node) => ({ node, left: this.#random.chance(0.5) }));
    for (const a of sides) {
      for (const b of sides) if (a.left !== b.left) this.#network.cut(a.node.name, b.node.name);
    }
  }

  #crash(node: SimulatedNode): void {
    if (!node.life.ended) this.#cluster.crash(node);
    this.#later(() => this.#restart(node));
  }

  #restart(node: SimulatedNode): void {
    if (node.life.ended) this.#cluster.start(node);
  }

  /** One bit of one record on the disk that may rot. */
  async #flip(): Promise<void> {
    if (this.#rotting === undefined) return;
    const { durable } = this.#rotting.disk;
    const records = { start: Uint8Array.of(1), end: Uint8Array.of(2) };
    const entries = await durable.scan(records, 1_000);
    if (entries.length === 0) return;
    const { key, value } = this.#random.pick(entries);
    const flipped = Uint8Array.from(value);
    const at = this.#random.between(0, flipped.length - 1);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << this.#random.between(0, 7));
    await durable.batch([{ type: 'put', key, value: flipped }]);
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
