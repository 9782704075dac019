/**
 * What every adapter checks before it touches anything, so that a broken argument of ours ends the
 * call and not half a batch.
 */
import { invariant } from '../invariant.ts';
import { type Change, type KeyRange, MAX_STORE_KEY_BYTES } from './store.ts';

/** Keys that begin with this byte belong to the adapter (who owns the store). Users' begin with 0x00 to 0x02. */
export const RESERVED_FIRST_BYTE = 0xff;

/** The end of all keys that users may have. */
const USERS_END = Uint8Array.of(RESERVED_FIRST_BYTE);

export function requireKey(key: Uint8Array): void {
  invariant(key.length > 0, 'a store key of at least one byte');
  invariant(
    key.length <= MAX_STORE_KEY_BYTES,
    `a store key of at most ${MAX_STORE_KEY_BYTES} bytes`,
  );
  invariant(key[0] !== RESERVED_FIRST_BYTE, 'a store key outside of those kept for the adapter');
}

export function requireKeys(changes: readonly Change[]): void {
  for (const { key } of changes) requireKey(key);
}

/** `range` without the adapter's own keys; `undefined` when no key can be in it. */
export function usersPart({ start, end }: KeyRange): KeyRange | undefined {
  const last = Buffer.compare(end, USERS_END) > 0 ? USERS_END : end;
  return Buffer.compare(start, last) < 0 ? { start, end: last } : undefined;
}

/** The smallest key above `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
