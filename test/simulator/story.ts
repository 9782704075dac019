import type { Key, NodeId } from '../../src/ids.ts';
import type { QuorateNode } from '../../src/node.ts';
import type { ConsistencyLevel } from '../../src/quorum/consistency-level.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import type { Record } from '../../src/version/record.ts';
import { openSealed, type SealedRecord } from '../../src/version/record-codec.ts';
import { RingWatch } from './ring-watch.ts';
import { Scheduler } from './scheduler.ts';
import { SeededRandom } from './seeded-random.ts';
import { type FactorGivenTo, SimulatedCluster, type SimulatedNode } from './simulated-cluster.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { Trace } from './trace.ts';

interface StoryOptions {
  readonly nodes?: number;
  readonly replicationFactor?: number;
  readonly graceMs?: number;
  readonly factorGivenTo?: FactorGivenTo;
}

/** A cluster for a written scenario: quick, without losses, moved on only as far as the test needs. */
export class Story {
  readonly scheduler = new Scheduler();
  readonly trace = new Trace(Number.POSITIVE_INFINITY);
  readonly network: SimulatedNetwork;
  readonly cluster: SimulatedCluster;
  /** Who holds which ring. What it finds is for the story to ask: rings may be told by hand. */
  readonly rings: RingWatch;

  private constructor({
    nodes = 5,
    replicationFactor = 3,
    graceMs = 60_000,
    factorGivenTo = 'all',
  }: StoryOptions) {
    const { scheduler, trace } = this;
    this.network = new SimulatedNetwork({
      scheduler,
      random: new SeededRandom(1, 'network'),
      trace,
      settings: { minDelayMs: 0.5, maxDelayMs: 2, loss: 0, duplication: 0 },
    });
    this.cluster = new SimulatedCluster({
      seed: 1,
      scheduler,
      network: this.network,
      trace,
      settings: {
        nodes,
        replicationFactor,
        partitionCount: 16,
        graceMs,
        diskPace: { maxReadMs: 0.5, maxSyncMs: 2 },
        factorGivenTo,
      },
    });
    this.rings = new RingWatch(scheduler);
    this.rings.watch(this.cluster);
  }

  /** Nodes that were not started yet. */
  static prepare(options: StoryOptions = {}): Story {
    return new Story(options);
  }

  /** A cluster whose nodes have all met. */
  static async begin(options: StoryOptions = {}): Promise<Story> {
    const story = Story.prepare(options);
    for (const node of story.cluster.nodes) story.cluster.start(node);
    await story.until(() => story.cluster.ready);
    return story;
  }

  /** Moves virtual time on until `promise` is settled. */
  async run<Result>(promise: Promise<Result>): Promise<Result> {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    promise.then(end, end);
    await this.until(() => settled);
    return promise;
  }

  async until(holds: () => boolean): Promise<void> {
    await this.scheduler.run(this.scheduler.nowMs + 60_000, holds);
    if (!holds()) throw new Error(`not within a minute:\n${this.trace.last.slice(-20).join('\n')}`);
  }

  async pass(durationMs: number): Promise<void> {
    await this.scheduler.run(this.scheduler.nowMs + durationMs);
  }

  /** Starts the next node, with an empty disk; its number. */
  join(): number {
    const number = this.cluster.nodes.length + 1;
    this.cluster.start(this.cluster.add(`node${number}`));
    return number;
  }

  /** Until the ring is at rest with exactly these members, and all of them hold it. */
  async settled(...numbers: readonly number[]): Promise<Ring> {
    const names = numbers.map((number) => `node${number}`);
    await this.until(() => {
      const ring = this.rings.newest;
      if (ring === undefined || ring.next !== undefined) return false;
      if (ring.members.length !== names.length) return false;
      return names.every(
        (name) => this.rings.isMember(name) && this.rings.ringsOf(name).at(-1) === ring,
      );
    });
    const ring = this.rings.newest;
    if (ring === undefined) throw new Error('no ring');
    return ring;
  }

  node(number: number): SimulatedNode {
    const node = this.cluster.nodes[number - 1];
    if (node === undefined) throw new RangeError(`no node ${number}`);
    return node;
  }

  /** The running node of that number. */
  at(number: number): QuorateNode {
    const { node } = this.node(number);
    if (node === undefined) throw new Error(`node ${number} does not run`);
    return node;
  }

  put(by: number, key: string, text: string, level: ConsistencyLevel = 'quorum') {
    const value = Buffer.from(text);
    const content = {
      type: 'value',
      value,
      contentType: 'text/plain',
      metadata: new Map(),
    } as const;
    return this.run(this.at(by).operations.put(key as Key, content, optionsOf(level)));
  }

  /** The text stored, or `undefined`. */
  async get(by: number, key: string, level: ConsistencyLevel = 'quorum') {
    return textOf(await this.run(this.at(by).operations.get(key as Key, optionsOf(level))));
  }

  delete(by: number, key: string, level: ConsistencyLevel = 'quorum') {
    return this.run(this.at(by).operations.delete(key as Key, optionsOf(level)));
  }

  /** Numbers of the nodes that keep `key`, most preferred first, then of those that do not. */
  async replicasOf(key: string): Promise<{ keepers: number[]; others: number[] }> {
    const { replicas } = await this.run(this.#member().operations.locate(key as Key, 1_000));
    const keepers = replicas.map(({ node }) => Number(node.slice('node'.length)));
    const all = this.cluster.nodes.map((_, index) => index + 1);
    return { keepers, others: all.filter((number) => !keepers.includes(number)) };
  }

  /** What lies on a node's disk under `key`, whether the node runs or not. */
  async onDisk(number: number, key: string): Promise<SealedRecord | 'damaged' | undefined> {
    const bytes = await this.node(number).disk.durable.get(await this.#placeOn(number, key));
    if (bytes === undefined) return undefined;
    return openSealed(bytes) ?? 'damaged';
  }

  /** Changes what lies on a node's disk under `key`, behind its back. */
  async tamper(
    number: number,
    key: string,
    change: (bytes: Uint8Array | undefined) => Uint8Array | undefined,
  ): Promise<void> {
    const place = await this.#placeOn(number, key);
    const { durable } = this.node(number).disk;
    const changed = change(await durable.get(place));
    await durable.batch([
      changed === undefined
        ? { type: 'delete', key: place }
        : { type: 'put', key: place, value: changed },
    ]);
  }

  async #placeOn(number: number, key: string): Promise<Uint8Array> {
    const { partition } = await this.run(this.#member().operations.locate(key as Key, 1_000));
    const places = await RecordPlaces.open(this.node(number).disk.durable);
    return places.at(partition, key as Key);
  }

  /** Some node that knows where keys lie: one with a new, empty disk does not. */
  #member(): QuorateNode {
    const member = this.cluster.running.find(({ node }) => node.cluster.ring() !== undefined);
    if (member === undefined) throw new Error('no member runs');
    return member.node;
  }

  idOf(number: number): NodeId {
    return this.at(number).identity.nodeId;
  }
}

function optionsOf(consistency: ConsistencyLevel) {
  return { consistency, timeoutMs: 1_000 };
}

function textOf(record: Record | undefined): string | undefined {
  if (record?.content.type !== 'value') return undefined;
  return Buffer.from(record.content.value).toString('utf8');
}
