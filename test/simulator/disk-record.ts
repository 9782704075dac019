/**
 * Reads a disk without the product's help: a judge that borrowed the code that it judges would share
 * its mistakes. The layouts are those that `src/storage/keys.ts` and `src/version/record-codec.ts`
 * describe.
 */
import { hash64 } from '../../src/hash.ts';
import type { Change, Store } from '../../src/storage/store.ts';
import type { Version } from '../../src/version/version.ts';

/** A record as it lies on a disk, its checksum right and its key the one that it lies under. */
export interface DiskRecord {
  readonly key: string;
  readonly version: Version;
  /** Absent: a tombstone. */
  readonly value: string | undefined;
}

/** Where a node keeps which of the two generations of records is the current one. */
const CURRENT_AT = Buffer.from('\0records');
const PLACE_BYTES = 3;
const CHECKSUM_BYTES = 8;
const KEY_AT = 24;

/** The generation of records that counts; a node that never set any aside has its first one. */
export async function currentGeneration(disk: Store): Promise<number> {
  const kept = await disk.get(CURRENT_AT);
  return kept === undefined ? 1 : generationIn(kept);
}

/** The generation that a change of a disk makes the current one; `undefined` when it is about something else. */
export function generationMade(change: Change): number | undefined {
  if (change.type !== 'put' || !CURRENT_AT.equals(change.key)) return undefined;
  return generationIn(change.value);
}

function generationIn(kept: Uint8Array): number {
  const text = Buffer.from(kept.subarray(CHECKSUM_BYTES)).toString('utf8');
  return (JSON.parse(text) as { readonly current: number }).current;
}

/** The client's key that belongs at this place; `undefined` where no records lie. */
export function keyAt(place: Uint8Array): string | undefined {
  if (place[0] !== 1 && place[0] !== 2) return undefined;
  return Buffer.from(place.subarray(PLACE_BYTES)).toString('utf8');
}

/** The record that these bytes are, if they are sound and lie in the right place. */
export function diskRecord(place: Uint8Array, bytes: Uint8Array): DiskRecord | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = buffer.length - CHECKSUM_BYTES;
  if (end < KEY_AT || hash64(buffer.subarray(0, end)) !== buffer.readBigUInt64BE(end))
    return undefined;
  const contentAt = KEY_AT + buffer.readUInt16BE(KEY_AT - 2);
  const key = buffer.toString('utf8', KEY_AT, contentAt);
  if (key !== keyAt(place)) return undefined;
  const tombstone = (buffer.readUInt8(1) & 1) !== 0;
  return {
    key,
    version: versionIn(buffer),
    value: tombstone ? undefined : valueIn(buffer, contentAt, end),
  };
}

function versionIn(buffer: Buffer): Version {
  const hex = (start: number, end: number): string => buffer.toString('hex', start, end);
  return `${hex(2, 8)}-${hex(8, 10)}-${hex(10, 18)}-${hex(18, 22)}` as Version;
}

function valueIn(buffer: Buffer, contentAt: number, end: number): string {
  let at = contentAt;
  const skip8 = (): void => {
    at += 1 + buffer.readUInt8(at);
  };
  skip8();
  for (let pairs = buffer.readUInt8(at++); pairs > 0; pairs--) {
    skip8();
    at += 2 + buffer.readUInt16BE(at);
  }
  return buffer.toString('utf8', at, end);
}
