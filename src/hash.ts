/**
 * xxHash64, the one hash of the project: tokens of keys (seeded by the cluster) and checksums of
 * records. Fast and well spread, not cryptographic. The module's only state is the compiled
 * function, so simulated nodes can share it.
 */
import xxhash from 'xxhash-wasm';

const { h64Raw } = await xxhash();

/** The 64-bit hash of `bytes`, unsigned. */
export function hash64(bytes: Uint8Array, seed = 0n): bigint {
  return h64Raw(bytes, seed);
}
