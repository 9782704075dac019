/** What a client says of its value in headers: its type, and pairs of its own. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Value } from '../coordinator/operations.ts';
import { ClientError } from '../errors.ts';
import { quoted } from './quoted.ts';

const META = 'quorate-meta-';
const MAX_META_PAIRS = 32;
/** Names without their prefix and values, together. */
const MAX_META_BYTES = 2048;

const MAX_TYPE_BYTES = 255;
/** `type/subtype` and whatever parameters follow (RFC 9110, 8.3.1), in visible ASCII. */
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[\t ]*(;[\t -~]*)?$/;
const FORM = /^application\/x-www-form-urlencoded[\t ]*(;|$)/i;

const NO_METADATA: Value['metadata'] = new Map();

/**
 * The type a value is stored and given back with. What `curl -d` sends is not a form here, so it is
 * stored as text. @throws ClientError
 */
export function contentTypeIn(headers: IncomingHttpHeaders): string {
  const type = headers['content-type'];
  if (type === undefined) return 'application/octet-stream';
  if (type.length > MAX_TYPE_BYTES || !MEDIA_TYPE.test(type)) {
    throw new ClientError(
      'invalid_parameter',
      `Content-Type ${quoted(type)} is no media type of at most ${MAX_TYPE_BYTES} bytes;` +
        ' write for example text/plain or application/octet-stream',
    );
  }
  return FORM.test(type) ? 'text/plain' : type;
}

/** The `Quorate-Meta-*` pairs. @throws ClientError */
export function metadataIn(headers: IncomingHttpHeaders): Value['metadata'] {
  let metadata: Map<string, string> | undefined;
  let bytes = 0;
  for (const header in headers) {
    if (!header.startsWith(META)) continue;
    const name = header.slice(META.length);
    if (name === '') {
      throw new ClientError('invalid_parameter', 'Quorate-Meta- needs a name after it');
    }
    // Header values are one byte per character. A pair that is sent twice arrives joined by a comma.
    const value = String(headers[header]);
    bytes += name.length + value.length;
    metadata ??= new Map();
    metadata.set(name, value);
  }
  if (metadata === undefined) return NO_METADATA;
  if (metadata.size > MAX_META_PAIRS || bytes > MAX_META_BYTES) {
    throw new ClientError(
      'invalid_parameter',
      `${metadata.size} Quorate-Meta- headers with ${bytes} bytes are too much; at most` +
        ` ${MAX_META_PAIRS} with ${MAX_META_BYTES} bytes are stored: put the rest into the value`,
    );
  }
  return metadata;
}

export function metaHeader(name: string): string {
  return META + name;
}

/**
 * Bodies are never inflated, which would let a few bytes become gigabytes; and stored as they came,
 * an encoded one would be given back without saying so. @throws ClientError
 */
export function refuseEncodedBody(headers: IncomingHttpHeaders): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw new ClientError(
      'unsupported_encoding',
      `Content-Encoding ${quoted(encoding)} is not taken; send the plain value, or store the` +
        ' encoded bytes under a Content-Type that says what they are, such as application/gzip',
    );
  }
  if (headers['content-range'] !== undefined) {
    throw new ClientError(
      'invalid_parameter',
      'Content-Range is not taken: values are stored whole; send all of it without that header',
    );
  }
}
