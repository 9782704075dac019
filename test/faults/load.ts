/**
 * Clients that put and get all the time while faults strike, and a judge of what they saw. Every value
 * is written once, so that each one read says which write it came from.
 */
import type { Version } from '../../src/version/version.ts';
import { describe, History, type Operation, type Result } from '../simulator/history.ts';
import { isLinearizable } from '../simulator/linearizability.ts';
import { registerFlaw } from '../simulator/register-checker.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { type Answer, type FaultCluster, type FaultNode, problemIn } from './fault-cluster.ts';
import { pause } from './pause.ts';

export interface LoadOptions {
  readonly clients?: number;
  readonly seed?: number;
  /** Where requests go; by default to any node that runs. */
  readonly through?: readonly number[];
  /** Keys in use at the same time. */
  readonly keysAtOnce?: number;
  /** Operations on a key before another takes its place: few, so that an order of them can be searched for. */
  readonly operationsEach?: number;
  /**
   * Of a request that fails: how long it is tried again through other nodes, milliseconds. By default a
   * client goes on to something else.
   */
  readonly retryForMs?: number;
  /** Of a client between two requests, milliseconds. */
  readonly restMs?: number;
}

/** After a refusal; a client that asks on and on would only heat the machine. */
const PAUSE_MS = 5;

/** Loads of this process: each has keys of its own. */
let loads = 0;

export class Load {
  readonly #number = ++loads;
  readonly #cluster: FaultCluster;
  readonly #random: SeededRandom;
  readonly #settings: Required<Omit<LoadOptions, 'clients' | 'seed' | 'through'>>;
  #through: readonly number[] | undefined;
  #history = new History();
  readonly #failed: string[] = [];
  /** The newest acknowledged value of each key. */
  readonly #newest = new Map<string, Version>();
  readonly #clients: readonly Promise<void>[];
  #stopped = false;
  #begun = 0;
  #acknowledged = 0;

  constructor(cluster: FaultCluster, options: LoadOptions = {}) {
    this.#cluster = cluster;
    this.#through = options.through;
    this.#settings = { keysAtOnce: 12, operationsEach: 30, retryForMs: 0, restMs: 0, ...options };
    this.#random = new SeededRandom(options.seed ?? 1, 'load');
    const count = options.clients ?? 8;
    this.#clients = Array.from({ length: count }, (_, client) => this.#client(client));
  }

  /** Writes acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Resolves when so many more writes have been acknowledged. */
  async progress(writes: number): Promise<void> {
    const goal = this.#acknowledged + writes;
    const deadlineMs = performance.now() + 30_000;
    while (this.#acknowledged < goal) {
      if (performance.now() > deadlineMs) throw new Error('no write was acknowledged for 30 s');
      await pause(PAUSE_MS);
    }
  }

  /** From now on requests go there. */
  turnTo(nodes: readonly number[]): void {
    this.#through = nodes;
  }

  /** Resolves when no client has a request under way any more, and none begins another. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  /** Ends the clients, reads every key back at quorum, and judges all of it. Once. */
  async verdict(): Promise<Verdict> {
    await this.stop();
    const lost = await this.lost();
    const flaws: string[] = [];
    for (const [key, operations] of this.#history.byKey()) {
      const flaw = registerFlaw(operations);
      if (flaw !== undefined) flaws.push(flaw);
      else if (isLinearizable(operations) === false) flaws.push(`no order explains ${key}`);
    }
    const counts = countsOf(this.#history.operations);
    this.#history = new History(); // long tests have many loads
    return { ...counts, lost, flaws, failed: this.#failed };
  }

  /** Reads back every key: those whose newest acknowledged value, or a newer one, is not there. */
  async lost(): Promise<readonly string[]> {
    const lost: string[] = [];
    const queue = this.#newest.entries();
    const reader = async (): Promise<void> => {
      for (const [key, version] of queue) {
        const found = await this.#readUntilAnswered(key);
        if (found === undefined || found < version) lost.push(`${key} at ${version}: ${found}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, reader));
    return lost;
  }

  async #client(client: number): Promise<void> {
    for (let each = 0; !this.#stopped; each++) {
      await this.#request(client, each);
      if (this.#settings.restMs > 0) await pause(this.#settings.restMs);
    }
  }

  /** One thing that a client wants, through one node after the other until it is done or given up. */
  async #request(client: number, each: number): Promise<void> {
    const key = this.#pickKey();
    const isPut = this.#random.chance(0.5);
    const giveUpMs = performance.now() + this.#settings.retryForMs;
    const tried: string[] = [];
    let asked: FaultNode | undefined;
    for (let attempt = 0; ; attempt++) {
      asked = this.#pickNode(asked);
      if (asked !== undefined) {
        // A value of its own each time: the try before may have been applied, as another write.
        const action = isPut
          ? ({ kind: 'put', value: `${client}.${each}.${attempt}` } as const)
          : ({ kind: 'get' } as const);
        const operation = await this.#perform(client, asked, key, action);
        if (operation.result.is === 'ok') return;
        tried.push(`${describe(operation)}: ${operation.result.is}`);
      }
      if (performance.now() >= giveUpMs) break;
      await pause(PAUSE_MS);
    }
    if (this.#settings.retryForMs > 0) this.#failed.push(tried.slice(-3).join('; '));
    await pause(PAUSE_MS);
  }

  /** One that may be asked: not the one that was asked just before, where there are others. */
  #pickNode(before?: FaultNode): FaultNode | undefined {
    const { nodes } = this.#cluster;
    const usable = nodes.filter(
      ({ number, isRunning }) => this.#through?.includes(number) ?? isRunning,
    );
    const others = usable.filter((node) => node !== before);
    if (others.length > 0) return this.#random.pick(others);
    return usable[0];
  }

  #pickKey(): string {
    const { keysAtOnce, operationsEach } = this.#settings;
    const generation = Math.floor(this.#begun++ / (keysAtOnce * operationsEach));
    return `load ${this.#number}/${generation}/${this.#random.between(1, keysAtOnce)}`;
  }

  async #perform(
    client: number,
    node: FaultNode,
    key: string,
    action: Operation['action'],
  ): Promise<Operation> {
    const operation = this.#history.begin({
      client,
      coordinator: `node${node.number}`,
      key,
      action,
      startMs: performance.now(),
    });
    try {
      const answer =
        action.kind === 'put' ? await node.put(key, action.value) : await node.get(key);
      operation.endMs = performance.now();
      operation.result = resultOf(action, answer);
      if (action.kind === 'put') this.#note(key, operation.result);
    } catch (error) {
      // Nobody listens there. Otherwise the connection broke: of a write, nobody knows.
      const refused = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
      if (refused) operation.result = { is: action.kind === 'put' ? 'not_applied' : 'unknown' };
    }
    return operation;
  }

  #note(key: string, result: Result): void {
    if (result.is !== 'ok' || result.version === undefined) return;
    this.#acknowledged += 1;
    const known = this.#newest.get(key);
    if (known === undefined || result.version > known) this.#newest.set(key, result.version);
  }

  async #readUntilAnswered(key: string): Promise<Version | undefined> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const node = this.#pickNode();
      if (node !== undefined) {
        const { result } = await this.#perform(-1, node, key, { kind: 'get' });
        if (result.is === 'ok') return result.version;
      }
      await pause(100);
    }
    throw new Error(`nobody answers for ${key}`);
  }
}

export interface Verdict {
  readonly acknowledged: number;
  /** Writes that may have taken effect. */
  readonly unknown: number;
  readonly denied: number;
  readonly reads: number;
  /** Must be empty. */
  readonly lost: readonly string[];
  /** Must be empty. */
  readonly flaws: readonly string[];
  /** Requests that were given up, with what became of the last tries; of clients that try again. */
  readonly failed: readonly string[];
}

function resultOf(action: Operation['action'], answer: Answer): Result {
  const version = String(answer.headers['etag'] ?? '').slice(1, -1) as Version;
  switch (answer.status) {
    case 200:
    case 201:
      return action.kind === 'put'
        ? { is: 'ok', version }
        : { is: 'ok', version, value: answer.body.toString() };
    case 404:
      return { is: 'ok' };
    default:
      if (action.kind === 'get') return { is: 'unknown' };
      return problemIn(answer).outcome === 'not_applied'
        ? { is: 'not_applied' }
        : { is: 'unknown' };
  }
}

function countsOf(operations: readonly Operation[]) {
  const writes = operations.filter(({ action }) => action.kind === 'put');
  const count = (is: Result['is']): number =>
    writes.filter(({ result }) => result.is === is).length;
  return {
    acknowledged: count('ok'),
    unknown: count('unknown'),
    denied: count('not_applied'),
    reads: operations.length - writes.length,
  };
}
