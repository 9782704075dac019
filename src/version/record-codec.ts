/**
 * Records as bytes, the same on disk and between nodes:
 *
 *     format 1 | flags 1 | version 20 | expiry 6 (if flagged)
 *     | key length 2, key | content type length 1, content type
 *     | metadata count 1, (name length 1, name, value length 2, value)... | value | checksum 8
 *
 * Numbers are big-endian. The checksum (xxHash64) covers every byte before it, the key included, so a
 * record found under another key is damaged too. It is verified on every read: LMDB keeps none of
 * its own. A tombstone has neither content type, metadata nor value. The format byte leaves room for
 * other mergeable kinds; the expiry is not written yet.
 */
import { hash64 } from '../hash.ts';
import type { Incarnation, Key, NodeId } from '../ids.ts';
import { invariant } from '../invariant.ts';
import type { Content, Record } from './record.ts';
import { formatVersion, parseVersion, type Version } from './version.ts';

/** A record in its encoded form, its checksum known to be right. */
export interface SealedRecord {
  readonly key: Key;
  readonly version: Version;
  readonly tombstone: boolean;
  readonly bytes: Uint8Array;
}

const FORMAT = 1;
const FLAG_TOMBSTONE = 1;
const VERSION_BYTES = 20;
const CHECKSUM_BYTES = 8;
const HEADER_BYTES = 2 + VERSION_BYTES;
/** Format, flags, version, an empty key and the checksum. */
const SHORTEST = HEADER_BYTES + 2 + CHECKSUM_BYTES;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function sealRecord(record: Record): SealedRecord {
  const { key, version, content } = record;
  const head = encodeHead(record);
  const value = content.type === 'value' ? content.value : new Uint8Array(0);
  const bytes = Buffer.allocUnsafeSlow(head.length + value.length + CHECKSUM_BYTES);
  bytes.set(head, 0);
  bytes.set(value, head.length);
  const end = bytes.length - CHECKSUM_BYTES;
  bytes.writeBigUInt64BE(hash64(bytes.subarray(0, end)), end);
  return { key, version, tombstone: content.type === 'tombstone', bytes };
}

/** Reads what merging and comparing need. `undefined` when the bytes are damaged. */
export function openSealed(bytes: Uint8Array): SealedRecord | undefined {
  const buffer = asBuffer(bytes);
  if (!isSound(buffer)) return undefined;
  const keyBytes = buffer.readUInt16BE(HEADER_BYTES);
  const keyStart = HEADER_BYTES + 2;
  if (keyStart + keyBytes > buffer.length - CHECKSUM_BYTES) return undefined;
  const key = buffer.toString('utf8', keyStart, keyStart + keyBytes) as Key;
  return new OpenedRecord(key, (buffer.readUInt8(1) & FLAG_TOMBSTONE) !== 0, bytes);
}

/** Its version is put into text when somebody asks for it: a walk through a partition does not. */
class OpenedRecord implements SealedRecord {
  readonly key: Key;
  readonly tombstone: boolean;
  readonly bytes: Uint8Array;
  #version: Version | undefined;

  constructor(key: Key, tombstone: boolean, bytes: Uint8Array) {
    this.key = key;
    this.tombstone = tombstone;
    this.bytes = bytes;
  }

  get version(): Version {
    this.#version ??= readVersion(asBuffer(this.bytes), 2);
    return this.#version;
  }
}

/** All of a sealed record. `undefined` when its inside does not add up. */
export function decodeRecord(sealed: SealedRecord): Record | undefined {
  const { key, version } = sealed;
  if (sealed.tombstone) return { key, version, content: { type: 'tombstone' } };
  const buffer = asBuffer(sealed.bytes);
  try {
    return { key, version, content: decodeContent(buffer) };
  } catch {
    return undefined; // a length that points past the end, or text that is not UTF-8
  }
}

/** The checksum that a sealed record carries: tells apart records of equal version. */
export function checksumOf(sealed: SealedRecord): bigint {
  const buffer = asBuffer(sealed.bytes);
  return buffer.readBigUInt64BE(buffer.length - CHECKSUM_BYTES);
}

function isSound(buffer: Buffer): boolean {
  if (buffer.length < SHORTEST || buffer.readUInt8(0) !== FORMAT) return false;
  const end = buffer.length - CHECKSUM_BYTES;
  return hash64(buffer.subarray(0, end)) === buffer.readBigUInt64BE(end);
}

function encodeHead({ key, version, content }: Record): Buffer {
  const keyBytes = Buffer.from(key, 'utf8');
  invariant(keyBytes.length <= 0xffff, 'a key whose length fits 16 bits');
  const start = Buffer.allocUnsafe(HEADER_BYTES + 2);
  start.writeUInt8(FORMAT, 0);
  start.writeUInt8(content.type === 'tombstone' ? FLAG_TOMBSTONE : 0, 1);
  writeVersion(start, 2, version);
  start.writeUInt16BE(keyBytes.length, HEADER_BYTES);
  if (content.type === 'tombstone') return Buffer.concat([start, keyBytes]);
  return Buffer.concat([start, keyBytes, encodeDescription(content)]);
}

function encodeDescription(content: Extract<Content, { type: 'value' }>): Buffer {
  const parts = [short8(content.contentType), Buffer.from([content.metadata.size])];
  invariant(content.metadata.size <= 0xff, 'a count of metadata that fits 8 bits');
  for (const [name, value] of content.metadata) parts.push(short8(name), short16(value));
  return Buffer.concat(parts);
}

function decodeContent(buffer: Buffer): Content {
  const end = buffer.length - CHECKSUM_BYTES;
  let at = HEADER_BYTES + 2 + buffer.readUInt16BE(HEADER_BYTES);
  const text = (length: number): string => {
    const start = at;
    at += length;
    if (at > end) throw new RangeError('a length past the end of the record');
    return utf8.decode(buffer.subarray(start, at));
  };
  const uint8 = (): number => buffer.readUInt8(at++);
  const uint16 = (): number => {
    at += 2;
    return buffer.readUInt16BE(at - 2);
  };

  const contentType = text(uint8());
  const metadata = new Map<string, string>();
  for (let left = uint8(); left > 0; left--) metadata.set(text(uint8()), text(uint16()));
  if (at > end) throw new RangeError('a length past the end of the record');
  return { type: 'value', value: buffer.subarray(at, end), contentType, metadata };
}

function short8(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  invariant(bytes.length <= 0xff, 'text whose length fits 8 bits');
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function short16(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  invariant(bytes.length <= 0xffff, 'text whose length fits 16 bits');
  const length = Buffer.allocUnsafe(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function writeVersion(buffer: Buffer, at: number, version: Version): void {
  const { physical, logical, node, incarnation } = parseVersion(version);
  buffer.writeUIntBE(physical, at, 6);
  buffer.writeUInt16BE(logical, at + 6);
  buffer.write(node, at + 8, 8, 'hex');
  buffer.writeUInt32BE(incarnation, at + 16);
}

function readVersion(buffer: Buffer, at: number): Version {
  return formatVersion({
    physical: buffer.readUIntBE(at, 6),
    logical: buffer.readUInt16BE(at + 6),
    node: buffer.toString('hex', at + 8, at + 16) as NodeId,
    incarnation: buffer.readUInt32BE(at + 16) as Incarnation,
  });
}

/** The same memory, with Buffer's readers. */
function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
