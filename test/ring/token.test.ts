import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Key } from '../../src/ids.ts';
import { partitionOf, tokenOf } from '../../src/ring/token.ts';

const TOKENS = 2n ** 64n;
const token = () => fc.bigInt({ min: 0n, max: TOKENS - 1n });
const powerOfTwo = () => fc.integer({ min: 0, max: 16 }).map((exponent) => 2 ** exponent);

describe('a token', () => {
  test('is the xxHash64 of the key (vector of the reference implementation)', () => {
    expect(tokenOf('' as Key, 0n)).toBe(0xef46db3751d8e999n);
    expect(tokenOf('a' as Key, 0n)).toBe(0xd24ec4f1a98c6e5bn);
  });

  test("is that of the key's UTF-8 bytes, and another under another hash seed", () => {
    expect(tokenOf('é' as Key, 1n)).not.toBe(tokenOf('e\u0301' as Key, 1n));
    expect(tokenOf('key' as Key, 1n)).not.toBe(tokenOf('key' as Key, 2n));
  });

  test('keys made for one partition under a seed spread under another (failure mode 67)', () => {
    const aimed: Key[] = [];
    for (let number = 0; aimed.length < 256; number++) {
      const key = `key${number}` as Key;
      if (partitionOf(tokenOf(key, 1n), 64) === 7) aimed.push(key);
    }
    const counts = new Map<number, number>();
    for (const key of aimed) {
      const partition = partitionOf(tokenOf(key, 2n), 64);
      counts.set(partition, (counts.get(partition) ?? 0) + 1);
    }
    expect(counts.size).toBeGreaterThan(48);
    expect(Math.max(...counts.values())).toBeLessThan(16); // 4 on average
  });
});

describe('partition p of P', () => {
  test('covers the tokens [p * 2^64 / P, (p + 1) * 2^64 / P)', () => {
    fc.assert(
      fc.property(token(), powerOfTwo(), (one, partitions) => {
        const partition = BigInt(partitionOf(one, partitions));
        const width = TOKENS / BigInt(partitions);
        return partition * width <= one && one < (partition + 1n) * width;
      }),
    );
  });

  test('begins and ends exactly there', () => {
    fc.assert(
      fc.property(powerOfTwo(), fc.nat(), (partitions, number) => {
        const partition = number % partitions;
        const width = TOKENS / BigInt(partitions);
        const first = BigInt(partition) * width;
        expect(partitionOf(first, partitions)).toBe(partition);
        expect(partitionOf(first + width - 1n, partitions)).toBe(partition);
      }),
    );
  });

  test('is the only one when there is one', () => {
    fc.assert(fc.property(token(), (one) => partitionOf(one, 1) === 0));
  });
});
