/** Some of a partition's leaves, and how they are written for the wire: one bit each. */

/** Leaves of a partition. */
export const LEAVES = 256;

export type LeafSet = ReadonlySet<number>;

export const ALL_LEAVES: LeafSet = new Set(Array.from({ length: LEAVES }, (_, leaf) => leaf));

export function encodeLeaves(leaves: LeafSet): Uint8Array {
  const bits = new Uint8Array(LEAVES / 8);
  for (const leaf of leaves) bits[leaf >> 3] = (bits[leaf >> 3] ?? 0) | (1 << (leaf & 7));
  return bits;
}

/** `undefined` unless there is one bit for each leaf. The bits may come from a peer. */
export function decodeLeaves(bits: Uint8Array): LeafSet | undefined {
  if (bits.length !== LEAVES / 8) return undefined;
  const leaves = new Set<number>();
  for (let leaf = 0; leaf < LEAVES; leaf++) {
    if (((bits[leaf >> 3] ?? 0) & (1 << (leaf & 7))) !== 0) leaves.add(leaf);
  }
  return leaves;
}
