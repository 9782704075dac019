import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyAfter, MAX_KEY_BYTES, pathOf } from '../../src/http/key-path.ts';

const keys = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 300 })
  .filter((key) => Buffer.byteLength(key) <= MAX_KEY_BYTES);

function everyByteEncoded(key: string): string {
  return [...Buffer.from(key)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

describe('a key in a path', () => {
  test('is what was encoded, whichever characters were', () => {
    fc.assert(
      fc.property(keys, (key) => {
        expect(keyAfter('/kv/', `/kv/${encodeURIComponent(key)}`)).toBe(key);
        expect(keyAfter('/kv/', `/kv/${everyByteEncoded(key)}?timeout=5s`)).toBe(key);
      }),
    );
  });

  test.each([
    ['a/b', 'a/b'],
    ['/', '/'],
    ['//x', '//x'],
    ['a/', 'a/'],
    ['..', '..'],
    ['a/../b', 'a/../b'],
    ['.', '.'],
    ['%2e%2E', '..'],
    ['%00', '\0'],
    ['a%2Fb', 'a/b'],
    ['%252F', '%2F'],
    ['a+b', 'a+b'],
    ['a;b=c', 'a;b=c'],
    ['__proto__', '__proto__'],
    ['%F0%9F%A6%8A', '🦊'],
    ['%EF%BB%BFx', '\uFEFFx'],
    ['%3F%23', '?#'],
  ])('%s is taken as it is', (encoded, key) => {
    expect(keyAfter('/kv/', `/kv/${encoded}`)).toBe(key);
  });

  test.each([
    ['', 'empty'],
    ['%', 'no percent-encoding'],
    ['%2', 'no percent-encoding'],
    ['a%zz', 'no percent-encoding'],
    ['%ff', 'not UTF-8'],
    ['%C3', 'not UTF-8'],
    ['%C0%AF', 'not UTF-8'], // an overlong slash
    ['%E0%80%AF', 'not UTF-8'],
    ['%ED%A0%80', 'not UTF-8'], // a lone surrogate
    ['%F5%80%80%80', 'not UTF-8'], // beyond Unicode
    ['\xe9', 'not UTF-8'],
    ['a#b', 'a bare #'],
  ])('%j is refused', (encoded, reason) => {
    expect(() => keyAfter('/kv/', `/kv/${encoded}`)).toThrow(
      expect.objectContaining({ code: 'invalid_key', message: expect.stringContaining(reason) }),
    );
  });

  test('has up to 1024 bytes of UTF-8', () => {
    expect(keyAfter('/kv/', `/kv/${'x'.repeat(1024)}`)).toHaveLength(1024);
    expect(keyAfter('/kv/', `/kv/${'%C3%A9'.repeat(512)}`)).toHaveLength(512);
    for (const encoded of ['x'.repeat(1025), `x${'%C3%A9'.repeat(512)}`]) {
      expect(() => keyAfter('/kv/', `/kv/${encoded}`)).toThrow(/1025 bytes/);
    }
  });
});

describe('the path of a request target', () => {
  test.each([
    ['/a?b=c?d', '/a'],
    ['http://host:1/a/b?c', '/a/b'],
    ['https://host', ''],
    ['//host/a', '//host/a'],
  ])('%s has the path %j', (target, path) => {
    expect(pathOf(target)).toBe(path);
  });
});
