/**
 * Keyed hashes: all that this room takes from `node:crypto`. HMAC-SHA256 throughout; nothing between
 * nodes is encrypted, only authenticated.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

export type SecretKey = KeyObject;

/** Which end of a connection: the `initiator` opened it. */
export type Role = 'initiator' | 'responder';

export const TAG_BYTES = 16;

/** Without a secret (loopback only) the key is empty: the same steps, no protection. */
export function secretKeyOf(secret: string | Uint8Array | undefined): SecretKey {
  return createSecretKey(
    typeof secret === 'string' ? Buffer.from(secret) : (secret ?? Buffer.of()),
  );
}

/** The keyed hash of `label`, a purpose that is used nowhere else, and `content`. 32 bytes. */
export function keyedHash(key: SecretKey, label: string, content: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`${label}\0`).update(content).digest();
}

/** Compares in a time that does not tell where they differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * The tags of the frames that flow in one direction of one connection. A tag covers sender, place in
 * the sequence and payload, so a frame that is changed, left out, repeated, moved or sent back shows.
 * Tags must be asked for in the order of the frames.
 */
export class FrameTags {
  readonly #key: SecretKey;
  /** Sender (1 byte) and sequence (8 bytes). */
  readonly #prefix = Buffer.alloc(9);
  #sequence = 0;

  constructor(key: SecretKey, sender: Role) {
    this.#key = key;
    this.#prefix[0] = sender === 'initiator' ? 1 : 2;
  }

  /** The tag of the next frame. */
  next(payload: Uint8Array): Buffer {
    this.#prefix.writeUIntBE(this.#sequence, 3, 6);
    this.#sequence++;
    const hash = createHmac('sha256', this.#key).update(this.#prefix).update(payload).digest();
    return hash.subarray(0, TAG_BYTES);
  }
}
