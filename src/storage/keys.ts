/**
 * Where things lie in the store: what the node keeps about itself under `0x00 name`, records under
 * `generation(1) partition(2, big-endian) key`, so that a partition is one range, in the keys' byte
 * order. Which generation is the current one is told by `RecordPlaces`.
 */
import type { Key, Partition } from '../ids.ts';
import type { KeyRange } from './store.ts';
import { keyAfter } from './store-limits.ts';

/** The highest number that fits its two bytes. */
const LAST_PARTITION = 0xffff;

/**
 * Records lie in one of two stretches of the store, so that all of them can be set aside at once: the
 * other stretch becomes the current one.
 */
export type Generation = 1 | 2;

/** Names of what a node keeps about itself, beside its records and in the same batches. */
export type OwnName =
  | 'identity'
  | 'ring'
  /** Which replication factor it was started with, once that was settled by a ring. */
  | 'ring/started-with'
  | 'votes'
  /** On a ring that an operator forces. */
  | 'forced-votes'
  /** Where members lived that were given up by force. */
  | 'given-up'
  | 'clock-bound'
  /** How long the longest request lasts that it acknowledges. */
  | 'horizon'
  /** The clock bounds that the other members told. */
  | 'peer-bounds'
  /** Which generation of records is the current one. */
  | 'records'
  /** It is no member any more, which the next start acts upon: from which cluster. */
  | 'departed'
  /** The other generation holds records of a former life that are to be offered: in which cluster. */
  | 'aside'
  | Numbered;
type Numbered = `count/${number}` | `lossy/${number}`;

export function ownKey(name: OwnName): Buffer {
  return Buffer.from(`\0${name}`, 'latin1');
}

/** All keys whose name begins with `prefix`. */
export function ownRange(prefix: string): KeyRange {
  return {
    start: Buffer.from(`\0${prefix}`, 'latin1'),
    end: Buffer.from(`\0${prefix}\xff`, 'latin1'),
  };
}

/** All records of a generation. */
export function recordsOf(generation: Generation): KeyRange {
  return { start: Uint8Array.of(generation), end: Uint8Array.of(generation + 1) };
}

export function recordKey(generation: Generation, partition: Partition, key: Key): Uint8Array {
  const bytes = Buffer.allocUnsafe(3 + Buffer.byteLength(key, 'utf8'));
  bytes.writeUInt8(generation, 0);
  bytes.writeUInt16BE(partition, 1);
  bytes.write(key, 3, 'utf8');
  return bytes;
}

/** All records of one partition, or those behind the key `after`. */
export function partitionRange(
  generation: Generation,
  partition: Partition,
  after?: Key,
): KeyRange {
  const start = recordKey(generation, partition, '' as Key);
  const end = Uint8Array.of(generation, (partition + 1) >> 8, (partition + 1) & 0xff);
  return {
    start: after === undefined ? start : keyAfter(recordKey(generation, partition, after)),
    end: partition === LAST_PARTITION ? recordsOf(generation).end : end,
  };
}

/** Of which partition and key a record's place is; `undefined` for a place that no record was ever given. */
export function placeOf(
  place: Uint8Array,
): { readonly partition: Partition; readonly key: Key } | undefined {
  const bytes = Buffer.from(place.buffer, place.byteOffset, place.byteLength);
  if (bytes.length <= 3 || (bytes.readUInt8(0) !== 1 && bytes.readUInt8(0) !== 2)) return undefined;
  return { partition: bytes.readUInt16BE(1) as Partition, key: bytes.toString('utf8', 3) as Key };
}
