/**
 * The replica's side of the coordinator's messages: the epoch is checked, then one call to the
 * replica. The node's own local calls come through here too, so that they pass the same checks.
 */
import type { Epoch, Key, NodeId, Partition } from '../ids.ts';
import type { Moment } from '../membership/contacts.ts';
import type { EpochCheck } from '../membership/epoch-check.ts';
import type { Membership } from '../membership/membership.ts';
import type { EpochBarrier } from '../replica/epoch-barrier.ts';
import type { Held, Replica } from '../replica/replica.ts';
import type { VersionClock } from '../replica/version-clock.ts';
import { type ReplicaSet, sourcesNeeded } from '../ring/replica-set.ts';
import type { Ring } from '../ring/ring.ts';
import type {
  Handlers,
  Pressure,
  Refusal,
  RequestContext,
  RequestLevel,
  RequestOf,
  Served,
} from '../rpc/messages.ts';
import { refused, served } from '../rpc/served.ts';
import { StoreFullError } from '../storage/store.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import { openSealed, type SealedRecord } from '../version/record-codec.ts';
import { physicalOf } from '../version/version.ts';
import { WriteOnce } from './write-once.ts';

export type ReplicaHandlers = Pick<
  Handlers,
  'replica.version' | 'replica.read' | 'replica.write' | 'replica.repair' | 'replica.heal'
>;

interface AdmittedTo {
  readonly ring: Ring;
  readonly partition: Partition;
  readonly at: Moment;
}

type Admitted =
  | ({ readonly ok: true } & AdmittedTo)
  | { readonly ok: false; readonly refusal: Refusal };

interface ClientWrite {
  readonly epoch: Epoch;
  readonly record: SealedRecord;
  readonly level: RequestLevel;
}

export class ReplicaSide {
  readonly #self: NodeId;
  readonly #membership: Membership;
  readonly #replica: Replica;
  readonly #versions: VersionClock;
  readonly #epochs: EpochCheck;
  readonly #barrier: EpochBarrier;
  readonly #hasPulled: (partition: Partition) => boolean;
  readonly #maxSkewMs: number;
  readonly #writes = new WriteOnce();
  readonly #counters: Counters;
  readonly #log: Log;

  readonly handlers: ReplicaHandlers = {
    'replica.version': (request, context) => this.#version(request, context),
    'replica.read': (request, context) => this.#read(request, context),
    'replica.write': (request, context) => this.#write(request, context),
    'replica.repair': (request, context) =>
      this.#barrier.during(request.epoch, () => this.#repair(request, context)),
    'replica.heal': (request, context) =>
      this.#barrier.during(request.epoch, () => this.#heal(request, context)),
  };

  constructor(options: {
    readonly self: NodeId;
    readonly membership: Membership;
    readonly replica: Replica;
    readonly versions: VersionClock;
    readonly epochs: EpochCheck;
    readonly barrier: EpochBarrier;
    /** Whether this node holds what it owes to a partition that it keeps under the ring in force. */
    readonly hasPulled: (partition: Partition) => boolean;
    readonly maxSkewMs: number;
    readonly counters: Counters;
    readonly log: Log;
  }) {
    this.#self = options.self;
    this.#membership = options.membership;
    this.#replica = options.replica;
    this.#versions = options.versions;
    this.#epochs = options.epochs;
    this.#barrier = options.barrier;
    this.#hasPulled = options.hasPulled;
    this.#maxSkewMs = options.maxSkewMs;
    this.#counters = options.counters;
    this.#log = options.log;
  }

  /** The writes being served, and the refusals remembered. */
  get writes(): Pick<WriteOnce, 'serving' | 'refusals'> {
    return this.#writes;
  }

  async #version(
    { epoch, key, level }: RequestOf<'replica.version'>,
    context: RequestContext,
  ): ReturnType<ReplicaHandlers['replica.version']> {
    const admitted = await this.#admit(epoch, key, level, context);
    if (!admitted.ok) return admitted;
    const held = await this.#held(admitted.partition, key, level, context);
    if (held.state === 'damaged') return this.#damaged();
    const record = held.state === 'record' ? held.record : undefined;
    return served({
      version: record?.version,
      tombstone: record?.tombstone ?? false,
      pressure: this.#pressure(),
    });
  }

  async #read(
    { epoch, key, level }: RequestOf<'replica.read'>,
    context: RequestContext,
  ): ReturnType<ReplicaHandlers['replica.read']> {
    const admitted = await this.#admit(epoch, key, level, context);
    if (!admitted.ok) return admitted;
    const held = await this.#held(admitted.partition, key, level, context);
    if (held.state === 'damaged') return this.#damaged();
    return served({ record: held.state === 'record' ? held.record.bytes : undefined });
  }

  /** One answer decides at level `one`: nobody relies on it together with others. */
  #held(
    partition: Partition,
    key: Key,
    level: RequestLevel,
    { deadlineMs }: RequestContext,
  ): Promise<Held> {
    if (level === 'one') return this.#replica.read(partition, key);
    return this.#replica.tell(partition, key, deadlineMs);
  }

  async #write(
    { epoch, record: bytes, level }: RequestOf<'replica.write'>,
    context: RequestContext,
  ): ReturnType<ReplicaHandlers['replica.write']> {
    const record = openSealed(bytes);
    if (record === undefined) return refused('damaged');
    return this.#writes.serve(record.version, () =>
      this.#barrier.during(epoch, () => this.#writeNow({ epoch, record, level }, context)),
    );
  }

  async #writeNow(
    { epoch, record, level }: ClientWrite,
    context: RequestContext,
  ): ReturnType<ReplicaHandlers['replica.write']> {
    const admitted = await this.#admit(epoch, record.key, level, context);
    if (!admitted.ok) return admitted;
    const { partition } = admitted;
    if (this.#replica.space === 'exhausted') return refused('full');
    if (this.#replica.space === 'low' && !record.tombstone) return refused('full');
    if (this.#replica.overloaded) return refused('overloaded');
    if (physicalOf(record.version) <= this.#membership.latestMs() + this.#allowanceMs) {
      this.#versions.observe(record.version);
    } else if (!(await this.#followsItsKey(partition, record))) {
      this.#counters.add('versions_too_far_ahead_total');
      this.#log.error('a version far ahead of all clocks here was refused; check the clocks', {
        version: record.version,
      });
      return refused('clock_skew');
    }
    return this.#apply(admitted, record, level, context);
  }

  /** Another replica holds this record already: never refused for its version or the first reserve. */
  async #repair(
    { epoch, record: bytes }: RequestOf<'replica.repair'>,
    context: RequestContext,
  ): ReturnType<ReplicaHandlers['replica.repair']> {
    const record = openSealed(bytes);
    if (record === undefined) return refused('damaged');
    const admitted = await this.#admit(epoch, record.key, 'quorum', context);
    if (!admitted.ok) return admitted;
    if (this.#replica.space === 'exhausted') return refused('full');
    return this.#apply(admitted, record, 'quorum', context);
  }

  async #heal(
    { epoch, key, record: bytes, sources, life, foundMs }: RequestOf<'replica.heal'>,
    context: RequestContext,
  ): ReturnType<ReplicaHandlers['replica.heal']> {
    const checked = await this.#epochs.check(epoch, context);
    if (!checked.ok) return checked;
    const partition = checked.ring.partitionOf(key);
    if (!checked.ring.keeps(this.#self, partition)) return refused('not_ready');
    if (!isEnoughToHeal(checked.ring, partition, this.#self, sources)) return refused('not_ready');
    const record = bytes === undefined ? undefined : openSealed(bytes);
    if (bytes !== undefined && record?.key !== key) return refused('damaged');
    try {
      const ticket = { life, foundMs };
      if (!(await this.#replica.heal(partition, key, record, ticket, context.deadlineMs)))
        return this.#damaged();
    } catch (error) {
      if (error instanceof StoreFullError) return refused('full');
      throw error;
    }
    return served({});
  }

  async #apply(
    admitted: AdmittedTo,
    record: SealedRecord,
    level: RequestLevel,
    { deadlineMs }: RequestContext,
  ): Promise<Served<{ readonly version: SealedRecord['version'] }>> {
    try {
      const applied = await this.#replica.apply(admitted.partition, record, deadlineMs);
      if (applied.state === 'damaged') return this.#damaged();
      // What this node set aside because it has left meanwhile decides nothing alone. (At a quorum it left the
      // old set of a joint ring, and a quorum of the new set has the record as well.)
      if (this.#membership.ring === undefined && level === 'one')
        throw new LostTouchError('stored when this node had left the cluster');
      if (level === 'quorum') await this.#stillCounts(admitted, deadlineMs);
      return served({ version: applied.version });
    } catch (error) {
      if (error instanceof StoreFullError) return refused('full');
      throw error;
    }
  }

  /**
   * Whether a request may be served, and for which partition. A node that has just become a member has not
   * met the others yet, which takes it a moment: refused meanwhile, two that join at once would fail all
   * requests for the partitions of which both are replicas.
   */
  async #admit(
    epoch: Epoch,
    key: Key,
    level: RequestLevel,
    context: RequestContext,
  ): Promise<Admitted> {
    for (;;) {
      const checked = await this.#epochs.check(epoch, context);
      if (!checked.ok) return checked;
      const partition = checked.ring.partitionOf(key);
      const at = this.#membership.now();
      if (this.#mayServe(checked.ring, partition, level))
        return { ok: true, ring: checked.ring, partition, at };
      const mayServeSoon = level === 'quorum' && checked.ring.keeps(this.#self, partition);
      const meeting = mayServeSoon ? this.#membership.nextMeeting() : undefined;
      if (meeting === undefined) return refused('not_ready');
      await meeting;
    }
  }

  /**
   * A disk may be slower than the others are patient: what they went on without counts no more. Where this
   * node meets them anew, whether they did shows in a moment.
   * @throws LostTouchError
   */
  async #stillCounts({ ring, at }: AdmittedTo, deadlineMs: number): Promise<void> {
    for (;;) {
      if (this.#membership.stillServesQuorum(ring, at)) return;
      const meeting = this.#membership.nextMeeting();
      if (meeting === undefined || this.#epochs.isLate(deadlineMs))
        throw new LostTouchError('stored after this node had lost touch with the other members');
      await meeting;
    }
  }

  /**
   * What counts with others is only answered in touch with a majority of the members (the last-survivor
   * rule). One answer decides at level `one`, so it is not to come from a replica that has not pulled the
   * partition yet; at a quorum such a replica counts with what it has: the old ones answer beside it.
   */
  #mayServe(ring: Ring, partition: Partition, level: RequestLevel): boolean {
    if (!ring.keeps(this.#self, partition)) return false;
    if (level === 'quorum') return this.#membership.servesQuorum(ring);
    const isNew = ring.assignment[partition]?.includes(this.#self) === false;
    return !isNew || this.#hasPulled(partition);
  }

  /** The own copy is damaged; whoever heals it shows the ticket. */
  #damaged(): { readonly ok: false; readonly refusal: Refusal } {
    return { ok: false, refusal: { reason: 'damaged', damage: this.#replica.ticket() } };
  }

  #pressure(): Pressure {
    if (this.#replica.space === 'exhausted') return 'exhausted';
    if (this.#replica.space === 'low') return 'full';
    return this.#replica.overloaded ? 'overloaded' : 'none';
  }

  /**
   * How far a version may be ahead of the time that is known here. One from a clock that is further
   * ahead would keep later writes from winning (failure mode 5).
   */
  get #allowanceMs(): number {
    return 2 * this.#maxSkewMs;
  }

  /** A key that holds a version far ahead already, here, stays writable. */
  async #followsItsKey(partition: Partition, { key, version }: SealedRecord): Promise<boolean> {
    const held = await this.#replica.read(partition, key);
    if (held.state !== 'record') return false;
    return physicalOf(version) <= physicalOf(held.record.version) + this.#allowanceMs;
  }
}

/** It is unknown whether what was asked for still counts. */
class LostTouchError extends Error {
  override readonly name = 'LostTouchError';
}

/**
 * n-q+1 different replicas of the old set (the only one at rest), none of them the damaged one: whatever was
 * acknowledged is on a quorum of that set, while the ring is joint, too, so they hold it together. The new
 * set is no help before it has pulled, and may be the damaged copy alone (simulator seed 1005897).
 *
 * Where only survivors are left, nobody else knows anything: all the others of them, which may be none, and
 * enough of the new set to have met what was written since. A damaged record that nobody has is lost then.
 */
export function isEnoughToHeal(
  ring: Ring,
  partition: Partition,
  damaged: NodeId,
  sources: readonly NodeId[],
): boolean {
  const old = ring.assignment[partition] ?? [];
  if (!ring.recovering.includes(partition))
    return othersAmong(old, damaged, sources) >= sourcesNeeded(old.length);
  const wanted = ring.next?.[partition] ?? [];
  const areAll = othersAmong(old, damaged, sources) === othersAmong(old, damaged, old);
  const most = othersAmong(wanted, damaged, wanted);
  const needed = Math.min(sourcesNeeded(wanted.length), most);
  return areAll && othersAmong(wanted, damaged, sources) >= needed;
}

function othersAmong(set: ReplicaSet, damaged: NodeId, sources: readonly NodeId[]): number {
  return set.filter((node) => node !== damaged && sources.includes(node)).length;
}
