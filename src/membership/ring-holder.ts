import { StartupError } from '../errors.ts';
import type { NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import { decodeRing, encodeRing } from '../ring/ring-codec.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import type { Store } from '../storage/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { FoundingTerms } from './founding-terms.ts';

interface RingHolderOptions {
  readonly self: NodeId;
  readonly terms: FoundingTerms;
  readonly store: Store;
  readonly log: Log;
  /** Called with each ring that comes into force, the one found on disk included. */
  readonly onRing: (ring: Ring) => void;
}

/** Holds the decided ring: on disk before it is used, and never an older one after a newer. */
export class RingHolder {
  readonly #options: RingHolderOptions;
  #ring: Ring | undefined;
  #encoded: Uint8Array | undefined;
  #adopting: Promise<void> = Promise.resolve();

  private constructor(options: RingHolderOptions) {
    this.#options = options;
  }

  /** @throws StartupError when the ring on disk is damaged, or is not that of this node's settings */
  static async open(options: RingHolderOptions): Promise<RingHolder> {
    const holder = new RingHolder(options);
    const kept = (await readOwn(options.store, 'ring')) as { readonly base64: string } | undefined;
    if (kept === undefined) return holder;
    const ring = decodeRing(Buffer.from(kept.base64, 'base64'));
    if (ring === undefined) {
      throw new StartupError(
        'the ring in the data directory was written by another version of Quorate; ' +
          'start the version that wrote it',
      );
    }
    refuseOtherTerms(ring, options.terms);
    holder.#use(ring);
    return holder;
  }

  /** The ring in force; an immutable snapshot. `undefined` until this node belongs to a cluster. */
  get ring(): Ring | undefined {
    return this.#ring;
  }

  /** The same, as bytes. */
  get encoded(): Uint8Array | undefined {
    return this.#encoded;
  }

  /**
   * Takes a decided ring of this cluster if it is newer than the one held; resolves when it is in
   * force, or was passed over. Rings of another cluster or lineage are never taken.
   */
  adopt(bytes: Uint8Array): Promise<void> {
    const ring = decodeRing(bytes);
    if (ring === undefined) {
      this.#options.log.warn('a peer sent a ring that cannot be read; it was ignored');
      return Promise.resolve();
    }
    // One after the other: two rings that arrive together must not overtake each other on the disk.
    const adopted = this.#adopting.then(() => this.#adoptNewer(ring));
    this.#adopting = adopted.catch(() => undefined);
    return adopted;
  }

  async #adoptNewer(ring: Ring): Promise<void> {
    const { self, store, log } = this.#options;
    const held = this.#ring;
    if (held !== undefined) {
      if (ring.clusterId !== held.clusterId || ring.lineage !== held.lineage) {
        log.warn('a ring of another cluster was offered and ignored', { offered: ring.clusterId });
        return;
      }
      if (ring.epoch <= held.epoch) return;
    } else if (ring.member(self) === undefined) {
      return; // the ring of a cluster that this node does not belong to
    }
    const bytes = encodeRing(ring);
    await store.batch([keepOwn('ring', { base64: Buffer.from(bytes).toString('base64') })]);
    this.#use(ring);
    log.info('a new ring is in force', { epoch: ring.epoch, members: ring.members.length });
  }

  #use(ring: Ring): void {
    this.#ring = ring;
    this.#encoded = encodeRing(ring);
    this.#options.onRing(ring);
  }
}

function refuseOtherTerms(ring: Ring, terms: FoundingTerms): void {
  if (ring.clusterName !== terms.clusterName) {
    throw new StartupError(
      `the data directory belongs to the cluster "${ring.clusterName}", and this node was started with ` +
        `QUORATE_CLUSTER_NAME=${terms.clusterName}; name another QUORATE_DATA_DIR, or the cluster it belongs to`,
    );
  }
  if (terms.replicationFactorGiven && ring.replicationFactor !== terms.replicationFactor) {
    throw new StartupError(
      `the cluster was formed with replication factor ${ring.replicationFactor}, and this node was started with ` +
        `QUORATE_REPLICATION_FACTOR=${terms.replicationFactor}; start it with ${ring.replicationFactor} ` +
        '(changing it in a running cluster is not supported yet; its data was not touched)',
    );
  }
}
