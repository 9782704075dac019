/**
 * Surplus: partitions on this disk that the ring gave to others. Removed when the ring is at rest, and
 * only after all present replicas that answer, at least a quorum, hold what lies here: a write at level
 * `one`, or one that failed half-way, may have reached this node alone. A partition in transition is
 * never touched; its old replicas are the sources.
 */
import type { NodeId, Partition } from '../ids.ts';
import type { Membership } from '../membership/membership.ts';
import { leafOf } from '../merkle/leaf-digests.ts';
import type { LeafSet } from '../merkle/leaf-set.ts';
import { quorumOf } from '../quorum/consistency-level.ts';
import type { EpochBarrier } from '../replica/epoch-barrier.ts';
import type { KeyCounts } from '../replica/key-counts.ts';
import type { PartitionScan, Scanned } from '../replica/partition-scan.ts';
import type { Replica } from '../replica/replica.ts';
import type { Ring } from '../ring/ring.ts';
import type { ReplyOf, RequestOf } from '../rpc/messages.ts';
import type { Transport } from '../rpc/transport.ts';
import { type Clock, sleep } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { RateLimit } from '../runtime/rate-limit.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import type { SealedRecord } from '../version/record-codec.ts';
import { type ComparisonRequest, differenceFrom } from './partition-comparison.ts';

/** Mean pause between two partitions, milliseconds. */
const LOOK_EVERY_MS = 1_000;
/** How long a partition is left that could not be offered, milliseconds. */
const PUT_OFF_MS = 10_000;
/** Between two batches of a removal, milliseconds. */
const REMOVAL_PAUSE_MS = 20;
const DIGESTS_TIMEOUT_MS = 60_000;
const OFFER_TIMEOUT_MS = 10_000;
/** How long an offer waits for its turn behind other transfers, milliseconds. */
const RATE_TIMEOUT_MS = 60_000;

interface SurplusPorts {
  readonly self: NodeId;
  readonly membership: Pick<Membership, 'ring'>;
  readonly transport: Pick<Transport, 'call'>;
  readonly replica: Pick<Replica, 'discard'>;
  readonly counts: KeyCounts;
  readonly scan: PartitionScan;
  readonly barrier: EpochBarrier;
  readonly rate: RateLimit;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
}

type OfferType = ComparisonRequest | 'replica.version' | 'replica.repair';

/** Present replicas that answer, and in which leaves each may lack something. */
type Takers = Map<NodeId, LeafSet>;

/** The ring changed, or a replica refused: the offer is to be made again. */
class OfferPutOffError extends Error {
  override readonly name = 'OfferPutOffError';
}

export class Surplus {
  readonly #ports: SurplusPorts;
  readonly #loop: Loop;
  /** Under which ring `#removed` and `#putOff` hold. */
  #ring: Ring | undefined;
  readonly #removed = new Set<Partition>();
  /** Until when, monotonic. */
  readonly #putOff = new Map<Partition, number>();

  constructor(options: SurplusPorts & { readonly random: Random }) {
    this.#ports = options;
    const { clock, random, log } = options;
    this.#loop = new Loop({
      clock,
      random,
      everyMs: LOOK_EVERY_MS,
      turn: (signal) => this.#turn(signal),
      onError: (cause) => log.error('removing surplus records was interrupted', { err: cause }),
    });
  }

  /** Resolves when nothing is under way any more. */
  close(): Promise<void> {
    return this.#loop.stop();
  }

  /** Offers and removes one partition. */
  async #turn(signal: AbortSignal): Promise<void> {
    const { self, membership, barrier } = this.#ports;
    const { ring } = membership;
    if (ring === undefined || ring.next !== undefined || ring.member(self) === undefined) return;
    this.#follow(ring);
    const partition = this.#nextSurplus(ring);
    if (partition === undefined) return;
    this.#putOff.set(partition, this.#ports.clock.monotonicMs() + PUT_OFF_MS);
    // What an older epoch still writes here is part of what is offered, and is not to come later.
    await barrier.settledBelow(ring.epoch);
    if (await this.#offer(ring, partition, signal)) await this.#remove(ring, partition, signal);
  }

  #follow(ring: Ring): void {
    if (this.#ring === ring) return;
    this.#ring = ring;
    this.#removed.clear();
    this.#putOff.clear();
  }

  #nextSurplus(ring: Ring): Partition | undefined {
    const { self, counts, clock } = this.#ports;
    const nowMs = clock.monotonicMs();
    return counts.partitions.find(
      (partition) =>
        !ring.keeps(self, partition) &&
        !this.#removed.has(partition) &&
        (this.#putOff.get(partition) ?? 0) <= nowMs,
    );
  }

  /** True when enough present replicas hold all that lies here. */
  async #offer(ring: Ring, partition: Partition, signal: AbortSignal): Promise<boolean> {
    const { scan, log } = this.#ports;
    const present = ring.replicasOf(partition);
    try {
      const takers = await this.#takers(ring, partition);
      for await (const page of scan.walk(partition)) {
        if (takers.size < quorumOf(present.length)) return false;
        await Promise.all(page.map((scanned) => this.#offerOne(ring, takers, scanned, signal)));
      }
      return takers.size >= quorumOf(present.length);
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof OfferPutOffError)) throw error;
      log.debug('surplus records could not be offered now', { partition, err: error });
      return false;
    }
  }

  /**
   * What the own digests do not speak of seems to be held by all: nobody is told of it, and the removal may
   * find it readable again. Fewer records than counted are another matter: the others are lost.
   */
  async #takers(ring: Ring, partition: Partition): Promise<Takers> {
    const { epoch } = ring;
    const own = await this.#ports.scan.contents(partition, ring);
    if (own.extent === 'unreadable') throw new OfferPutOffError('a part of it cannot be read now');
    const damaged = own.damaged.map((key) => leafOf(ring.tokenOf(key)));
    const takers: Takers = new Map();
    await Promise.all(
      ring.replicasOf(partition).map(async (node) => {
        const found = await differenceFrom(own.digests, { epoch, partition }, (request) =>
          this.#ask(ring, node, request, DIGESTS_TIMEOUT_MS),
        );
        if (typeof found !== 'string') takers.set(node, new Set([...found.leaves, ...damaged]));
      }),
    );
    return takers;
  }

  /** Brings one record to the takers that lack it. Those that fall silent are takers no more. */
  async #offerOne(
    ring: Ring,
    takers: Takers,
    scanned: Scanned,
    signal: AbortSignal,
  ): Promise<void> {
    // Damaged here: those that pulled have it from the other old replicas, or it was never acknowledged.
    if (scanned.state === 'damaged') return;
    const leaf = leafOf(ring.tokenOf(scanned.key));
    await Promise.all(
      [...takers].map(async ([node, leaves]) => {
        if (!leaves.has(leaf)) return;
        if (!(await this.#bring(ring, node, scanned.record, signal))) takers.delete(node);
      }),
    );
  }

  /** True when `node` holds the record, or a newer one. Asked first: most replicas have it already. */
  async #bring(
    ring: Ring,
    node: NodeId,
    { key, version, bytes }: SealedRecord,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { rate, clock, counters } = this.#ports;
    const { epoch } = ring;
    const question = { type: 'replica.version', epoch, key, level: 'quorum' } as const;
    const held = await this.#ask<'replica.version'>(ring, node, question, OFFER_TIMEOUT_MS);
    if (held === undefined) return false;
    if (held.version !== undefined && held.version >= version) return true;
    const deadlineMs = clock.monotonicMs() + RATE_TIMEOUT_MS;
    if (!(await rate.take(bytes.length, deadlineMs, signal))) throw new OfferPutOffError('no turn');
    counters.add('surplus_records_offered_total');
    const offer = { type: 'replica.repair', epoch, record: bytes } as const;
    return (await this.#ask<'replica.repair'>(ring, node, offer, OFFER_TIMEOUT_MS)) !== undefined;
  }

  /**
   * `undefined` when the node does not answer, or its own copy is damaged.
   * @throws OfferPutOffError when it refuses for another reason, or the ring has changed
   */
  async #ask<Type extends OfferType>(
    ring: Ring,
    to: NodeId,
    request: RequestOf<Type>,
    timeoutMs: number,
  ): Promise<ReplyOf<Type> | undefined> {
    const { transport, membership } = this.#ports;
    const answer = await transport.call<Type>(to, request, { timeoutMs, traffic: 'transfer' });
    if (membership.ring !== ring) throw new OfferPutOffError('the ring has changed');
    if (answer.ok) return answer.reply;
    if (answer.failure !== 'refused') return undefined;
    const { reason } = answer.refusal;
    if (reason === 'damaged') return undefined;
    throw new OfferPutOffError(`${to} refused: ${reason}`);
  }

  async #remove(ring: Ring, partition: Partition, signal: AbortSignal): Promise<void> {
    const { membership, replica, clock, counters, log } = this.#ports;
    const isSurplus = (): boolean => membership.ring === ring;
    let step = await replica.discard(partition, isSurplus);
    while (step === 'more') {
      if (!(await sleep(clock, REMOVAL_PAUSE_MS, signal))) return;
      step = await replica.discard(partition, isSurplus);
    }
    if (step === 'kept') return;
    this.#removed.add(partition);
    counters.add('surplus_partitions_removed_total');
    log.debug('a partition that others keep now was removed', { partition });
  }
}
