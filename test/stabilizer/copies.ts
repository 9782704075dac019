/** Copies of one partition on nodes of their own, joined by plain calls, for tests of transfers. */

import type { Address, ClusterId, Epoch, Key, Lineage, NodeId, Partition } from '../../src/ids.ts';
import { EpochCheck } from '../../src/membership/epoch-check.ts';
import { EpochBarrier } from '../../src/replica/epoch-barrier.ts';
import { KnownContents } from '../../src/replica/known-contents.ts';
import { PartitionScan } from '../../src/replica/partition-scan.ts';
import { formRing, Ring } from '../../src/ring/ring.ts';
import { RateLimit } from '../../src/runtime/rate-limit.ts';
import { TransferSource } from '../../src/stabilizer/transfer-source.ts';
import { UnsoundCopies } from '../../src/stabilizer/unsound-copies.ts';
import { recordKey } from '../../src/storage/keys.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { type Change, StoreFullError, StoreReadError } from '../../src/storage/store.ts';
import { type SealedRecord, sealRecord } from '../../src/version/record-codec.ts';
import { openReplica } from '../replica/open-replica.ts';
import { versionAt } from '../version/version-at.ts';

/** A ring of one partition, so that every key falls into it. */
export const P = 0 as Partition;

export const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(16)) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];

/** At rest on `old`, or joint on its way to `wanted`. */
export function ringOf(epoch: number, old: readonly NodeId[], wanted?: readonly NodeId[]): Ring {
  const formed = formRing({
    clusterId: '1'.repeat(32) as ClusterId,
    lineage: '2'.repeat(16) as Lineage,
    clusterName: 'test',
    hashSeed: 7n,
    replicationFactor: 3,
    partitionCount: 1,
    lastSurvivor: 'use',
    graceMs: 60_000,
    founders: [A, B, C, D].map((id) => ({
      id,
      name: id,
      address: `${id}:7400` as Address,
      zone: 'default',
      weight: 1,
      joining: false,
      leaving: 'no',
    })),
  });
  const next = wanted === undefined ? undefined : [wanted];
  return new Ring({ ...formed, epoch: epoch as Epoch, assignment: [old], next });
}

/** One node, as far as transfers go. */
export async function openCopy(
  self: NodeId,
  ring: Ring,
  bytesPerSecond = Number.POSITIVE_INFINITY,
) {
  const { store, clock, counters, counts, lossy, places, replica } = await openReplica(
    new CopyStore(),
  );
  const scan = new PartitionScan({ store, places, counts, clock });
  const barrier = new EpochBarrier();
  const contents = new KnownContents({ scan, barrier, counts, lossy, clock });
  /** The ring in force, and the one that whoever asks with a newer epoch would hand over. */
  const membership = {
    ring,
    offered: undefined as Ring | undefined,
    async catchUp() {
      this.ring = this.offered ?? this.ring;
    },
  };
  const epochs = new EpochCheck({ membership, clock, counters });
  const rate = new RateLimit(clock, bytesPerSecond);
  const healed: Key[] = [];
  const onDamaged = (key: Key): void => void healed.push(key);
  const unsound = new UnsoundCopies(clock);
  const source = new TransferSource({
    self,
    epochs,
    barrier,
    scan,
    contents,
    lossy,
    rate,
    clock,
    onDamaged,
    unsound,
  });
  return {
    self,
    store,
    clock,
    counters,
    counts,
    lossy,
    replica,
    scan,
    contents,
    barrier,
    membership,
    epochs,
    source,
    unsound,
    /** Keys whose healing was begun. */
    healed,
    onDamaged,
    async keep(...records: readonly SealedRecord[]) {
      for (const record of records) await replica.apply(P, record, 0);
    },
    async damage(key: string) {
      const place = recordKey(1, P, key as Key);
      const bytes = Buffer.from((await store.get(place)) ?? []);
      bytes.writeUInt8(bytes.readUInt8(30) ^ 1, 30);
      await store.batch([{ type: 'put', key: place, value: bytes }]);
    },
    lose: (key: string) => store.batch([{ type: 'delete', key: recordKey(1, P, key as Key) }]),
    async keys() {
      const keys: string[] = [];
      for await (const page of scan.walk(P)) keys.push(...page.map(({ key }) => key));
      return keys;
    },
  };
}

export type Copy = Awaited<ReturnType<typeof openCopy>>;

export function record(key: string, at = 1, valueBytes = 10): SealedRecord {
  const content = {
    type: 'value',
    value: new Uint8Array(valueBytes),
    contentType: 'text/plain',
    metadata: new Map<string, string>(),
  } as const;
  return sealRecord({ key: key as Key, version: versionAt(at), content });
}

/** `count` records of different keys, in the order of these. */
export function records(count: number, valueBytes = 10): SealedRecord[] {
  return Array.from({ length: count }, (_, n) =>
    record(`key${String(n).padStart(5, '0')}`, 1, valueBytes),
  );
}

/** Everything that can go on without the outside has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class CopyStore extends MemoryStore {
  full = false;
  /** The next scan that would come across this place fails, and no other. */
  unreadableOnce: Uint8Array | undefined;
  #held: Promise<void> | undefined;

  /** Reads wait until what this returns is called. */
  holdReads(): () => void {
    let release = (): void => undefined;
    this.#held = new Promise((resolve) => (release = resolve));
    return () => {
      this.#held = undefined;
      release();
    };
  }

  override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    await this.#held;
    return super.get(key);
  }

  override async scan(...args: Parameters<MemoryStore['scan']>) {
    const entries = await super.scan(...args);
    const place = this.unreadableOnce;
    if (place && entries.some(({ key }) => Buffer.compare(key, place) === 0)) {
      this.unreadableOnce = undefined;
      throw new StoreReadError('a page cannot be read');
    }
    return entries;
  }

  override async batch(changes: readonly Change[]): Promise<void> {
    if (this.full) throw new StoreFullError('full');
    return super.batch(changes);
  }
}
