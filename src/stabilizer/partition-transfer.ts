import type { Epoch, NodeId, Partition } from '../ids.ts';
import { mustPull, partitionsToPull } from '../ring/pulls.ts';
import type { Ring } from '../ring/ring.ts';
import { sleep } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import { PartitionPull, type PullPorts } from './partition-pull.ts';

/** Partitions pulled at the same time. */
const PULLS_AT_ONCE = 2;
/** Mean pause between two looks at the ring, or two tries, milliseconds. */
const LOOK_EVERY_MS = 250;
/**
 * After a partition this node pulls nothing for as long as that one took, and at most so long,
 * milliseconds: clients have half of the time to themselves.
 */
const LONGEST_REST_MS = 250;
/** How long a source that failed is left alone, milliseconds. */
const REST_MS = 1_000;

export interface TransferProgress {
  /** 0 before this node belongs to a cluster. */
  readonly epoch: Epoch | 0;
  /** Partitions to pull in this epoch. */
  readonly partitions: number;
  readonly pulled: number;
  /** Bytes of records stored for it. */
  readonly bytes: number;
}

/** What is pulled under one joint ring. It dies with its epoch. */
interface Session {
  readonly ring: Ring;
  readonly pulls: readonly PartitionPull[];
  readonly pulled: Set<Partition>;
  readonly startedMs: number;
}

/**
 * The taking end of transfers: while the ring is joint, brings this node what the old replicas hold of
 * each partition whose wanted set it is in and that changes. A fold (another joint ring) starts all of
 * it again: what was pulled under the ring before may miss what was written under it since.
 */
export class PartitionTransfer {
  readonly #ports: PullPorts;
  readonly #loop: Loop;
  /** Sources that failed: until when they are left alone, monotonic. */
  readonly #rests = new Map<NodeId, number>();
  #session: Session | undefined;

  constructor(options: PullPorts & { readonly random: Random }) {
    this.#ports = options;
    const { clock, random, log } = options;
    this.#loop = new Loop({
      clock,
      random,
      everyMs: LOOK_EVERY_MS,
      turn: (signal) => this.#turn(signal),
      onError: (cause) => log.error('pulling partitions was interrupted', { err: cause }),
    });
  }

  /** Resolves when nothing is under way any more. */
  close(): Promise<void> {
    return this.#loop.stop();
  }

  /** Whether nothing is left to pull of `partition` under the ring in force. */
  hasPulled(partition: Partition): boolean {
    const { self, membership } = this.#ports;
    const { ring } = membership;
    if (ring === undefined) return false;
    return (
      !mustPull(ring, self, partition) || this.#sessionOf(ring)?.pulled.has(partition) === true
    );
  }

  /** Of the ring in force. */
  get progress(): TransferProgress {
    const { self, membership } = this.#ports;
    const { ring } = membership;
    if (ring === undefined) return { epoch: 0, partitions: 0, pulled: 0, bytes: 0 };
    const session = this.#sessionOf(ring);
    return {
      epoch: ring.epoch,
      partitions: session?.pulls.length ?? partitionsToPull(ring, self).length,
      pulled: session?.pulled.size ?? 0,
      bytes: session?.pulls.reduce((sum, pull) => sum + pull.bytes, 0) ?? 0,
    };
  }

  /** Tries each partition that is left once. */
  async #turn(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const { ring } = this.#ports.membership;
    if (ring === undefined) return;
    const session = this.#sessionOf(ring) ?? this.#begin(ring);
    const left = session.pulls.filter(({ partition }) => !session.pulled.has(partition));
    if (left.length === 0) return;
    const queue = left.values();
    await Promise.all(
      Array.from({ length: PULLS_AT_ONCE }, async () => {
        let tookMs = 0;
        for (const pull of queue) {
          await sleep(clock, Math.min(tookMs, LONGEST_REST_MS), signal);
          if (signal.aborted || this.#ports.membership.ring !== ring) return;
          const startedMs = clock.monotonicMs();
          await this.#try(session, pull);
          tookMs = clock.monotonicMs() - startedMs;
        }
      }),
    );
    if (session.pulled.size === session.pulls.length) this.#reportEnd(session);
  }

  async #try(session: Session, pull: PartitionPull): Promise<void> {
    const { clock, counters } = this.#ports;
    const isDone = await pull.attempt(
      (source) => (this.#rests.get(source) ?? 0) > clock.monotonicMs(),
      (source) => this.#rests.set(source, clock.monotonicMs() + REST_MS),
    );
    if (!isDone) return;
    session.pulled.add(pull.partition);
    counters.add('partitions_pulled_total');
  }

  #sessionOf(ring: Ring): Session | undefined {
    return this.#session?.ring === ring ? this.#session : undefined;
  }

  #begin(ring: Ring): Session {
    const { self, clock, log } = this.#ports;
    const pulls = partitionsToPull(ring, self).map(
      (partition) => new PartitionPull(this.#ports, ring, partition),
    );
    const startedMs = clock.monotonicMs();
    const session: Session = { ring, pulls, pulled: new Set(), startedMs };
    this.#session = session;
    this.#rests.clear();
    if (pulls.length > 0) {
      log.info('partitions are pulled from their old replicas', {
        epoch: ring.epoch,
        partitions: pulls.length,
      });
    }
    return session;
  }

  #reportEnd({ ring, pulls, startedMs }: Session): void {
    this.#ports.log.info('all partitions are pulled', {
      epoch: ring.epoch,
      partitions: pulls.length,
      bytes: pulls.reduce((sum, pull) => sum + pull.bytes, 0),
      tookMs: Math.round(this.#ports.clock.monotonicMs() - startedMs),
    });
  }
}
