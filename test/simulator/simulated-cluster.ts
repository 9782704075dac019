import type { Config } from '../../src/config.ts';
import type { Address } from '../../src/ids.ts';
import { createNode, type QuorateNode } from '../../src/node.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import type { LogFields } from '../../src/telemetry/log.ts';
import { type ClockFault, Life, simulatedClock } from './life.ts';
import type { Scheduler } from './scheduler.ts';
import { SeededRandom } from './seeded-random.ts';
import { type DiskPace, SimulatedDisk } from './simulated-disk.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { Trace } from './trace.ts';

/** One node of the cluster: its disk outlives its process. */
export interface SimulatedNode {
  readonly name: string;
  readonly address: Address;
  readonly disk: SimulatedDisk;
  readonly clockFault: ClockFault;
  /** What differs from the cluster's settings at its next start. */
  change: ConfigChange;
  life: Life;
  node: QuorateNode | undefined;
  /** Why the last start failed. */
  refusal: unknown;
  /** What its present life counted. */
  counters: Counters;
}

/**
 * Where the factor may change while nodes run, `founders` are given it as long as they have the disk with
 * which they founded: who comes with an empty one must not ask for a factor that the ring had once.
 */
export type FactorGivenTo = 'all' | 'founders' | 'some_founders' | 'nobody';

export interface ClusterSettings {
  readonly nodes: number;
  readonly replicationFactor: number;
  readonly partitionCount: number;
  /** By default a minute: longer than a run. */
  readonly graceMs?: number;
  /** Who is started with the factor given; by default everybody. */
  readonly factorGivenTo?: FactorGivenTo;
  readonly diskPace: DiskPace;
}

/** How long a process takes from the end of one life to the next, milliseconds. */
const STARTS_AGAIN_MS = 20;
/** Nobody gives a request of a simulation more time. */
const LONGEST_REQUEST_MS = 2_000;

/** Settings in which one node differs from the others. */
export type ConfigChange = Partial<Config>;

/** Real nodes (`createNode`) in one process, on virtual time. */
export class SimulatedCluster {
  readonly #nodes: SimulatedNode[] = [];
  readonly #listeners: ((node: SimulatedNode) => void)[] = [];
  readonly #founders: readonly Address[];
  readonly #seed: number;
  readonly #scheduler: Scheduler;
  readonly #network: SimulatedNetwork;
  readonly #trace: Trace;
  readonly #settings: ClusterSettings;
  #lives = 0;
  #missingBefore = 0;

  constructor(options: {
    readonly seed: number;
    readonly scheduler: Scheduler;
    readonly network: SimulatedNetwork;
    readonly trace: Trace;
    readonly settings: ClusterSettings;
  }) {
    const { seed, settings } = options;
    this.#seed = seed;
    this.#scheduler = options.scheduler;
    this.#network = options.network;
    this.#trace = options.trace;
    this.#settings = settings;
    for (let number = 1; number <= settings.nodes; number++) this.add(`node${number}`);
    this.#founders = this.#nodes.map(({ address }) => address);
  }

  get nodes(): readonly SimulatedNode[] {
    return this.#nodes;
  }

  /** One more node, with an empty disk. It is not started yet, and is no founder. */
  add(name: string): SimulatedNode {
    const random = new SeededRandom(this.#seed, `${name}/disk`);
    const node: SimulatedNode = {
      name,
      address: `${name}:7400` as Address,
      disk: new SimulatedDisk(this.#scheduler, random, this.#settings.diskPace),
      clockFault: { offsetMs: 0, drift: 0 },
      change: {},
      life: new Life(),
      node: undefined,
      refusal: undefined,
      counters: new Counters(),
    };
    this.#nodes.push(node);
    for (const listener of this.#listeners) listener(node);
    return node;
  }

  /** Calls `listener` with each node, those that come later included. */
  forEachNode(listener: (node: SimulatedNode) => void): void {
    this.#listeners.push(listener);
    for (const node of this.#nodes) listener(node);
  }

  /** Nodes that clients can talk to. */
  get running(): readonly (SimulatedNode & { readonly node: QuorateNode })[] {
    return this.nodes.filter(isRunning);
  }

  /** Every node belongs to the cluster and has met the others. */
  get ready(): boolean {
    return this.nodes.every(isReady);
  }

  /** Records that the scrubs of all lives found missing. */
  get recordsMissing(): number {
    return this.#missingBefore + sum(this.nodes.map(missingOf));
  }

  /** Why it is not ready, for people. */
  get obstacles(): string {
    return this.nodes
      .map(({ name, node, life, refusal }) => {
        if (refusal !== undefined) return `${name}: ${refusal}`;
        if (node === undefined) return `${name} ${life.ended ? 'does not run' : 'is starting'}`;
        const failing = node.cluster.readiness().filter((check) => !check.ok);
        return `${name}: ${failing.map(({ name, detail }) => `${name} ${detail}`).join('; ') || 'ready'}`;
      })
      .join(', ');
  }

  /** Starts the process of a node on its disk. It runs when the scheduler does. */
  start(node: SimulatedNode): void {
    const life = new Life();
    node.life = life;
    this.#missingBefore += missingOf(node);
    node.counters = new Counters();
    const lifeName = `${node.name}/${this.#lives++}`;
    const clock = simulatedClock(this.#scheduler, life, node.clockFault);
    const created = createNode(this.#configOf(node), {
      clock,
      random: (purpose) => new SeededRandom(this.#seed, `${lifeName}/${purpose}`),
      store: node.disk.open(life),
      connect: (card) => {
        const { name, address } = node;
        return this.#network.connect({ name, address, life, clock, card });
      },
      address: () => node.address,
      longestRequestMs: LONGEST_REQUEST_MS,
      supervisor: {
        fail: (reason) => {
          this.#trace.line(this.#scheduler.nowMs, `${node.name} stops: ${reason}`);
          this.crash(node);
        },
        restart: (reason) => {
          this.#trace.line(this.#scheduler.nowMs, `${node.name} starts again: ${reason}`);
          life.end();
          node.node = undefined;
          this.#scheduler.after(STARTS_AGAIN_MS, () => {
            if (node.life === life) this.start(node);
          });
        },
      },
      log: logInto(this.#trace, this.#scheduler, node.name),
      counters: node.counters,
    });
    node.refusal = undefined;
    created.then(
      (running) => {
        if (!life.ended) node.node = running;
      },
      (refusal: unknown) => {
        node.refusal = refusal;
        life.end(); // the process says why and exits
      },
    );
  }

  /** Ends the process of a node at once; what was not synced is lost. */
  crash(node: SimulatedNode): void {
    node.life.end();
    node.node = undefined;
    this.#trace.line(this.#scheduler.nowMs, `${node.name} crashes`);
  }

  #isGivenFactor(node: SimulatedNode): boolean {
    const index = this.#nodes.indexOf(node);
    const hasFounded = index < this.#settings.nodes && !node.disk.wasReplaced;
    switch (this.#settings.factorGivenTo ?? 'all') {
      case 'all':
        return true;
      case 'founders':
        return hasFounded;
      case 'some_founders':
        return hasFounded && index % 2 === 0;
      case 'nobody':
        return false;
    }
  }

  #configOf(node: SimulatedNode): Config {
    return {
      nodeName: node.name,
      clusterName: 'simulated',
      host: '127.0.0.1',
      port: 7400,
      advertise: node.address,
      seeds: this.#founders,
      dataDir: '',
      store: 'memory',
      replicationFactor: this.#settings.replicationFactor,
      replicationFactorGiven: this.#isGivenFactor(node),
      consistency: 'quorum',
      partitionCount: this.#settings.partitionCount,
      zone: 'default',
      weight: 1,
      replaceAfterMs: this.#settings.graceMs ?? 60_000,
      lastSurvivor: 'use',
      maxValueBytes: 1024 * 1024,
      maxInFlight: 1024,
      maxSkewMs: 10_000,
      transferRateBytes: 20 * 1024 * 1024,
      requestTimeoutMs: 1_000,
      clusterSecret: undefined,
      logLevel: 'info',
      shutdownTimeoutMs: 1_000,
      ...node.change,
    };
  }
}

function isRunning(node: SimulatedNode): node is SimulatedNode & { readonly node: QuorateNode } {
  return node.node !== undefined && !node.life.ended;
}

/** Whether it runs and says itself that it is ready. */
export function isReady(node: SimulatedNode): boolean {
  return isRunning(node) && node.node.cluster.readiness().every((check) => check.ok);
}

function missingOf({ counters }: SimulatedNode): number {
  return counters.get('records_missing_total');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** What a node logs is part of what happened. */
function logInto(trace: Trace, scheduler: Scheduler, name: string) {
  const write = (level: string) => (sentence: string, fields?: LogFields) => {
    const about = fields?.['member'] === undefined ? '' : ` (${fields['member']})`;
    trace.line(scheduler.nowMs, `${name} ${level}: ${sentence}${about}`);
  };
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}
