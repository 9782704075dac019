/**
 * Where things lie in the store: what the node keeps about itself under `0x00 name`, records under
 * `0x01 partition(2, big-endian) key`, so that a partition is one range, in the keys' byte order.
 */
import type { Key, Partition } from '../ids.ts';
import type { KeyRange } from './store.ts';

const RECORDS = 1;

/** All records of all partitions. */
export const ALL_RECORDS: KeyRange = {
  start: Uint8Array.of(RECORDS),
  end: Uint8Array.of(RECORDS + 1),
};

/** Names of what a node keeps about itself, beside its records and in the same batches. */
export type OwnName = 'identity' | 'ring' | 'votes' | 'clock-bound' | Numbered;
type Numbered = `count/${number}` | `lossy/${number}`;

export function ownKey(name: OwnName): Uint8Array {
  return Buffer.from(`\0${name}`, 'latin1');
}

/** All keys whose name begins with `prefix`. */
export function ownRange(prefix: string): KeyRange {
  return {
    start: Buffer.from(`\0${prefix}`, 'latin1'),
    end: Buffer.from(`\0${prefix}\xff`, 'latin1'),
  };
}

export function recordKey(partition: Partition, key: Key): Uint8Array {
  const bytes = Buffer.allocUnsafe(3 + Buffer.byteLength(key, 'utf8'));
  bytes.writeUInt8(RECORDS, 0);
  bytes.writeUInt16BE(partition, 1);
  bytes.write(key, 3, 'utf8');
  return bytes;
}

/** Of which partition and key a record's place is; `undefined` for a place that no record was ever given. */
export function placeOf(
  place: Uint8Array,
): { readonly partition: Partition; readonly key: Key } | undefined {
  const bytes = Buffer.from(place.buffer, place.byteOffset, place.byteLength);
  if (bytes.length <= 3 || bytes.readUInt8(0) !== RECORDS) return undefined;
  return { partition: bytes.readUInt16BE(1) as Partition, key: bytes.toString('utf8', 3) as Key };
}
