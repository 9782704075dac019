/**
 * Rings as bytes, the same on disk and between nodes:
 *
 *     format 1 | epoch 6 | lineage 8 | cluster id 16 | hash seed 8 | replication factor 1
 *     | last survivor 1 | joint 1 | log2 of the partition count 1 | grace period 4, milliseconds
 *     | bound of versions 6, milliseconds | cluster name (length 1, text)
 *     | former lineage count 1, (lineage 8)... | given-up count 2, (address: length 1, text)...
 *     | sent-away count 1, (id 8)...
 *     | member count 2, (id 8, weight 2, standing 1, name, address, zone: each length 1, text)...
 *     | for each partition: replica count 1, (place in the list of members 2)...
 *     | if joint: the same for the next assignment, recovering count 2, (partition 2)... | checksum 8
 *
 * Numbers are big-endian. There is one way to write a ring, so the same ring has the same bytes on
 * every node; what is written in any other way is not read. The checksum (xxHash64) covers every byte
 * before it. A ring may come from a peer or from a damaged disk: nothing in it is believed unchecked.
 */
import { hash64 } from '../hash.ts';
import type { Address, ClusterId, Epoch, Lineage, NodeId, Partition } from '../ids.ts';
import { invariant } from '../invariant.ts';
import { LEAVING, type Member } from './member.ts';
import type { Assignment } from './replica-set.ts';
import { Ring } from './ring.ts';
import {
  flawOf,
  type LastSurvivorRule,
  MAX_FORMERS,
  MAX_GIVEN_UP,
  MAX_MEMBERS,
  MAX_SENT_AWAY,
  type RingParts,
} from './ring-parts.ts';

const FORMAT = 5;
const CHECKSUM_BYTES = 8;
const FIXED_BYTES = 53;
/** In the standing of a member, beside how it leaves. */
const JOINING = 128;
const MAX_LOG2_PARTITIONS = 16;
const LAST_SURVIVOR: readonly LastSurvivorRule[] = ['use', 'wait', 'announced'];

export function encodeRing(ring: Ring): Uint8Array {
  const places = new Map(ring.members.map(({ id }, place) => [id, place]));
  const parts = [
    encodeFixed(ring),
    text8(ring.clusterName),
    encodeIds(ring.formers),
    uint16(ring.givenUp.length),
    ...ring.givenUp.map(text8),
    encodeIds(ring.sentAway),
    uint16(ring.members.length),
    ...ring.members.map(encodeMember),
    encodeAssignment(ring.assignment, places),
  ];
  if (ring.next !== undefined) {
    parts.push(encodeAssignment(ring.next, places));
    parts.push(uint16(ring.recovering.length), ...ring.recovering.map(uint16));
  }
  const bytes = Buffer.concat([...parts, Buffer.alloc(CHECKSUM_BYTES)]);
  const end = bytes.length - CHECKSUM_BYTES;
  bytes.writeBigUInt64BE(hash64(bytes.subarray(0, end)), end);
  return bytes;
}

/** `undefined` when the bytes are damaged, of another format, or no sound ring. */
export function decodeRing(bytes: Uint8Array): Ring | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isSound(buffer)) return undefined;
  const parts = readParts(new Reader(buffer.subarray(0, buffer.length - CHECKSUM_BYTES)));
  if (parts === undefined || flawOf(parts) !== undefined) return undefined;
  return new Ring(parts);
}

function encodeFixed(ring: Ring): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.writeUInt8(FORMAT, 0);
  fixed.writeUIntBE(ring.epoch, 1, 6);
  fixed.write(ring.lineage, 7, 8, 'hex');
  fixed.write(ring.clusterId, 15, 16, 'hex');
  fixed.writeBigUInt64BE(ring.hashSeed, 31);
  fixed.writeUInt8(ring.replicationFactor, 39);
  fixed.writeUInt8(LAST_SURVIVOR.indexOf(ring.lastSurvivor), 40);
  fixed.writeUInt8(ring.next === undefined ? 0 : 1, 41);
  fixed.writeUInt8(31 - Math.clz32(ring.partitionCount), 42);
  fixed.writeUInt32BE(ring.graceMs, 43);
  fixed.writeUIntBE(ring.versionsAboveMs, 47, 6);
  return fixed;
}

/** At most 255 of 8 bytes each. */
function encodeIds(ids: readonly (Lineage | NodeId)[]): Buffer {
  return Buffer.concat([Buffer.from([ids.length]), Buffer.from(ids.join(''), 'hex')]);
}

function encodeMember({ id, weight, joining, leaving, name, address, zone }: Member): Buffer {
  const idBytes = Buffer.from(id, 'hex');
  const standing = Buffer.from([LEAVING.indexOf(leaving) + (joining ? JOINING : 0)]);
  const texts = [text8(name), text8(address), text8(zone)];
  return Buffer.concat([idBytes, uint16(weight), standing, ...texts]);
}

function encodeAssignment(assignment: Assignment, places: ReadonlyMap<NodeId, number>): Buffer {
  const bytes = Buffer.alloc(assignment.reduce((sum, { length }) => sum + 1 + 2 * length, 0));
  let at = 0;
  for (const replicas of assignment) {
    at = bytes.writeUInt8(replicas.length, at);
    for (const id of replicas) {
      const place = places.get(id);
      invariant(place !== undefined, 'a replica that is a member');
      at = bytes.writeUInt16BE(place, at);
    }
  }
  return bytes;
}

function isSound(buffer: Buffer): boolean {
  if (buffer.length < FIXED_BYTES + CHECKSUM_BYTES || buffer.readUInt8(0) !== FORMAT) return false;
  const end = buffer.length - CHECKSUM_BYTES;
  return hash64(buffer.subarray(0, end)) === buffer.readBigUInt64BE(end);
}

/** The parts as written, not yet known to make a ring; `undefined` when they are not written so. */
function readParts(reader: Reader): RingParts | undefined {
  reader.uint(1); // the format
  const epoch = reader.uint(6) as Epoch;
  const lineage = reader.hex(8) as Lineage;
  const clusterId = reader.hex(16) as ClusterId;
  const hashSeed = reader.uint64();
  const replicationFactor = reader.uint(1);
  const lastSurvivor = LAST_SURVIVOR[reader.uint(1)];
  const joint = reader.uint(1);
  const log2Partitions = reader.uint(1);
  const graceMs = reader.uint(4);
  const versionsAboveMs = reader.uint(6);
  const clusterName = reader.text();
  if (lastSurvivor === undefined || joint > 1 || log2Partitions > MAX_LOG2_PARTITIONS)
    return undefined;

  const formers = readIds<Lineage>(reader, MAX_FORMERS);
  const givenUp = readGivenUp(reader);
  const sentAway = readIds<NodeId>(reader, MAX_SENT_AWAY);
  const partitionCount = 2 ** log2Partitions;
  const members = readMembers(reader);
  const assignment = readAssignment(reader, partitionCount, members);
  const next = joint === 1 ? readAssignment(reader, partitionCount, members) : undefined;
  const recovering = joint === 1 ? readPartitions(reader) : [];
  if (!reader.isAtEnd) return undefined;
  return {
    ...{
      epoch,
      lineage,
      formers,
      givenUp,
      sentAway,
      versionsAboveMs,
      clusterId,
      clusterName,
      hashSeed,
      replicationFactor,
    },
    ...{ lastSurvivor, graceMs, partitionCount, members, assignment, next, recovering },
  };
}

function readIds<Id extends Lineage | NodeId>(reader: Reader, atMost: number): readonly Id[] {
  const ids: Id[] = [];
  for (let left = Math.min(reader.uint(1), atMost); left > 0; left--) ids.push(reader.hex(8) as Id);
  return ids;
}

function readGivenUp(reader: Reader): readonly Address[] {
  const addresses: Address[] = [];
  for (let left = Math.min(reader.uint(2), MAX_GIVEN_UP); left > 0 && !reader.isPastEnd; left--)
    addresses.push(reader.text() as Address);
  return addresses;
}

function readMembers(reader: Reader): readonly Member[] {
  const members: Member[] = [];
  for (let left = Math.min(reader.uint(2), MAX_MEMBERS); left > 0 && !reader.isPastEnd; left--) {
    const id = reader.hex(8) as NodeId;
    const weight = reader.uint(2);
    const standing = reader.uint(1);
    const joining = standing >= JOINING;
    const leaving = LEAVING[standing % JOINING] ?? ('' as never); // none: found by `flawOf`
    const name = reader.text();
    const address = reader.text() as Address;
    members.push({ id, name, address, zone: reader.text(), weight, joining, leaving });
  }
  return members;
}

function readAssignment(
  reader: Reader,
  partitions: number,
  members: readonly Member[],
): Assignment {
  const assignment: NodeId[][] = [];
  while (assignment.length < partitions && !reader.isPastEnd) {
    const replicas: NodeId[] = [];
    for (let left = reader.uint(1); left > 0 && !reader.isPastEnd; left--) {
      replicas.push(members[reader.uint(2)]?.id ?? ('' as NodeId)); // no member: found by `flawOf`
    }
    assignment.push(replicas);
  }
  return assignment;
}

function readPartitions(reader: Reader): readonly Partition[] {
  const partitions: Partition[] = [];
  for (let left = reader.uint(2); left > 0 && !reader.isPastEnd; left--) {
    partitions.push(reader.uint(2) as Partition);
  }
  return partitions;
}

/** Reads on and on; past the end it yields zeros and says so. */
class Reader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** Exactly everything was read. */
  get isAtEnd(): boolean {
    return this.#at === this.#buffer.length;
  }

  get isPastEnd(): boolean {
    return this.#at > this.#buffer.length;
  }

  uint(byteCount: number): number {
    const at = this.#skip(byteCount);
    return this.isPastEnd ? 0 : this.#buffer.readUIntBE(at, byteCount);
  }

  uint64(): bigint {
    const at = this.#skip(8);
    return this.isPastEnd ? 0n : this.#buffer.readBigUInt64BE(at);
  }

  hex(byteCount: number): string {
    const at = this.#skip(byteCount);
    return this.#buffer.toString('hex', at, this.#at);
  }

  text(): string {
    const length = this.uint(1);
    const at = this.#skip(length);
    return this.#buffer.toString('latin1', at, this.#at);
  }

  #skip(byteCount: number): number {
    const at = this.#at;
    this.#at += byteCount;
    return at;
  }
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

/** Text of the ring is printable ASCII (`flawOf`), at most 255 bytes. */
function text8(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
}
