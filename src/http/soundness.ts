import type { IncomingMessage } from 'node:http';
import { ClientError } from '../errors.ts';
import { quoted } from './quoted.ts';

/**
 * What HTTP forbids and Node's parser lets pass (RFC 9112, 3.2 and 6.1; RFC 9110, 10.1.1). Where two
 * programs read one request differently, a second one can be hidden in it.
 */
export function flawOf({
  headers,
  httpVersion,
  rawHeaders,
}: IncomingMessage): ClientError | undefined {
  if (headers.host === undefined && httpVersion !== '1.0')
    return flaw('the Host header is missing');
  if (countOf('host', rawHeaders) > 1) return flaw('the Host header is sent twice');
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0')) {
    return flaw(`Transfer-Encoding ${quoted(coding)} is not taken; send chunked, by HTTP/1.1`);
  }
  const expected = headers.expect;
  if (expected !== undefined && expected.toLowerCase() !== '100-continue') {
    return flaw(`Expect ${quoted(expected)} cannot be met; leave it out`);
  }
  return undefined;
}

function flaw(detail: string): ClientError {
  return new ClientError('invalid_parameter', detail);
}

/** `rawHeaders` holds names and values in turn. */
function countOf(name: string, rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const other = rawHeaders[at];
    if (other?.length === name.length && other.toLowerCase() === name) count++;
  }
  return count;
}
