import type { Epoch, NodeId, Partition } from '../ids.ts';
import { mustPull, partitionsToPull } from '../ring/pulls.ts';
import type { Ring } from '../ring/ring.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import { PartitionPull, type PullPorts } from './partition-pull.ts';

/** Partitions pulled at the same time. */
const PULLS_AT_ONCE = 2;
/** Mean pause between two looks at the ring, or two tries, milliseconds. */
const LOOK_EVERY_MS = 250;
/** How long a source that failed is left alone, or for one partition alone, milliseconds. */
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

/** A source and the number of a partition. */
type CopyOf = `${NodeId} ${number}`;

/** What is pulled under one joint ring. It dies with its epoch. */
interface Session {
  readonly ring: Ring;
  readonly pulls: ReadonlyMap<Partition, PartitionPull>;
  readonly startedMs: number;
  /** What had been sent and received for transfers before. */
  readonly bytesBefore: number;
}

/**
 * The taking end of transfers: while the ring is joint, brings this node what the old replicas hold of
 * each partition whose wanted set it is in and that changes. A fold (another joint ring) starts all of
 * it again: what was pulled under the ring before may miss what was written under it since.
 */
export class PartitionTransfer {
  readonly #ports: PullPorts;
  readonly #loop: Loop;
  /** Sources that failed, altogether or for one partition: until when they are left alone, monotonic. */
  readonly #rests = new Map<NodeId | CopyOf, number>();
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
      !mustPull(ring, self, partition) ||
      this.#sessionOf(ring)?.pulls.get(partition)?.isDone === true
    );
  }

  /** Of the ring in force. */
  get progress(): TransferProgress {
    const { self, membership } = this.#ports;
    const { ring } = membership;
    if (ring === undefined) return { epoch: 0, partitions: 0, pulled: 0, bytes: 0 };
    const session = this.#sessionOf(ring);
    const pulls = [...(session?.pulls.values() ?? [])];
    return {
      epoch: ring.epoch,
      partitions: session?.pulls.size ?? partitionsToPull(ring, self).length,
      pulled: pulls.filter(({ isDone }) => isDone).length,
      bytes: bytesOf(pulls),
    };
  }

  /** Tries each partition that is left once. */
  async #turn(signal: AbortSignal): Promise<void> {
    const { ring } = this.#ports.membership;
    if (ring === undefined) return;
    const session = this.#sessionOf(ring) ?? this.#begin(ring);
    const left = [...session.pulls.values()].filter(({ isDone }) => !isDone);
    if (left.length === 0) return;
    const queue = left.values();
    await Promise.all(
      Array.from({ length: PULLS_AT_ONCE }, async () => {
        for (const pull of queue) {
          if (signal.aborted || this.#ports.membership.ring !== ring) return;
          await this.#try(pull, signal);
        }
      }),
    );
    if (left.every(({ isDone }) => isDone)) this.#reportEnd(session);
  }

  async #try(pull: PartitionPull, signal: AbortSignal): Promise<void> {
    const { clock, counters } = this.#ports;
    const { partition } = pull;
    const rests = (what: NodeId | CopyOf): boolean =>
      (this.#rests.get(what) ?? 0) > clock.monotonicMs();
    const isDone = await pull.attempt(
      (source) => rests(source) || rests(`${source} ${partition}`),
      // A damaged copy says nothing of the others that a source has.
      (source, isAvailable) =>
        this.#rests.set(
          isAvailable ? `${source} ${partition}` : source,
          clock.monotonicMs() + REST_MS,
        ),
      signal,
    );
    if (isDone) counters.add('partitions_pulled_total');
  }

  #sessionOf(ring: Ring): Session | undefined {
    return this.#session?.ring === ring ? this.#session : undefined;
  }

  #begin(ring: Ring): Session {
    const { self, clock, counters, log } = this.#ports;
    const pulls = new Map(
      partitionsToPull(ring, self).map((partition) => [
        partition,
        new PartitionPull(this.#ports, ring, partition),
      ]),
    );
    const session: Session = {
      ring,
      pulls,
      startedMs: clock.monotonicMs(),
      bytesBefore: counters.get('transfer_connections_bytes_total'),
    };
    this.#session = session;
    this.#rests.clear();
    if (pulls.size > 0) {
      log.info('partitions are pulled from their old replicas', {
        epoch: ring.epoch,
        partitions: pulls.size,
      });
    }
    return session;
  }

  #reportEnd({ ring, pulls, startedMs, bytesBefore }: Session): void {
    const { clock, counters, log } = this.#ports;
    log.info('all partitions are pulled', {
      epoch: ring.epoch,
      partitions: pulls.size,
      bytes: bytesOf([...pulls.values()]),
      bytesOnTheWire: counters.get('transfer_connections_bytes_total') - bytesBefore,
      tookMs: Math.round(clock.monotonicMs() - startedMs),
    });
  }
}

function bytesOf(pulls: readonly PartitionPull[]): number {
  return pulls.reduce((sum, { bytes }) => sum + bytes, 0);
}
