import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Key } from '../../src/ids.ts';
import { LeafDigests, leafOf } from '../../src/merkle/leaf-digests.ts';
import { decodeLeaves, encodeLeaves, LEAVES } from '../../src/merkle/leaf-set.ts';
import { partitionOf, tokenOf } from '../../src/ring/token.ts';

const leaves = fc.integer({ min: 0, max: LEAVES - 1 });
const checksums = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const entries = fc.array(fc.tuple(leaves, checksums), { maxLength: 300 });

describe('the digests of a partition', () => {
  test('do not depend on the order in which its records are met', () => {
    fc.assert(
      fc.property(entries, (records) => {
        const there = digestsOf(records);
        const back = digestsOf(records.toReversed());
        expect(there.differingFrom(back)).toEqual(new Set());
        expect(there.records).toBe(records.length);
      }),
    );
  });

  test('differ in the leaf of a record that one of two copies lacks, and in no other', () => {
    fc.assert(
      fc.property(entries, leaves, checksums, (records, leaf, checksum) => {
        const without = digestsOf(records);
        const withIt = digestsOf([...records, [leaf, checksum]]);
        expect(without.differingFrom(withIt)).toEqual(new Set([leaf]));
        expect(withIt.differingFrom(without)).toEqual(new Set([leaf]));
      }),
    );
  });

  test('differ where one record stands for another', () => {
    fc.assert(
      fc.property(entries, leaves, checksums, checksums, (records, leaf, one, other) => {
        fc.pre(one !== other);
        const first = digestsOf([...records, [leaf, one]]);
        const second = digestsOf([...records, [leaf, other]]);
        expect(first.differingFrom(second)).toEqual(new Set([leaf]));
      }),
    );
  });

  test('differ where the sums are equal and the numbers are not', () => {
    expect(digestsOf([[7, 0n]]).differingFrom(digestsOf([]))).toEqual(new Set([7]));
  });

  test('are the same after a journey, and take no more bytes than their leaves need', () => {
    fc.assert(
      fc.property(entries, (records) => {
        const digests = digestsOf(records);
        const encoded = digests.encode();
        const full = new Set(records.map(([leaf]) => leaf)).size;
        expect(encoded.length).toBe(32 + 12 * full);
        const decoded = LeafDigests.decode(encoded);
        expect(decoded?.differingFrom(digests)).toEqual(new Set());
        expect(decoded?.encode()).toEqual(encoded);
      }),
    );
  });

  test('are believed only as they would have been written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const decoded = LeafDigests.decode(bytes);
        if (decoded !== undefined)
          expect(Buffer.from(decoded.encode())).toEqual(Buffer.from(bytes));
      }),
    );
    const encoded = digestsOf([[3, 5n]]).encode();
    for (let length = 0; length < encoded.length; length++) {
      expect(LeafDigests.decode(encoded.subarray(0, length))).toBeUndefined();
    }
    expect(LeafDigests.decode(Buffer.concat([encoded, Buffer.of(0)]))).toBeUndefined();
    const empty = Buffer.from(encoded);
    empty.writeUInt32BE(0, 32);
    expect(LeafDigests.decode(empty)).toBeUndefined();
  });
});

test("a key's leaf is cut from other bits than its partition: one partition fills all leaves", () => {
  const found = new Set<number>();
  for (let n = 0; n < 200_000; n++) {
    const token = tokenOf(`key${n}` as Key, 1n);
    if (partitionOf(token, 64) === 5) found.add(leafOf(token));
  }
  expect(found.size).toBe(LEAVES);
});

describe('a set of leaves', () => {
  test('is the same after a journey', () => {
    fc.assert(
      fc.property(fc.uniqueArray(leaves), (some) => {
        expect(decodeLeaves(encodeLeaves(new Set(some)))).toEqual(new Set(some));
      }),
    );
  });

  test('is refused in any other length', () => {
    for (const length of [0, 31, 33]) expect(decodeLeaves(new Uint8Array(length))).toBeUndefined();
  });
});

function digestsOf(records: readonly (readonly [number, bigint])[]): LeafDigests {
  const digests = new LeafDigests();
  for (const [leaf, checksum] of records) digests.add(leaf, checksum);
  return digests;
}
