/**
 * What the verbs share: the ports, one request's view of the ring and its deadline, and what is
 * remembered of each replica for the error that a client may get.
 */
import type { ClientError, ReplicaReport, ReplicaState } from '../errors.ts';
import type { Key, NodeId, Partition } from '../ids.ts';
import type { Membership } from '../membership/membership.ts';
import type { PartialWrites } from '../quorum/partial-writes.ts';
import { ReadQuorum } from '../quorum/read-quorum.ts';
import type { VersionClock } from '../replica/version-clock.ts';
import type { Ring } from '../ring/ring.ts';
import { Gather } from '../rpc/gather.ts';
import type { DamageTicket, Replies, RequestOf } from '../rpc/messages.ts';
import type { Answer, TrafficClass } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { StoreFailedError } from '../storage/store.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import type { ReplicaCaller, ReplicaRequestType } from './replica-caller.ts';

export interface CoordinatorPorts {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly replicas: ReplicaCaller;
  readonly versions: VersionClock;
  /** For a copy of this node's own that is found damaged now. */
  readonly damageTicket: () => DamageTicket;
  readonly partialWrites: PartialWrites;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
  readonly maxSkewMs: number;
}

/** A newer ring is in force: reads and phase 1 start again with it. */
export class RingChangedError extends Error {
  override readonly name = 'RingChangedError';
}

/** Replicas whose copy of a key is damaged, each with what it told that with. */
export type DamagedCopies = ReadonlyMap<NodeId, DamageTicket>;

/** Too few replicas answered, and some of them because their copy is damaged: healing may help. */
export class DamagedCopiesError extends Error {
  override readonly name = 'DamagedCopiesError';
  readonly attempt: Attempt;
  readonly damaged: DamagedCopies;
  /** What the client is told when healing is not possible. */
  override readonly cause: ClientError;

  constructor(attempt: Attempt, damaged: DamagedCopies, cause: ClientError) {
    super('too few copies are sound', { cause });
    this.attempt = attempt;
    this.damaged = damaged;
    this.cause = cause;
  }
}

/** `error`, or what leads to healing first where damaged copies are among its reasons. */
export function damagedOr(attempt: Attempt, error: ClientError): Error {
  const { damaged } = attempt;
  return damaged.size === 0 ? error : new DamagedCopiesError(attempt, damaged, error);
}

/** One try of a request under one ring. */
export class Attempt {
  readonly key: Key;
  readonly ring: Ring;
  readonly partition: Partition;
  /** One set at rest, the old and the new one while the ring is joint. */
  readonly sets: readonly (readonly NodeId[])[];
  /** All replicas, most preferred first. */
  readonly nodes: readonly NodeId[];
  readonly #ports: CoordinatorPorts;
  readonly #deadlineMs: number;
  readonly #states = new Map<NodeId, ReplicaState>();
  readonly #tickets = new Map<NodeId, DamageTicket>();

  constructor(ports: CoordinatorPorts, ring: Ring, key: Key, deadlineMs: number) {
    this.#ports = ports;
    this.#deadlineMs = deadlineMs;
    this.key = key;
    this.ring = ring;
    this.partition = ring.partitionOf(key);
    this.sets = ring.replicaSets(this.partition);
    this.nodes = ring.replicasOf(this.partition);
  }

  /** Time left for the client's request, milliseconds; never negative. */
  get remainingMs(): number {
    return Math.max(0, this.#deadlineMs - this.#ports.clock.monotonicMs());
  }

  get expired(): boolean {
    return this.remainingMs === 0;
  }

  /**
   * Counts the answers of a read. Where the old set is only what survives of it, any one of it may alone hold
   * what was acknowledged, or have pulled nothing yet: all of it has to answer.
   */
  readQuorum(level: 'quorum' | 'all'): ReadQuorum {
    const isWhatSurvives = this.ring.recovering.includes(this.partition);
    return new ReadQuorum(this.sets, level, isWhatSurvives ? 'all' : level);
  }

  /** Asks `nodes` at once; `requestOf` may send each another message of the same kind of reply. */
  gather<Type extends ReplicaRequestType>(
    nodes: readonly NodeId[],
    requestOf: (to: NodeId) => RequestOf<Type>,
    traffic: TrafficClass = 'client',
  ): Gather<Replies[Type]> {
    const { replicas, clock } = this.#ports;
    const timeoutMs = this.remainingMs;
    const call = (to: NodeId): Promise<Answer<Replies[Type]>> =>
      replicas.call<Type>(to, requestOf(to), timeoutMs, traffic);
    return new Gather(nodes, call, clock, timeoutMs);
  }

  /** What `work` resolves to; `undefined` when the client's time, or `limitMs`, is up before. */
  within<Result>(work: Promise<Result>, limitMs = this.remainingMs): Promise<Result | undefined> {
    const timeoutMs = Math.min(limitMs, this.remainingMs);
    return new Promise((resolve, reject) => {
      const timer = this.#ports.clock.schedule(timeoutMs, () => resolve(undefined));
      work.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** Remembers how a replica stands, and takes the ring of one that refused for its epoch. */
  async note(answer: Answer<unknown>): Promise<void> {
    this.#states.set(answer.from, stateOf(answer));
    if (answer.ok || answer.failure !== 'refused') return;
    const { refusal } = answer;
    if (refusal.damage !== undefined) this.#tickets.set(answer.from, refusal.damage);
    if (refusal.reason === 'stale_epoch' && refusal.ring !== undefined) {
      await this.within(this.#ports.membership.adopt(refusal.ring).catch(unlessStoreFailed));
    }
  }

  acknowledged(node: NodeId): void {
    this.#states.set(node, 'acknowledged');
  }

  /** Of those whose last answer said so. */
  get damaged(): DamagedCopies {
    return new Map([...this.#tickets].filter(([node]) => this.stateOf(node) === 'damaged'));
  }

  /** Whether a newer ring than this attempt's is in force. */
  get overtaken(): boolean {
    return this.#ports.membership.ring?.epoch !== this.ring.epoch;
  }

  stateOf(node: NodeId): ReplicaState {
    return this.#states.get(node) ?? (this.expired ? 'timeout' : 'waiting');
  }

  nameOf(node: NodeId): string {
    return this.ring.member(node)?.name ?? node;
  }

  /** How each replica stands, for the client. */
  get report(): readonly ReplicaReport[] {
    return this.nodes.map((id) => ({ node: this.nameOf(id), id, state: this.stateOf(id) }));
  }

  /** "node2 is unreachable, node3 is damaged": the replicas that did not do what was asked. */
  get troubles(): string {
    const troubled = this.report.filter(
      ({ state }) => state !== 'acknowledged' && state !== 'answered',
    );
    return troubled.map(({ node, state }) => `${node} ${STATE_WORDS[state]}`).join(', ');
  }
}

/** How a replica's answer reads in a report. */
export function stateOf(answer: Answer<unknown>): ReplicaState {
  if (answer.ok) return 'answered';
  if (answer.failure !== 'refused') return answer.failure;
  switch (answer.refusal.reason) {
    case 'damaged':
    case 'full':
    case 'overloaded':
    case 'clock_skew':
      return answer.refusal.reason;
    case 'expired':
      return 'timeout';
    case 'stale_epoch':
    case 'not_ready':
    case 'rolled_back':
      return 'not_ready';
  }
}

const STATE_WORDS: Readonly<Record<ReplicaState, string>> = {
  acknowledged: 'stored it',
  answered: 'answered',
  waiting: 'has not answered',
  unreachable: 'is unreachable',
  timeout: 'did not answer in time',
  lost: 'broke the connection',
  damaged: 'holds a damaged copy',
  full: 'has no room on its disk',
  overloaded: 'is overloaded',
  clock_skew: 'refused the version: the clocks differ too much',
  not_ready: 'is not ready',
  failed: 'failed',
};

/** This node stops already; its client is told what the replicas answered (simulator seed 13383). */
function unlessStoreFailed(error: unknown): void {
  if (!(error instanceof StoreFailedError)) throw error;
}
