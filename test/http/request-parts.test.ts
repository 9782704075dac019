/** The parsers of single parts of a request. */
import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { contentTypeIn, metadataIn, refuseEncodedBody } from '../../src/http/content.ts';
import { isListed } from '../../src/http/etag.ts';
import { consistencyIn, flagIn, queryOf, timeoutIn } from '../../src/http/query.ts';
import { quoted } from '../../src/http/quoted.ts';
import { RequestIds } from '../../src/http/request-id.ts';
import { systemRandom } from '../../src/runtime/system-random.ts';

const PARAMETERS = { known: ['consistency', 'timeout', 'verbose'], notBuilt: ['ttl'] };
const refusal = (code: string, text: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

describe('a query', () => {
  test('gives parameters by name, decoded', () => {
    const query = queryOf('/x?consistency=%6fne&&timeout=5s', PARAMETERS);
    expect([...query]).toEqual([
      ['consistency', 'one'],
      ['timeout', '5s'],
    ]);
    expect(queryOf('/x', PARAMETERS).size).toBe(0);
    expect(queryOf('/x?', PARAMETERS).size).toBe(0);
  });

  test.each([
    ['consistancy=one', 'invalid_parameter', 'known here: consistency, timeout, verbose'],
    ['Timeout=5s', 'invalid_parameter', '"Timeout"'],
    ['__proto__=1', 'invalid_parameter', '"__proto__"'],
    ['timeout=5s&timeout=5s', 'invalid_parameter', 'twice'],
    ['timeout=%zz', 'invalid_parameter', 'percent-encoded'],
    ['ttl=5s', 'not_implemented', 'ttl='],
  ])('?%s is refused', (text, code, detail) => {
    expect(() => queryOf(`/x?${text}`, PARAMETERS)).toThrow(refusal(code, detail) as Error);
  });

  test.each(['quorum ', 'ONE', '', '2'])('consistency=%j is refused', (level) => {
    const query = new Map([['consistency', level]]);
    expect(() => consistencyIn(query, 'quorum')).toThrow(/use one, quorum, all/);
  });

  test.each([
    ['1ms', 1],
    ['250ms', 250],
    ['1.5s', 1_500],
    ['10m', 600_000],
  ])('timeout=%s is %i milliseconds', (text, milliseconds) => {
    expect(timeoutIn(new Map([['timeout', text]]), 7)).toBe(milliseconds);
    expect(timeoutIn(new Map(), 7)).toBe(7);
  });

  test.each(['', '5', '0ms', '0.4ms', '11m', '1h', '-1s', 'NaN', '1e3s', 'Infinitys'])(
    'timeout=%j is refused',
    (text) => {
      expect(() => timeoutIn(new Map([['timeout', text]]), 7)).toThrow(/from 1ms to 10m/);
    },
  );

  test('a flag needs no value', () => {
    const flag = (text: string): boolean => flagIn(queryOf(`/x?${text}`, PARAMETERS), 'verbose');
    expect([flag('verbose'), flag('verbose='), flag('verbose=true')]).toEqual([true, true, true]);
    expect([flag(''), flag('verbose=false')]).toEqual([false, false]);
    expect(() => flag('verbose=2')).toThrow(/verbose=true/);
  });
});

describe('a content type', () => {
  test.each([
    [undefined, 'application/octet-stream'],
    ['text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
    ['application/x-www-form-urlencoded', 'text/plain'],
    ['application/x-www-form-urlencoded; charset=utf-8', 'text/plain'],
    ['application/x-www-form-urlencoded2', 'application/x-www-form-urlencoded2'],
    ['a/b; x="é"'.replace('é', 'e'), 'a/b; x="e"'],
  ])('%j is stored as %j', (sent, stored) => {
    expect(contentTypeIn(sent === undefined ? {} : { 'content-type': sent })).toBe(stored);
  });

  test.each(['', 'text', 'text/', '/plain', 'a b/c', 'text/plain, b', `a/${'b'.repeat(254)}`])(
    '%j is refused',
    (sent) => {
      expect(() => contentTypeIn({ 'content-type': sent })).toThrow(/media type/);
    },
  );

  test.each(['gzip', 'br', 'identity, gzip', 'deflate'])(
    'Content-Encoding %s is refused',
    (coding) => {
      expect(() => refuseEncodedBody({ 'content-encoding': coding })).toThrow(/application\/gzip/);
      expect(() => refuseEncodedBody({ 'content-encoding': 'Identity' })).not.toThrow();
    },
  );
});

describe('metadata', () => {
  test('is the headers that start with Quorate-Meta-', () => {
    const headers = {
      'quorate-meta-a': '1',
      'quorate-meta-__proto__': '2',
      'x-quorate-meta-b': '3',
    };
    expect([...metadataIn(headers)]).toEqual([
      ['a', '1'],
      ['__proto__', '2'],
    ]);
  });

  test('has 32 pairs and 2 KiB at most', () => {
    const pairs = (count: number, value: string): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`quorate-meta-${i}`, value]));
    expect(metadataIn(pairs(32, '')).size).toBe(32);
    expect(() => metadataIn(pairs(33, ''))).toThrow(/at most 32/);
    expect(metadataIn(pairs(1, 'x'.repeat(2047))).size).toBe(1);
    expect(() => metadataIn(pairs(1, 'x'.repeat(2048)))).toThrow(/2049 bytes/);
    expect(() => metadataIn({ 'quorate-meta-': 'x' })).toThrow(/needs a name/);
  });
});

describe('If-None-Match', () => {
  test.each([
    ['"v1"', true],
    ['W/"v1"', true],
    ['"v0", "v1"', true],
    ['*', true],
    ['"v2"', false],
    ['v1', false],
    ['', false],
  ])('%j lists "v1": %j', (header, listed) => {
    expect(isListed('"v1"', header)).toBe(listed);
  });
});

describe('a request id', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
  const ids = new RequestIds(systemRandom);
  const idOf = (headers: Record<string, string>): string => ids.of({ headers } as IncomingMessage);

  test('is the one that the client sent', () => {
    expect(idOf({ 'x-request-id': 'job-7/a.b:c@d=e+f_g' })).toBe('job-7/a.b:c@d=e+f_g');
    expect(idOf({ traceparent: `00-${TRACE}-00f067aa0ba902b7-01` })).toBe(TRACE);
    expect(idOf({ 'x-request-id': 'mine', traceparent: `00-${TRACE}-00f067aa0ba902b7-01` })).toBe(
      'mine',
    );
  });

  test.each([
    { 'x-request-id': '' },
    { 'x-request-id': 'x'.repeat(129) },
    { 'x-request-id': 'a b' },
    { 'x-request-id': 'a"b' },
    { 'x-request-id': '<script>' },
    { 'x-request-id': 'é' },
    { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
    { traceparent: `00-${TRACE}-${'0'.repeat(16)}-01` },
    { traceparent: `ff-${TRACE}-00f067aa0ba902b7-01` },
    { traceparent: TRACE },
    {},
  ])('is drawn anew for %j', (headers) => {
    const drawn = [idOf(headers), idOf(headers)];
    expect(drawn[0]).toMatch(/^[0-9a-f]{16}-[0-9a-z]+$/);
    expect(drawn[0]).not.toBe(drawn[1]);
  });
});

test('what is repeated in an error is escaped and short', () => {
  expect(quoted('a\r\nb"')).toBe(String.raw`"a\r\nb\""`);
  expect(quoted('x'.repeat(65))).toBe(`"${'x'.repeat(64)}..."`);
});
