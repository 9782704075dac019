/**
 * A key's point on the ring, and the partition that it falls into.
 *
 * One convention, everywhere: partition `p` of `P` covers the tokens [p * 2^64 / P, (p + 1) * 2^64 / P).
 * `P` is a power of two, so the partition is the token's highest bits.
 */
import { hash64 } from '../hash.ts';
import type { Key, Partition } from '../ids.ts';

/** More than this many partitions would not fit the token bits looked at here. */
export const MAX_PARTITIONS = 65_536;

/**
 * 64 bits, unsigned. `hashSeed` is the cluster's own: with one that everybody knows, a client could
 * aim its keys at one partition.
 */
export function tokenOf(key: Key, hashSeed: bigint): bigint {
  return hash64(Buffer.from(key, 'utf8'), hashSeed);
}

/** `partitionCount`: a power of two from 1 to `MAX_PARTITIONS`. */
export function partitionOf(token: bigint, partitionCount: number): Partition {
  const highest16 = Number(token >> 48n);
  return (highest16 >>> (Math.clz32(partitionCount) - 15)) as Partition;
}
