import type { OperationOptions, Operations } from '../../src/coordinator/operations.ts';
import { ClientError } from '../../src/errors.ts';
import type { Key } from '../../src/ids.ts';
import type { ConsistencyLevel } from '../../src/quorum/consistency-level.ts';
import { History, type Operation, type Result } from './history.ts';
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { Trace } from './trace.ts';

export interface WorkloadSettings {
  readonly clients: number;
  readonly keys: number;
  /** Mean pause of a client between two operations, milliseconds. */
  readonly meanPauseMs: number;
  readonly level: ConsistencyLevel;
  readonly untilMs: number;
}

export interface OperationTally {
  succeeded: number;
  failed: number;
}

/** Clients that put, get and delete a few keys through nodes picked at random, one operation at a time. */
export class Workload {
  readonly tally: OperationTally = { succeeded: 0, failed: 0 };
  readonly history = new History();
  readonly #cluster: SimulatedCluster;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #trace: Trace;
  readonly #settings: WorkloadSettings;
  #values = 0;
  #working = 0;

  constructor(options: {
    readonly cluster: SimulatedCluster;
    readonly scheduler: Scheduler;
    readonly random: SeededRandom;
    readonly trace: Trace;
    readonly settings: WorkloadSettings;
  }) {
    this.#cluster = options.cluster;
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#trace = options.trace;
    this.#settings = options.settings;
  }

  /** Whether a client still waits for an answer or will send something. */
  get working(): boolean {
    return this.#working > 0;
  }

  start(): void {
    for (let client = 0; client < this.#settings.clients; client++) {
      this.#working += 1;
      this.#pause(client);
    }
  }

  #pause(client: number): void {
    const pauseMs = this.#random.fraction() * 2 * this.#settings.meanPauseMs;
    if (this.#scheduler.nowMs + pauseMs > this.#settings.untilMs) {
      this.#working -= 1;
      return;
    }
    this.#scheduler.after(pauseMs, () => this.#operate(client));
  }

  #operate(client: number): void {
    const { running } = this.#cluster;
    if (running.length === 0) {
      this.#pause(client);
      return;
    }
    const node = this.#random.pick(running);
    const key = `key${this.#random.between(1, this.#settings.keys)}`;
    const kind = this.#random.pick(['put', 'put', 'get', 'get', 'get', 'delete'] as const);
    const operation = this.history.begin({
      client,
      coordinator: node.name,
      key,
      action: kind === 'put' ? { kind, value: `v${this.#values++}` } : { kind },
      startMs: this.#scheduler.nowMs,
    });
    const what = `client${client} ${kind} ${key} by ${node.name}`;
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
      operation.endMs = this.#scheduler.nowMs;
      this.#trace.line(operation.endMs, `${what}: ${JSON.stringify(operation.result)}`);
      end();
    });
  }

  async #perform(operations: Operations, operation: Operation): Promise<Result> {
    const options = { consistency: this.#settings.level, timeoutMs: 1_000 };
    try {
      const result = await perform(operations, operation, options);
      this.tally.succeeded += 1;
      return result;
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      this.tally.failed += 1;
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
