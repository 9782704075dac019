/**
 * What a partition holds, in few bytes, for comparing two copies of it (Merkle, 1987; Dynamo, 2007,
 * section 4.7). The partition is cut into 256 leaves, and a leaf is told by the number of its records
 * and the sum of their checksums. A checksum covers key, version and content, so leaves with the same
 * count and sum hold the same records. A sum does not depend on order, so that one walk in key order
 * fills all leaves, and one more record changes one of them.
 *
 * One convention, everywhere: a key's leaf is the lowest 8 bits of its token. (The highest bits are the
 * partition.) Tokens are seeded by the cluster, so no client can aim its keys at one leaf.
 */
import { invariant } from '../invariant.ts';
import { LEAVES, type LeafSet } from './leaf-set.ts';

const MAX_COUNT = 0xffff_ffff;
const BITMAP_BYTES = LEAVES / 8;
const LEAF_BYTES = 4 + 8;

export function leafOf(token: bigint): number {
  return Number(token & BigInt(LEAVES - 1));
}

export class LeafDigests {
  readonly #counts = new Uint32Array(LEAVES);
  /** Modulo 2^64. */
  readonly #sums = new BigUint64Array(LEAVES);

  /** Counts a record in; each one once. */
  add(leaf: number, checksum: bigint): void {
    const count = this.#counts[leaf];
    const sum = this.#sums[leaf];
    invariant(count !== undefined && sum !== undefined, 'a leaf from 0 to 255');
    invariant(count < MAX_COUNT, 'fewer records in a leaf than 32 bits can count');
    this.#counts[leaf] = count + 1;
    this.#sums[leaf] = sum + checksum;
  }

  /** Records in a leaf. */
  countOf(leaf: number): number {
    return this.#counts[leaf] ?? 0;
  }

  /** Of the checksums of its records, modulo 2^64. */
  sumOf(leaf: number): bigint {
    return this.#sums[leaf] ?? 0n;
  }

  get records(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Leaves in which the two copies differ. */
  differingFrom(other: LeafDigests): LeafSet {
    const leaves = new Set<number>();
    for (let leaf = 0; leaf < LEAVES; leaf++) {
      const equal =
        this.#counts[leaf] === other.#counts[leaf] && this.#sums[leaf] === other.#sums[leaf];
      if (!equal) leaves.add(leaf);
    }
    return leaves;
  }

  /** Of these leaves alone. */
  only(leaves: LeafSet): LeafDigests {
    const some = new LeafDigests();
    for (const leaf of leaves) {
      some.#counts[leaf] = this.countOf(leaf);
      some.#sums[leaf] = this.sumOf(leaf);
    }
    return some;
  }

  /** A bitmap of the leaves that hold something, then count (4 bytes) and sum (8) of each of them. */
  encode(): Uint8Array {
    const full = [...this.#counts.keys()].filter((leaf) => this.#counts[leaf] !== 0);
    const bytes = Buffer.alloc(BITMAP_BYTES + full.length * LEAF_BYTES);
    let at = BITMAP_BYTES;
    for (const leaf of full) {
      const place = leaf >> 3;
      bytes.writeUInt8(bytes.readUInt8(place) | (1 << (leaf & 7)), place);
      bytes.writeUInt32BE(this.#counts[leaf] ?? 0, at);
      bytes.writeBigUInt64BE(this.#sums[leaf] ?? 0n, at + 4);
      at += LEAF_BYTES;
    }
    return bytes;
  }

  /** `undefined` for bytes that `encode` would not have written. They may come from a peer. */
  static decode(encoded: Uint8Array): LeafDigests | undefined {
    const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
    if (bytes.length < BITMAP_BYTES) return undefined;
    const digests = new LeafDigests();
    let at = BITMAP_BYTES;
    for (let leaf = 0; leaf < LEAVES; leaf++) {
      if ((bytes.readUInt8(leaf >> 3) & (1 << (leaf & 7))) === 0) continue;
      if (at + LEAF_BYTES > bytes.length) return undefined;
      const count = bytes.readUInt32BE(at);
      if (count === 0) return undefined;
      digests.#counts[leaf] = count;
      digests.#sums[leaf] = bytes.readBigUInt64BE(at + 4);
      at += LEAF_BYTES;
    }
    return at === bytes.length ? digests : undefined;
  }
}
