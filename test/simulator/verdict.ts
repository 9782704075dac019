/**
 * All judges of a run, together. Some look on from the first event (at disks, answers, sizes), the
 * others read the history and the disks at the end.
 */
import type { Key } from '../../src/ids.ts';
import type { ConsistencyLevel } from '../../src/quorum/consistency-level.ts';
import type { Ring } from '../../src/ring/ring.ts';
import type { Request } from '../../src/rpc/messages.ts';
import { placeOf } from '../../src/storage/keys.ts';
import type { Change } from '../../src/storage/store.ts';
import { openSealed } from '../../src/version/record-codec.ts';
import type { Version } from '../../src/version/version.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { tooFewSucceeded, unserved } from './availability.ts';
import { Bounds, type Size } from './bounds.ts';
import { currentGeneration, type DiskRecord, diskRecord, keyAt } from './disk-record.ts';
import { DiskWatch } from './disk-watch.ts';
import { Findings, type Flaw } from './flaw.ts';
import type { History, Operation } from './history.ts';
import { appliedThoughDenied, inventions } from './invention.ts';
import { isLinearizable } from './linearizability.ts';
import { Placement } from './placement.ts';
import { registerFlaw } from './register-checker.ts';
import type { RingWatch } from './ring-watch.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedCluster, SimulatedNode } from './simulated-cluster.ts';
import type { ServedExchange, SimulatedNetwork } from './simulated-network.ts';

/** What may take the only copy of a write away, so that level `one` promises nothing. */
const DAMAGING = ['bit_flip', 'swapped_records', 'torn_write', 'wipe'];
const DISPLACING = ['join', 'leave', 'remove', 'death', 'factor', 'long_split', 'force'];

const EXCHANGES = ['the network', 'exchanges with one peer'] as const;

/** How long after the last request everything has drained, virtual milliseconds. */
const REST_MS = 3_000;

export class Verdict {
  readonly #cluster: SimulatedCluster;
  readonly #network: SimulatedNetwork;
  readonly #scheduler: Scheduler;
  readonly #history: History;
  readonly #rings: RingWatch;
  readonly #level: ConsistencyLevel;
  readonly #replicas: number;
  /** Whether messages may be lost while the clients work. */
  readonly #lossy: boolean;
  readonly #disks = new DiskWatch();
  readonly #acknowledgements: Acknowledgements;
  readonly #placement: Placement;
  readonly #bounds = new Bounds();
  readonly #deadlines = new Findings('deadlines');
  /**
   * Operations that have not been answered, and how many rings their coordinator had held before the one
   * it began them under; those whose coordinator died stay.
   */
  readonly #open = new Map<Operation, number>();
  #begun = 0;
  /** By key: the newest version acknowledged when the present transition began. */
  #acknowledgedBefore: ReadonlyMap<string, Version> = new Map();

  /** Looks on from now on. */
  constructor(options: {
    readonly cluster: SimulatedCluster;
    readonly network: SimulatedNetwork;
    readonly rings: RingWatch;
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
    this.#rings = options.rings;
    this.#level = options.level;
    this.#replicas = Math.min(options.replicationFactor, cluster.nodes.length);
    this.#lossy = network.settings.loss > 0;
    this.#acknowledgements = new Acknowledgements(this.#disks, options.level);
    this.#placement = new Placement((name) => this.#rings.ringsOf(name));
    this.#rings.whenDecided((ring, before) => this.#decided(ring, before));
    cluster.forEachNode(({ name, disk }) =>
      disk.whenDurable((change, before) => this.#durable(name, change, before)),
    );
    network.onServed = (served) => this.#served(served);
    scheduler.afterEach = () => this.#afterEvent();
  }

  /**
   * What was wrong with the run, when its faults are over and its replicas have come together.
   * `apart`: what kept them from it. `faults`: the kinds that did something. `begun`: kinds of changes,
   * whatever came of them.
   */
  async reach(
    apart: readonly string[],
    faults: ReadonlySet<string>,
    begun: ReadonlySet<string>,
  ): Promise<readonly Flaw[]> {
    const kept = await this.#keptByKey();
    // A node that drew versions while its clock was an hour ahead is refused until time has caught up.
    const unservedFlaws = faults.has('clock_offset')
      ? []
      : await unserved(this.#cluster, this.#scheduler);
    await this.#scheduler.run(this.#scheduler.nowMs + REST_MS);
    for (const node of this.#cluster.nodes)
      sizesOf(node, (of, name, size) => this.#bounds.atRest(of, name, size));
    this.#bounds.atRest(...EXCHANGES, this.#network.mostOpen);
    const convergence = new Findings('convergence');
    for (const sentence of apart) convergence.add(sentence);

    const level = this.#level;
    const flaws: Flaw[] = [...convergence.flaws, ...unservedFlaws];
    const byKey = this.#history.byKey();
    const mayLose = [...DAMAGING, ...DISPLACING].some((kind) => faults.has(kind));
    const isBack = (key: string): boolean => this.#recoveriesOf(key as Key).length > 0;
    flaws.push(...this.#acknowledgements.atTheEnd(byKey, newestOf(kept), { mayLose, isBack }));
    flaws.push(...this.#disks.flaws, ...this.#rings.flaws, ...this.#placement.flaws);
    flaws.push(...this.#bounds.flaws, ...this.#deadlines.flaws);
    for (const [key, operations] of byKey) {
      flaws.push(...inventions(key, operations, kept.get(key) ?? []));
      flaws.push(...appliedThoughDenied(operations, (value) => this.#disks.wasOnDisk(value)));
      // At level `one` a key is no atomic register, and nobody says that it is.
      if (level !== 'one')
        flaws.push(...registerFlaws(key, operations, this.#recoveriesOf(key as Key)));
    }
    const struck = new Set([...faults, ...begun]);
    const circumstances = { level, replicas: this.#replicas, lossy: this.#lossy, faults: struck };
    flaws.push(...tooFewSucceeded(this.#history.operations, circumstances));
    return flaws;
  }

  /** Judges what became of a record on the disk of `name`. */
  #durable(name: string, change: Change, before: Uint8Array | undefined): void {
    const key = keyAt(change.key);
    const partition = placeOf(change.key)?.partition;
    const id = this.#rings.idOf(name);
    if (key === undefined || partition === undefined || id === undefined) return;
    const held = before && diskRecord(change.key, before);
    if (this.#rings.hasDeparted(name)) return; // it moves its records before anything else
    if (!this.#rings.isCurrent(name, change.key)) {
      this.#aside(name, change, held);
      return;
    }
    const isReplica = this.#placement.keeps(name, id, partition);
    this.#disks.durable({ name, id, isReplica }, change, held);
    if (change.type === 'put') this.#placement.stored(name, id, partition, key);
    else if (held !== undefined && !isReplica) {
      const removed = { partition, key, version: held.version };
      this.#placement.removed({ name, id }, removed, this.#disks.holders(key, held.version));
    }
  }

  /** Judges what became of a record that was set aside. */
  #aside(name: string, change: Change, held: DiskRecord | undefined): void {
    const partition = placeOf(change.key)?.partition;
    if (change.type === 'put') this.#placement.wroteAside(name);
    else if (held !== undefined && partition !== undefined) {
      const { key, version } = held;
      this.#placement.offered(name, { partition, key, version }, this.#disks.holders(key, version));
    }
  }

  /** At the end of a transition every replica has what was acknowledged before it began, or was folded. */
  #decided(ring: Ring, before: Ring | undefined): void {
    for (const key of this.#acknowledgements.newest.keys()) {
      if (this.#recoveriesOf(key as Key).at(-1) === this.#scheduler.nowMs)
        this.#acknowledgements.recovers(key);
    }
    if (ring.next !== undefined) this.#acknowledgedBefore = this.#acknowledgements.newest;
    else if (before?.next !== undefined && this.#level !== 'one') {
      for (const [key, version] of this.#acknowledgedBefore) {
        if (this.#recoveriesOf(key as Key).length > 0) continue; // it may be lost until somebody returns
        this.#placement.settled(before, key, version, this.#disks.holders(key, version));
      }
    }
  }

  /** When rings were decided that went on with what survived of the key's replicas. */
  #recoveriesOf(key: Key): readonly number[] {
    const partition = this.#rings.newest?.partitionOf(key);
    return partition === undefined ? [] : this.#rings.recoveriesOf(partition);
  }

  #served({ by, request, remainingMs, done }: ServedExchange): void {
    const { type } = request;
    if (!done || !type.startsWith('replica.')) return;
    if (remainingMs <= 0)
      this.#deadlines.add(`${by} served a ${type} for which nobody waited any more`);
    const isForQuorum = 'level' in request && request.level === 'quorum';
    if (!this.#rings.anyGivenUp || !isForQuorum) return;
    if (this.#rings.isGivenUp(by, keyIn(request))) this.#placement.served(by, type);
  }

  #afterEvent(): void {
    const { operations } = this.#history;
    for (; this.#begun < operations.length; this.#begun++) {
      const operation = operations[this.#begun];
      if (operation === undefined) continue;
      this.#open.set(operation, this.#ringsBefore(operation));
      this.#acknowledgements.begun(operation);
    }
    for (const [operation, ringsBefore] of this.#open) {
      if (operation.endMs === undefined) continue;
      this.#open.delete(operation);
      const held = this.#rings.ringsOf(operation.coordinator).slice(ringsBefore);
      const { newest } = this.#rings;
      // An answer that was long under way: a transition may have ended meanwhile that the coordinator does
      // not know of, and surplus copies be gone (seed 6008).
      const rings = newest === undefined ? held : [...held, newest];
      const key = operation.key as Key;
      this.#acknowledgements.ended(
        operation,
        rings.map((ring) => ring.replicaSets(ring.partitionOf(key))),
      );
    }
    for (const node of this.#cluster.nodes) {
      if (!node.life.stirred) continue; // most nodes have no part in an event
      node.life.stirred = false;
      sizesOf(node, (of, name, size) => this.#bounds.during(of, name, size));
    }
    this.#bounds.during(...EXCHANGES, this.#network.mostEverOpen);
  }

  /** A paused process does not know yet what its disk has taken. */
  #ringsBefore({ coordinator }: Operation): number {
    const held = this.#rings.ringsOf(coordinator).length;
    const node = this.#cluster.nodes.find(({ name }) => name === coordinator);
    return Math.max(0, held - (node?.life.paused ? 2 : 1));
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

function sizesOf(
  { name, node, life }: SimulatedNode,
  take: (node: string, name: Size, size: number) => void,
): void {
  if (node === undefined || life.ended) return;
  node.gauges.read((gauge, size) => take(name, gauge, size));
  take(name, 'timers', life.timers);
}

function keyIn(request: Request): Key | undefined {
  if ('key' in request) return request.key;
  return 'record' in request && request.record !== undefined
    ? openSealed(request.record)?.key
    : undefined;
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

/**
 * Where a ring went on with what survived of the replicas, what was known before need not be known after
 * it, or only later. On either side of that moment the key is an atomic register all the same.
 */
function registerFlaws(
  key: string,
  operations: readonly Operation[],
  recoveriesMs: readonly number[],
): readonly Flaw[] {
  const flaws: Flaw[] = [];
  for (const [index, fromMs] of [0, ...recoveriesMs].entries()) {
    const untilMs = recoveriesMs[index] ?? Number.POSITIVE_INFINITY;
    const part = operations.filter(
      ({ startMs, endMs = untilMs }) => startMs >= fromMs && endMs <= untilMs,
    );
    const sentence = registerFlaw(part);
    if (sentence !== undefined) flaws.push({ checker: 'register', sentence });
  }
  if (recoveriesMs.length > 0) return flaws;
  if (isLinearizable(operations) === false)
    flaws.push({ checker: 'linearizability', sentence: `the operations on ${key} fit no order` });
  return flaws;
}
