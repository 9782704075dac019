import { StartupError } from '../errors.ts';
import { hash64 } from '../hash.ts';
import { type OwnName, ownKey, ownRange } from './keys.ts';
import type { Change, Store } from './store.ts';

/**
 * What a node keeps about itself (identity, ring, votes, clock bound): JSON behind a checksum, in the
 * store beside the records. Damaged means that this disk cannot be trusted any more; it is never read
 * as absent, because a node that forgot its votes or its bound would break promises it made.
 */

const CHECKSUM_BYTES = 8;
const MAX_PARTITIONS = 65_536;
/** Names below another one. */
const MAX_BELOW = 8;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The change that keeps `value` under `name`. */
export function keepOwn(name: OwnName, value: unknown): Change {
  return { type: 'put', key: ownKey(name), value: sealJson(value) };
}

/** The change after which nothing is kept under `name`. */
export function dropOwn(name: OwnName): Change {
  return { type: 'delete', key: ownKey(name) };
}

/** What is kept under `name`; `undefined` when nothing is. @throws StartupError when it is damaged. */
export async function readOwn(store: Store, name: OwnName): Promise<unknown> {
  const bytes = await store.get(ownKey(name));
  return bytes && soundJson(name, bytes);
}

/**
 * What is kept under `name` and under names below it (`<name>/...`), by name: what is written together
 * is read together. @throws StartupError when something of it is damaged
 */
export async function readOwnBelow(
  store: Store,
  name: 'ring',
): Promise<ReadonlyMap<OwnName, unknown>> {
  const entries = await store.scan(ownRange(name), MAX_BELOW);
  return new Map(
    entries.map(({ key, value }) => {
      const found = Buffer.from(key.subarray(1)).toString('latin1') as OwnName;
      return [found, soundJson(found, value)];
    }),
  );
}

function soundJson(name: OwnName, bytes: Uint8Array): unknown {
  const value = openJson(bytes);
  if (value !== undefined) return value;
  throw new StartupError(
    `this node's ${name} in its data directory is damaged, so the disk counts as lost; ` +
      'move the directory away and start with an empty one: the other replicas hold its data',
  );
}

/** The numbers n for which something is kept under `<prefix>n`. */
export async function ownNumbers(
  store: Store,
  prefix: 'count/' | 'lossy/',
): Promise<readonly number[]> {
  const entries = await store.scan(ownRange(prefix), MAX_PARTITIONS);
  const nameStart = 1 + prefix.length;
  return entries.map(({ key }) => Number(Buffer.from(key.subarray(nameStart)).toString('latin1')));
}

function sealJson(value: unknown): Uint8Array {
  const text = Buffer.from(JSON.stringify(value), 'utf8');
  const checksum = Buffer.allocUnsafe(CHECKSUM_BYTES);
  checksum.writeBigUInt64BE(hash64(text));
  return Buffer.concat([checksum, text]);
}

function openJson(bytes: Uint8Array): unknown {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < CHECKSUM_BYTES) return undefined;
  const text = buffer.subarray(CHECKSUM_BYTES);
  if (hash64(text) !== buffer.readBigUInt64BE(0)) return undefined;
  return JSON.parse(utf8.decode(text));
}
