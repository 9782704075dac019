/**
 * The key in a request's path. It is read from the path as it came over the wire: the router decodes
 * what it matches, and a key may hold anything, also `/`, `..`, `%00` and `%2F`.
 */
import { ClientError } from '../errors.ts';
import type { Key } from '../ids.ts';
import { quoted } from './quoted.ts';

export const MAX_KEY_BYTES = 1024;

/** Characters that stand for themselves in a request's path; `#` would start a fragment. */
const PLAIN = /^[!"$&-~]*$/;
const ABSOLUTE_FORM = /^https?:\/\/[^/?#]*/i;
const NOT_ENCODED = /%(?![0-9A-Fa-f]{2})/;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The key after `prefix` (`/kv/`) in `url`, which is the request target, query and all.
 * @throws ClientError
 */
export function keyAfter(prefix: string, url: string): Key {
  const path = pathOf(url);
  if (!path.startsWith(prefix)) {
    throw new ClientError('unknown_route', `write ${prefix} as it is, without percent-encoding`);
  }
  const encoded = path.slice(prefix.length);
  const key = PLAIN.test(encoded) ? encoded : decode(encoded);
  const bytes = Buffer.byteLength(key);
  if (bytes === 0) {
    throw new ClientError('invalid_key', `the key is empty; write it after ${prefix}`);
  }
  if (bytes > MAX_KEY_BYTES) {
    throw new ClientError(
      'invalid_key',
      `the key has ${bytes} bytes; a key has at most ${MAX_KEY_BYTES} bytes of UTF-8`,
    );
  }
  return key as Key;
}

/** The path of a request target, up to its query; of the absolute form (RFC 9112, 3.2.2) too. */
export function pathOf(url: string): string {
  const target = url.startsWith('/') ? url : url.replace(ABSOLUTE_FORM, '');
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

function decode(encoded: string): string {
  if (encoded.includes('#')) {
    throw new ClientError('invalid_key', 'the key holds a bare #; write it as %23');
  }
  const flaw = NOT_ENCODED.exec(encoded);
  if (flaw !== null) {
    const shown = quoted(encoded.slice(flaw.index, flaw.index + 3));
    throw new ClientError(
      'invalid_key',
      `${shown} in the key is no percent-encoding; write a percent sign as %25`,
    );
  }
  const key = textOf(bytesOf(encoded));
  if (key !== undefined) return key;
  throw new ClientError(
    'invalid_key',
    'the key is not UTF-8 once its percent-encoding is undone; percent-encode the bytes of UTF-8',
  );
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Every character is ASCII and every `%` is followed by two hex digits, or the bytes are not UTF-8. */
function bytesOf(encoded: string): Uint8Array {
  const bytes = new Uint8Array(encoded.length);
  let length = 0;
  for (let at = 0; at < encoded.length; at++) {
    const character = encoded.charCodeAt(at);
    if (character > 0x7e)
      bytes[length++] = 0xff; // never part of UTF-8
    else if (character !== 0x25) bytes[length++] = character;
    else {
      bytes[length++] = Number.parseInt(encoded.slice(at + 1, at + 3), 16);
      at += 2;
    }
  }
  return bytes.subarray(0, length);
}
