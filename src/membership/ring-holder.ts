import { StartupError } from '../errors.ts';
import type { Lineage, NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import { decodeRing, encodeRing } from '../ring/ring-codec.ts';
import type { Supervisor } from '../runtime/supervisor.ts';
import { keepOwn, readOwn, readOwnBelow } from '../storage/own-state.ts';
import { type Store, unlessFull } from '../storage/store.ts';
import type { Log } from '../telemetry/log.ts';
import {
  type Departure,
  departureFrom,
  type FormerCluster,
  formerCluster,
  goesOnFrom,
  goesOnWithout,
} from './former-cluster.ts';
import { type FoundingTerms, settingsUnlike } from './founding-terms.ts';
import { type KeptStart, StartedWith } from './started-with.ts';

interface RingHolderOptions {
  readonly self: NodeId;
  readonly terms: FoundingTerms;
  readonly store: Store;
  readonly supervisor: Supervisor;
  readonly log: Log;
  /** Whether most of those that a ring of another lineage lists hold it: it is no ring of some lone node. */
  readonly isHeld: (ring: Ring) => Promise<boolean>;
  /** Whether this node voted for a forced ring that ends this other forced one. */
  readonly hasEnded: (ring: Ring) => boolean;
  /** Called with each ring that comes into force, the one found on disk included. */
  readonly onRing: (ring: Ring) => void;
  /** Called with the ring that goes on without this node. */
  readonly onDeparture: (ring: Ring) => void;
}

/**
 * Holds the decided ring: on disk before it is used, and never an older one after a newer. When the
 * cluster goes on without this node, it holds none from that moment on, so that nothing is served.
 */
export class RingHolder {
  /** What this start asks of the ring. */
  readonly startedWith: StartedWith;
  readonly #options: RingHolderOptions;
  #ring: Ring | undefined;
  #lastHeld: Ring | undefined;
  #encoded: Uint8Array | undefined;
  #encodedBefore: Uint8Array | undefined;
  #former: FormerCluster | undefined;
  #departure: Departure | undefined;
  /** The lineage told of last that does not come together with its own: it is offered again and again. */
  #strange: Lineage | undefined;
  #adopting: Promise<void> = Promise.resolve();

  private constructor(options: RingHolderOptions, before: KeptStart | undefined) {
    const { store, terms } = options;
    const given = terms.replicationFactorGiven ? terms.replicationFactor : undefined;
    this.startedWith = new StartedWith({ store, given, before });
    this.#options = options;
  }

  /** @throws StartupError when the ring on disk is damaged, or is not that of this node's settings */
  static async open(options: RingHolderOptions): Promise<RingHolder> {
    const former = (await readOwn(options.store, 'aside')) as FormerCluster | undefined;
    if (former !== undefined) refuseOtherName(former.clusterName, options.terms);
    const own = await readOwnBelow(options.store, 'ring');
    const before = own.get('ring/started-with') as KeptStart | undefined;
    const holder = new RingHolder(options, before);
    holder.#former = former;
    const kept = own.get('ring') as { readonly base64: string } | undefined;
    if (kept === undefined) return holder;
    const ring = decodeRing(Buffer.from(kept.base64, 'base64'));
    if (ring === undefined) {
      throw new StartupError(
        'the ring in the data directory was written by another version of Quorate; ' +
          'start the version that wrote it',
      );
    }
    refuseOtherName(ring.clusterName, options.terms);
    holder.#warnOfSettings(ring);
    holder.#use(ring);
    return holder;
  }

  /** The ring in force; an immutable snapshot. `undefined` until this node belongs to a cluster. */
  get ring(): Ring | undefined {
    return this.#ring;
  }

  /** The same, or the last one that was in force before this node stopped being a member, in this life. */
  get lastHeld(): Ring | undefined {
    return this.#lastHeld;
  }

  /** The ring in force, as bytes. */
  get encoded(): Uint8Array | undefined {
    return this.#encoded;
  }

  /** The ring that was in force here before this one, in this life of the process, as it is sent. */
  get encodedBefore(): Uint8Array | undefined {
    return this.#encodedBefore;
  }

  /** The cluster in which this node was a member before, while it is none. It must not form another one. */
  get former(): FormerCluster | undefined {
    return this.#ring === undefined ? this.#former : undefined;
  }

  /** How this node stopped being a member, in this life. */
  get departure(): Departure | undefined {
    return this.#departure;
  }

  /**
   * Takes a decided ring of this cluster if it is newer than the one held; resolves when it is in
   * force, or was passed over. Rings of another cluster are never taken, nor those of a lineage that does
   * not go on from this one. One that goes on without this node ends its membership.
   */
  adopt(bytes: Uint8Array): Promise<void> {
    const ring = decodeRing(bytes);
    if (ring === undefined) {
      this.#options.log.warn('a peer sent a ring that cannot be read; it was ignored');
      return Promise.resolve();
    }
    const { self } = this.#options;
    const held = this.#ring;
    if (held === undefined || held.lineage === ring.lineage || !goesOnWithout(ring, held, self))
      return this.#adoptInTurn(ring);
    // It may be all that became of a removal that was forced by mistake; this cluster lives.
    return this.#options
      .isHeld(ring)
      .then((isHeld) => (isHeld ? this.#adoptInTurn(ring) : undefined));
  }

  #adoptInTurn(ring: Ring): Promise<void> {
    // One after the other: two rings that arrive together must not overtake each other on the disk.
    // A ring for which a full disk has no room is offered again with the next message of its epoch (seed 2010).
    const adopted = this.#adopting.then(() => this.#adoptNewer(ring)).catch(unlessFull);
    this.#adopting = adopted.catch(() => undefined);
    return adopted;
  }

  async #adoptNewer(ring: Ring): Promise<void> {
    const { self, store, log } = this.#options;
    const held = this.#ring;
    if (this.#departure !== undefined) return;
    if (held !== undefined) {
      if (goesOnWithout(ring, held, self)) return this.#depart(ring, held);
      if (!goesOnFrom(ring, held)) {
        if (!goesOnFrom(held, ring)) this.#warnOfStranger(ring, held);
        return;
      }
      if (ring.epoch <= held.epoch) return;
      if (ring.lineage !== held.lineage && this.#options.hasEnded(ring)) return;
    } else if (ring.member(self) === undefined) {
      return; // the ring of a cluster that this node does not belong to
    } else if (this.#former !== undefined && ring.clusterId !== this.#former.clusterId) {
      log.warn(
        'a ring of another cluster was offered and ignored: this node holds data of its former one',
        { offered: ring.clusterId, former: this.#former.clusterId },
      );
      return;
    }
    const bytes = encodeRing(ring);
    const changes = [keepOwn('ring', { base64: Buffer.from(bytes).toString('base64') })];
    if (this.startedWith.isSettledBy(ring, held)) await this.startedWith.settle(changes);
    else await store.batch(changes);
    if (this.#departure !== undefined) return; // it learnt meanwhile that its disk was put back
    this.#use(ring);
    const fields = { epoch: ring.epoch, members: ring.members.length };
    if (held === undefined || held.lineage === ring.lineage)
      log.info('a new ring is in force', fields);
    else
      log.error(
        'an operator forced this ring: the cluster goes on without most of its members',
        fields,
      );
  }

  #warnOfSettings(ring: Ring): void {
    const { self, terms, log } = this.#options;
    const member = ring.member(self);
    const settings = member === undefined ? [] : settingsUnlike(member, terms);
    if (settings.length === 0) return;
    log.warn(
      'the ring has other values of this node than it was started with, and they count; to change them, let the ' +
        'node leave, and start it again',
      { settings },
    );
  }

  #warnOfStranger({ clusterId, lineage }: Ring, held: Ring): void {
    const { log } = this.#options;
    if (clusterId !== held.clusterId) {
      log.warn('a ring of another cluster was offered and ignored', { offered: clusterId });
      return;
    }
    if (this.#strange === lineage) return;
    this.#strange = lineage;
    log.error(
      'the cluster was forced twice, each time without the members of the other part: they do not come ' +
        'together again; stop one part, and start its nodes with empty data directories',
    );
  }

  /**
   * Others remember more of this node than is on its disk: that one was put back to an older state, and
   * what it voted and acknowledged since is gone. It counts as lost; the node comes back as a new one.
   */
  async loseDisk(): Promise<void> {
    const held = this.#ring;
    if (held === undefined || this.#departure !== undefined) return;
    this.#options.log.error(
      'the data directory was put back to an older state (a restored snapshot); this node comes back as a ' +
        'new member, and offers what it still has',
    );
    await this.#depart(held, held);
  }

  /**
   * The cluster goes on without this node. It holds no ring any more, so every request is refused,
   * before that is on disk; the store is left as it is until the next start (`set-aside.ts`).
   */
  async #depart(ring: Ring, held: Ring): Promise<void> {
    const { self, store, log, supervisor } = this.#options;
    const former = formerCluster(ring, self);
    const departure = departureFrom(held, ring, self);
    // Both at once: without a ring and with nothing that says why, a node asks to be taken in.
    this.#ring = undefined;
    this.#departure = departure;
    try {
      await store.batch([keepOwn('departed', former)]);
    } catch (error) {
      this.#ring = held; // a full disk: the next message of a newer epoch leads here again
      this.#departure = undefined;
      throw error;
    }
    this.#encodedBefore = undefined;
    this.#encoded = undefined;
    this.#former = former;
    this.#options.onDeparture(ring);
    if (departure === 'left') {
      log.info('this node has left its cluster, and serves nothing until it is started again');
      return;
    }
    log.warn('this node was replaced while it was away; it comes back as a new member', {
      epoch: ring.epoch,
      members: ring.members.length,
    });
    supervisor.restart('this node was replaced while it was away');
  }

  #use(ring: Ring): void {
    this.#ring = ring;
    this.#lastHeld = ring;
    this.#encodedBefore = this.#encoded;
    this.#encoded = encodeRing(ring);
    this.#options.onRing(ring);
  }
}

function refuseOtherName(clusterName: string, terms: FoundingTerms): void {
  if (clusterName === terms.clusterName) return;
  throw new StartupError(
    `the data directory belongs to the cluster "${clusterName}", and this node was started with ` +
      `QUORATE_CLUSTER_NAME=${terms.clusterName}; name another QUORATE_DATA_DIR, or the cluster it belongs to`,
  );
}
