import type { OperationOptions, Operations } from '../../src/coordinator/operations.ts';
import { ClientError } from '../../src/errors.ts';
import type { Key } from '../../src/ids.ts';
import type { ConsistencyLevel } from '../../src/quorum/consistency-level.ts';
import { History, type Operation, type Result } from './history.ts';
import type { Scheduler } from './scheduler.ts';
import { SeededRandom } from './seeded-random.ts';
import type { SimulatedCluster, SimulatedNode } from './simulated-cluster.ts';
import type { Trace } from './trace.ts';

export interface WorkloadSettings {
  /** Their numbers. */
  readonly clients: readonly number[];
  readonly keys: number;
  /** Mean pause of a client between two operations, milliseconds. */
  readonly meanPauseMs: number;
  readonly level: ConsistencyLevel;
  readonly untilMs: number;
  /** Whether clients send requests to it while it runs. */
  readonly serves: (node: SimulatedNode) => boolean;
}

interface Client {
  readonly number: number;
  /** Its own: what one client draws shifts no other. */
  readonly random: SeededRandom;
  /** How many values it has written. */
  values: number;
}

export interface OperationTally {
  readonly succeeded: number;
  readonly failed: number;
}

/** Clients that put, get and delete a few keys through nodes picked at random, one operation at a time. */
export class Workload {
  readonly history = new History();
  readonly #cluster: SimulatedCluster;
  readonly #scheduler: Scheduler;
  readonly #seed: number;
  readonly #trace: Trace;
  readonly #settings: WorkloadSettings;
  #working = 0;

  constructor(options: {
    readonly cluster: SimulatedCluster;
    readonly scheduler: Scheduler;
    readonly seed: number;
    readonly trace: Trace;
    readonly settings: WorkloadSettings;
  }) {
    this.#cluster = options.cluster;
    this.#scheduler = options.scheduler;
    this.#seed = options.seed;
    this.#trace = options.trace;
    this.#settings = options.settings;
  }

  /** Whether a client still waits for an answer or will send something. */
  get working(): boolean {
    return this.#working > 0;
  }

  /** How the operations so far have ended; one that nobody answered has failed. */
  get tally(): OperationTally {
    const { operations } = this.history;
    const succeeded = operations.filter(({ result }) => result.is === 'ok').length;
    return { succeeded, failed: operations.length - succeeded };
  }

  start(): void {
    for (const number of this.#settings.clients) {
      this.#working += 1;
      const random = new SeededRandom(this.#seed, `client${number}`);
      this.#pause({ number, random, values: 0 });
    }
  }

  #pause(client: Client): void {
    const pauseMs = client.random.fraction() * 2 * this.#settings.meanPauseMs;
    if (this.#scheduler.nowMs + pauseMs > this.#settings.untilMs) {
      this.#working -= 1;
      return;
    }
    this.#scheduler.after(pauseMs, () => this.#operate(client));
  }

  #operate(client: Client): void {
    const running = this.#cluster.running.filter((node) => this.#settings.serves(node));
    if (running.length === 0) {
      this.#pause(client);
      return;
    }
    const node = client.random.pick(running);
    const key = `key${client.random.between(1, this.#settings.keys)}`;
    const kind = client.random.pick(['put', 'put', 'get', 'get', 'get', 'delete'] as const);
    const operation = this.history.begin({
      client: client.number,
      coordinator: node.name,
      key,
      action: kind === 'put' ? { kind, value: `v${client.number}.${client.values++}` } : { kind },
      startMs: this.#scheduler.nowMs,
      shortHanded: this.#isShortHanded,
    });
    const what = `client${client.number} ${kind} ${key} by ${node.name}`;
    this.#trace.line(this.#scheduler.nowMs, `${what} begins`);
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      this.#pause(client);
    };
    // A client whose node dies never hears of its request, and goes on with another.
    node.life.atEnd(end);
    void this.#perform(node.node.operations, operation).then((result) => {
      if (over) return; // an answer that its client did not live to hear
      operation.result = result;
      if (this.#isShortHanded) operation.shortHanded = true;
      operation.endMs = this.#scheduler.nowMs;
      this.#trace.line(operation.endMs, `${what}: ${JSON.stringify(operation.result)}`);
      end();
    });
  }

  get #isShortHanded(): boolean {
    return this.#cluster.nodes.length - this.#cluster.running.length > 1;
  }

  async #perform(operations: Operations, operation: Operation): Promise<Result> {
    const options = { consistency: this.#settings.level, timeoutMs: 1_000 };
    try {
      return await perform(operations, operation, options);
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      return { is: error.outcome === 'not_applied' ? 'not_applied' : 'unknown' };
    }
  }
}

async function perform(
  operations: Operations,
  { key, action }: Operation,
  options: OperationOptions,
): Promise<Result> {
  switch (action.kind) {
    case 'put': {
      const value = Buffer.from(action.value);
      const metadata = new Map<string, string>();
      const content = { type: 'value', value, contentType: 'text/plain', metadata } as const;
      const { version } = await operations.put(key as Key, content, options);
      return { is: 'ok', version };
    }
    case 'get': {
      const record = await operations.get(key as Key, options);
      if (record?.content.type !== 'value') return { is: 'ok', value: undefined };
      const value = Buffer.from(record.content.value).toString();
      return { is: 'ok', value, version: record.version };
    }
    case 'delete':
      return { is: 'ok', found: await operations.delete(key as Key, options) };
  }
}
