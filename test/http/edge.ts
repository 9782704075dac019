/** The edge over fakes of what is behind it: operations on one map, a cluster that says what it is told. */
import { onTestFinished } from 'vitest';
import type { Config } from '../../src/config.ts';
import type {
  KeyLocation,
  OperationOptions,
  Operations,
  PutResult,
  Value,
} from '../../src/coordinator/operations.ts';
import { createHttpServer, type HttpServer } from '../../src/http/server.ts';
import type { Incarnation, Key, NodeId, Partition } from '../../src/ids.ts';
import type {
  ClusterStatus,
  ClusterView,
  ReadinessCheck,
  RingStatus,
  TasksStatus,
} from '../../src/membership/cluster-view.ts';
import { systemClock } from '../../src/runtime/system-clock.ts';
import { systemRandom } from '../../src/runtime/system-random.ts';
import type { ChangePlan } from '../../src/stabilizer/change-plan.ts';
import type { RemovalPlan } from '../../src/stabilizer/forced-removal.ts';
import type { MemberChange, Operator, Started } from '../../src/stabilizer/operator.ts';
import { ClusterEvents } from '../../src/telemetry/cluster-events.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import type { Log, LogFields } from '../../src/telemetry/log.ts';
import type { Record } from '../../src/version/record.ts';
import { formatVersion, type Version } from '../../src/version/version.ts';

export const NODE_ID = '0123456789abcdef' as NodeId;
/** The second at which all versions of the fake are drawn. */
export const WRITTEN_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

export class FakeOperations implements Operations {
  readonly records = new Map<Key, Record>();
  readonly asked: {
    readonly verb: string;
    readonly key: Key;
    readonly options?: OperationOptions;
  }[] = [];
  /** Runs before each verb; to wait or to throw. */
  before: () => void | Promise<void> = () => undefined;
  #writes = 0;

  /** Not async, like the real one: what `before` throws is thrown before there is a promise. */
  put(key: Key, value: Value, options: OperationOptions): Promise<PutResult> {
    this.asked.push({ verb: 'put', key, options });
    const ready = this.before();
    return Promise.resolve(ready).then(() => {
      const created = !this.records.has(key);
      const version = this.#draw();
      this.records.set(key, { key, version, content: value });
      return { version, created, acknowledged: 2, replicas: 3 };
    });
  }

  async get(key: Key, options: OperationOptions): Promise<Record | undefined> {
    this.asked.push({ verb: 'get', key, options });
    await this.before();
    return this.records.get(key);
  }

  async delete(key: Key, options: OperationOptions): Promise<boolean> {
    this.asked.push({ verb: 'delete', key, options });
    await this.before();
    return this.records.delete(key);
  }

  async locate(key: Key): Promise<KeyLocation> {
    this.asked.push({ verb: 'locate', key });
    await this.before();
    const version = this.records.get(key)?.version;
    const replica = { node: 'node1', id: NODE_ID };
    return {
      key,
      token: 'fedcba9876543210',
      partition: 254 as Partition,
      replicas: [
        { ...replica, version, state: version === undefined ? 'missing' : 'ok' },
        { ...replica, version: undefined, state: 'timeout' },
      ],
    };
  }

  #draw(): Version {
    this.#writes++;
    return formatVersion({
      physical: WRITTEN_MS,
      logical: this.#writes % 0x1_0000,
      node: NODE_ID,
      incarnation: 1 as Incarnation,
    });
  }
}

export class FakeCluster implements ClusterView {
  checks: readonly ReadinessCheck[] = [{ name: 'ring', ok: true, detail: 'epoch 1' }];
  status: ClusterStatus = {
    name: 'test',
    id: undefined,
    epoch: 0,
    replicationFactor: 3,
    replaceAfterMs: 60_000,
    lastSurvivor: 'use',
    members: [],
    transition: undefined,
    alarms: [],
  };
  known: TasksStatus = { epoch: 0, running: undefined, ended: [] };
  formedRing: RingStatus | undefined;

  readiness(): readonly ReadinessCheck[] {
    return this.checks;
  }

  async cluster(): Promise<ClusterStatus> {
    return this.status;
  }

  ring(): RingStatus | undefined {
    return this.formedRing;
  }

  async tasks(): Promise<TasksStatus> {
    return this.known;
  }
}

/** Starts whatever it is asked for, and remembers it. */
export class FakeOperator implements Operator {
  readonly changes: (readonly [MemberChange | 'factor' | 'force', string | number])[] = [];
  started: Started = { task: 'ring-8', epoch: 8 };
  plan: ChangePlan = { partitions: 3, replicas: 4, bytes: 5, seconds: 6 };
  refusal: Error | undefined;

  changeMember(change: MemberChange, name: string): Promise<Started> {
    this.changes.push([change, name]);
    return this.#answer(this.started);
  }

  changeReplicationFactor(replicationFactor: number): Promise<Started> {
    this.changes.push(['factor', replicationFactor]);
    return this.#answer(this.started);
  }

  planMember(): Promise<ChangePlan> {
    return this.#answer(this.plan);
  }

  planReplicationFactor(): Promise<ChangePlan> {
    return this.#answer(this.plan);
  }

  forceRemoval(names: readonly string[]): Promise<Started> {
    this.changes.push(['force', names.join(' ')]);
    return this.#answer(this.started);
  }

  planForcedRemoval(): Promise<RemovalPlan> {
    return this.#answer({ ...this.plan, lost: 2 });
  }

  async #answer<Answer>(answer: Answer): Promise<Answer> {
    if (this.refusal !== undefined) throw this.refusal;
    return answer;
  }
}

interface Logged {
  readonly sentence: string;
  readonly fields: LogFields | undefined;
}

export class KeptLog implements Log {
  readonly errors: Logged[] = [];

  error(sentence: string, fields?: LogFields): void {
    this.errors.push({ sentence, fields });
  }
  warn(): void {}
  info(): void {}
  debug(): void {}
}

export interface Edge {
  readonly http: HttpServer;
  readonly operations: FakeOperations;
  readonly cluster: FakeCluster;
  readonly operator: FakeOperator;
  readonly events: ClusterEvents;
  readonly log: KeptLog;
  readonly counters: Counters;
}

/** For `inject`; `listening` opens a port as well. */
export function edge(config: Partial<Config> = {}): Edge {
  const operations = new FakeOperations();
  const cluster = new FakeCluster();
  const operator = new FakeOperator();
  const events = new ClusterEvents({ life: 'life', wallMs: () => WRITTEN_MS });
  const log = new KeptLog();
  const counters = new Counters();
  const http = createHttpServer({
    operations,
    cluster,
    operator,
    events,
    nodeName: 'node1',
    nodeId: NODE_ID,
    config: {
      consistency: 'quorum',
      maxInFlight: 1024,
      maxValueBytes: 1024 * 1024,
      requestTimeoutMs: 5_000,
      shutdownTimeoutMs: 1_000,
      ...config,
    },
    clock: systemClock,
    random: systemRandom,
    log,
    counters,
  });
  onTestFinished(() => http.close());
  return { http, operations, cluster, operator, events, log, counters };
}

export async function listening(config: Partial<Config> = {}): Promise<Edge & { port: number }> {
  const made = edge({ shutdownTimeoutMs: 0, ...config });
  const { port } = await made.http.listen('127.0.0.1', 0);
  return { ...made, port };
}
