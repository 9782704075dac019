import { checksumOf, type SealedRecord } from './record-codec.ts';

/**
 * The record that survives of two of one key: the one of the higher version. Equal versions with
 * different bytes cannot come from correct nodes (see `conflicts`); the higher checksum is kept, so
 * that all replicas still agree. Commutative, associative and idempotent.
 */
export function merge(a: SealedRecord, b: SealedRecord): SealedRecord {
  if (a.version !== b.version) return a.version > b.version ? a : b;
  return checksumOf(a) >= checksumOf(b) ? a : b;
}

/** Two different records under one version: someone reused a version. Worth an alarm. */
export function conflicts(a: SealedRecord, b: SealedRecord): boolean {
  return a.version === b.version && checksumOf(a) !== checksumOf(b);
}
