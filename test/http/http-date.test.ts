import fc from 'fast-check';
import { expect, test } from 'vitest';
import { httpDate } from '../../src/http/http-date.ts';

test('a moment is written as HTTP dates are', () => {
  expect(httpDate(784_111_777_000)).toBe('Sun, 06 Nov 1994 08:49:37 GMT');
  expect(httpDate(0)).toBe('Thu, 01 Jan 1970 00:00:00 GMT');
});

test('every moment up to the year 9999 is the one that the platform would write', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (milliseconds) => {
      expect(httpDate(milliseconds)).toBe(new Date(milliseconds).toUTCString());
    }),
    { numRuns: 5_000 },
  );
});

test('every day from 1970 to 2200 is', () => {
  for (let day = 0; day < 84_000; day++) {
    const milliseconds = day * 86_400_000 + 86_399_999;
    if (httpDate(milliseconds) !== new Date(milliseconds).toUTCString()) {
      expect.fail(`${day} days: ${httpDate(milliseconds)}`);
    }
  }
});

test('what lies beyond is the last moment of the year 9999', () => {
  expect(httpDate(2 ** 48 - 1)).toBe('Fri, 31 Dec 9999 23:59:59 GMT');
});
