/**
 * The level above the leaves of a partition, by which two copies are compared first: the number of records
 * in each leaf, and for each branch of 16 leaves the sum of all their checksums. Most branches are equal,
 * and where two leaves hold different numbers of records they differ, whatever the sums. Only leaves that
 * hold equally many, in a branch that differs, have to be compared one by one.
 */
import type { LeafDigests } from './leaf-digests.ts';
import { LEAVES, type LeafSet } from './leaf-set.ts';

const LEAVES_OF_BRANCH = 16;
const BRANCHES = LEAVES / LEAVES_OF_BRANCH;
const BITMAP_BYTES = LEAVES / 8;
const SUM_BYTES = 8;
/** Bytes of a count, the same for all of them. */
const WIDTHS = [1, 2, 4];

export interface Compared {
  readonly differing: LeafSet;
  /** One of them differs at least, for all that is known. */
  readonly undecided: LeafSet;
}

export class BranchDigests {
  readonly #counts = new Uint32Array(LEAVES);
  /** Modulo 2^64. */
  readonly #sums = new BigUint64Array(BRANCHES);

  static of(leaves: LeafDigests): BranchDigests {
    const digests = new BranchDigests();
    for (let leaf = 0; leaf < LEAVES; leaf++) {
      const branch = branchOf(leaf);
      digests.#counts[leaf] = leaves.countOf(leaf);
      digests.#sums[branch] = (digests.#sums[branch] ?? 0n) + leaves.sumOf(leaf);
    }
    return digests;
  }

  /** Records in a leaf. */
  countOf(leaf: number): number {
    return this.#counts[leaf] ?? 0;
  }

  compare(other: BranchDigests): Compared {
    const differing = new Set<number>();
    const undecided = new Set<number>();
    for (let branch = 0; branch < BRANCHES; branch++) {
      const sameSums = this.#sums[branch] === other.#sums[branch];
      for (const leaf of leavesOf(branch)) {
        const count = this.#counts[leaf];
        if (count !== other.#counts[leaf]) differing.add(leaf);
        else if (!sameSums && count !== 0) undecided.add(leaf);
      }
    }
    return { differing, undecided };
  }

  /**
   * The width of a count (1 byte), a bitmap of the leaves that hold something, the counts of those, then
   * the sums (8 bytes) of the branches that hold something.
   */
  encode(): Uint8Array {
    const full = [...this.#counts.keys()].filter((leaf) => this.#counts[leaf] !== 0);
    const branches = [...new Set(full.map(branchOf))];
    const width = widthFor(Math.max(0, ...this.#counts));
    const size = 1 + BITMAP_BYTES + full.length * width + branches.length * SUM_BYTES;
    const bytes = Buffer.alloc(size);
    bytes.writeUInt8(width, 0);
    let at = 1 + BITMAP_BYTES;
    for (const leaf of full) {
      const place = 1 + (leaf >> 3);
      bytes.writeUInt8(bytes.readUInt8(place) | (1 << (leaf & 7)), place);
      at = bytes.writeUIntBE(this.countOf(leaf), at, width);
    }
    for (const branch of branches) at = bytes.writeBigUInt64BE(this.#sums[branch] ?? 0n, at);
    return bytes;
  }

  /** `undefined` for bytes that `encode` would not have written. They may come from a peer. */
  static decode(encoded: Uint8Array): BranchDigests | undefined {
    const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
    const [width] = bytes;
    if (width === undefined || !WIDTHS.includes(width)) return undefined;
    if (bytes.length < 1 + BITMAP_BYTES) return undefined;
    const full = Array.from({ length: LEAVES }, (_, leaf) => leaf).filter(
      (leaf) => (bytes.readUInt8(1 + (leaf >> 3)) & (1 << (leaf & 7))) !== 0,
    );
    const branches = [...new Set(full.map(branchOf))];
    let at = 1 + BITMAP_BYTES;
    if (bytes.length !== at + full.length * width + branches.length * SUM_BYTES) return undefined;
    const digests = new BranchDigests();
    for (const leaf of full) {
      const count = bytes.readUIntBE(at, width);
      if (count === 0) return undefined;
      digests.#counts[leaf] = count;
      at += width;
    }
    if (width !== widthFor(Math.max(0, ...digests.#counts))) return undefined;
    for (const branch of branches) {
      digests.#sums[branch] = bytes.readBigUInt64BE(at);
      at += SUM_BYTES;
    }
    return digests;
  }
}

function branchOf(leaf: number): number {
  return Math.floor(leaf / LEAVES_OF_BRANCH);
}

function leavesOf(branch: number): readonly number[] {
  const first = branch * LEAVES_OF_BRANCH;
  return Array.from({ length: LEAVES_OF_BRANCH }, (_, place) => first + place);
}

function widthFor(most: number): number {
  if (most < 2 ** 8) return 1;
  return most < 2 ** 16 ? 2 : 4;
}
