/**
 * All judges of a run, together. Some look on from the first event (at disks, answers, sizes), the
 * others read the history and the disks at the end.
 */
import type { ConsistencyLevel } from '../../src/quorum/consistency-level.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { tooFewSucceeded, unserved } from './availability.ts';
import { Bounds, type Size } from './bounds.ts';
import { currentGeneration, type DiskRecord, diskRecord } from './disk-record.ts';
import { DiskWatch } from './disk-watch.ts';
import { Findings, type Flaw } from './flaw.ts';
import type { History, Operation } from './history.ts';
import { appliedThoughDenied, inventions } from './invention.ts';
import { isLinearizable } from './linearizability.ts';
import { registerFlaw } from './register-checker.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { ServedExchange, SimulatedNetwork } from './simulated-network.ts';

/** Faults after which the only copy of a write may be gone, so that level `one` promises nothing. */
const DAMAGING = ['bit_flip', 'swapped_records', 'torn_write', 'wipe'];

/** How long after the last request everything has drained, virtual milliseconds. */
const REST_MS = 3_000;

export class Verdict {
  readonly #cluster: SimulatedCluster;
  readonly #network: SimulatedNetwork;
  readonly #scheduler: Scheduler;
  readonly #history: History;
  readonly #level: ConsistencyLevel;
  readonly #replicas: number;
  /** Whether messages may be lost while the clients work. */
  readonly #lossy: boolean;
  readonly #disks = new DiskWatch();
  readonly #acknowledgements: Acknowledgements;
  readonly #bounds = new Bounds();
  readonly #deadlines = new Findings('deadlines');
  /** Operations that have not been answered; those whose coordinator died stay. */
  readonly #open = new Set<Operation>();
  #begun = 0;

  /** Looks on from now on. */
  constructor(options: {
    readonly cluster: SimulatedCluster;
    readonly network: SimulatedNetwork;
    readonly scheduler: Scheduler;
    readonly history: History;
    readonly level: ConsistencyLevel;
    readonly replicationFactor: number;
  }) {
    const { cluster, network, scheduler } = options;
    this.#cluster = cluster;
    this.#network = network;
    this.#scheduler = scheduler;
    this.#history = options.history;
    this.#level = options.level;
    this.#replicas = Math.min(options.replicationFactor, cluster.nodes.length);
    this.#lossy = network.settings.loss > 0;
    this.#acknowledgements = new Acknowledgements(this.#disks, options.level, this.#replicas);
    for (const { name, disk } of cluster.nodes) this.#disks.watch(name, disk);
    network.onServed = (served) => this.#served(served);
    scheduler.afterEach = () => this.#afterEvent();
  }

  /**
   * What was wrong with the run, when its faults are over and its replicas have come together.
   * `apart`: what kept them from it. `faults`: the kinds that struck.
   */
  async reach(apart: readonly string[], faults: ReadonlySet<string>): Promise<readonly Flaw[]> {
    const kept = await this.#keptByKey();
    // A node that drew versions while its clock was an hour ahead is refused until time has caught up.
    const unservedFlaws = faults.has('clock_offset')
      ? []
      : await unserved(this.#cluster, this.#scheduler);
    await this.#scheduler.run(this.#scheduler.nowMs + REST_MS);
    this.#sizes((node, name, size) => this.#bounds.atRest(node, name, size));
    const convergence = new Findings('convergence');
    for (const sentence of apart) convergence.add(sentence);

    const level = this.#level;
    const flaws: Flaw[] = [...convergence.flaws, ...unservedFlaws];
    const byKey = this.#history.byKey();
    const mayLose = DAMAGING.some((kind) => faults.has(kind));
    flaws.push(...this.#acknowledgements.atTheEnd(byKey, newestOf(kept), mayLose));
    flaws.push(...this.#disks.flaws, ...this.#bounds.flaws, ...this.#deadlines.flaws);
    for (const [key, operations] of byKey) {
      flaws.push(...inventions(key, operations, kept.get(key) ?? []));
      flaws.push(...appliedThoughDenied(operations, (value) => this.#disks.wasOnDisk(value)));
      // At level `one` a key is no atomic register, and nobody says that it is.
      if (level !== 'one') flaws.push(...registerFlaws(key, operations));
    }
    const circumstances = { level, replicas: this.#replicas, lossy: this.#lossy, faults };
    flaws.push(...tooFewSucceeded(this.#history.operations, circumstances));
    return flaws;
  }

  #served({ by, type, remainingMs, done }: ServedExchange): void {
    if (done && remainingMs <= 0 && type.startsWith('replica.'))
      this.#deadlines.add(`${by} served a ${type} for which nobody waited any more`);
  }

  #afterEvent(): void {
    const { operations } = this.#history;
    for (; this.#begun < operations.length; this.#begun++) {
      const operation = operations[this.#begun];
      if (operation === undefined) continue;
      this.#open.add(operation);
      this.#acknowledgements.begun(operation);
    }
    for (const operation of this.#open) {
      if (operation.endMs === undefined) continue;
      this.#open.delete(operation);
      this.#acknowledgements.ended(operation);
    }
    this.#sizes((node, name, size) => this.#bounds.during(node, name, size));
  }

  #sizes(take: (node: string, name: Size, size: number) => void): void {
    for (const { name, node, life } of this.#cluster.nodes) {
      if (node === undefined || life.ended) continue;
      node.gauges.read((gauge, size) => take(name, gauge, size));
      take(name, 'timers', life.timers);
    }
    take('the network', 'exchanges with one peer', this.#network.mostOpen);
  }

  /** The sound records of each key, over all disks. */
  async #keptByKey(): Promise<ReadonlyMap<string, readonly DiskRecord[]>> {
    const kept = new Map<string, DiskRecord[]>();
    for (const { disk } of this.#cluster.nodes) {
      const current = await currentGeneration(disk.durable);
      const records = { start: Uint8Array.of(current), end: Uint8Array.of(current + 1) };
      for (const { key, value } of await disk.durable.scan(records, Number.MAX_SAFE_INTEGER)) {
        const record = diskRecord(key, value);
        if (record === undefined) continue;
        const ofKey = kept.get(record.key);
        if (ofKey === undefined) kept.set(record.key, [record]);
        else ofKey.push(record);
      }
    }
    return kept;
  }
}

function newestOf(
  kept: ReadonlyMap<string, readonly DiskRecord[]>,
): ReadonlyMap<string, DiskRecord> {
  const newest = new Map<string, DiskRecord>();
  for (const [key, records] of kept) {
    for (const record of records) {
      const known = newest.get(key);
      if (known === undefined || record.version > known.version) newest.set(key, record);
    }
  }
  return newest;
}

function registerFlaws(key: string, operations: readonly Operation[]): readonly Flaw[] {
  const flaws: Flaw[] = [];
  const sentence = registerFlaw(operations);
  if (sentence !== undefined) flaws.push({ checker: 'register', sentence });
  if (isLinearizable(operations) === false)
    flaws.push({ checker: 'linearizability', sentence: `the operations on ${key} fit no order` });
  return flaws;
}
