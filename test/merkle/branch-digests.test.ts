import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BranchDigests } from '../../src/merkle/branch-digests.ts';
import { LeafDigests } from '../../src/merkle/leaf-digests.ts';
import { LEAVES } from '../../src/merkle/leaf-set.ts';

type Entry = readonly [leaf: number, checksum: bigint];

const leaves = fc.integer({ min: 0, max: LEAVES - 1 });
const checksums = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const entry = fc.tuple(leaves, checksums);
const entries = fc.array(entry, { maxLength: 300 });

describe('the digests of the branches of a partition', () => {
  test('are equal where two copies hold the same', () => {
    fc.assert(
      fc.property(entries, (records) => {
        const compared = branchesOf(records).compare(branchesOf(records.toReversed()));
        expect(compared).toEqual({ differing: new Set(), undecided: new Set() });
      }),
    );
  });

  test('leave no leaf out that differs, and call no leaf differing that does not', () => {
    fc.assert(
      fc.property(entries, fc.array(entry, { maxLength: 4 }), entries, (both, here, there) => {
        const [one, other] = [leavesOf([...both, ...here]), leavesOf([...both, ...there])];
        const { differing, undecided } = BranchDigests.of(one).compare(BranchDigests.of(other));
        const differ = one.differingFrom(other);
        for (const leaf of differ) expect(differing.has(leaf) || undecided.has(leaf)).toBe(true);
        for (const leaf of differing) expect(differ.has(leaf)).toBe(true);
      }),
    );
  });

  test('leave undecided the leaves of one branch where a record stands for another', () => {
    const others: Entry[] = Array.from({ length: LEAVES }, (_, leaf) => [leaf, BigInt(leaf)]);
    const one = branchesOf([...others, [37, 5n]]);
    const { differing, undecided } = one.compare(branchesOf([...others, [37, 6n]]));
    expect(differing).toEqual(new Set());
    expect(undecided).toEqual(new Set(Array.from({ length: 16 }, (_, place) => 32 + place)));
  });

  test('need to know no more of a copy that holds nothing', () => {
    fc.assert(
      fc.property(entries, (records) => {
        const { differing, undecided } = branchesOf([]).compare(branchesOf(records));
        expect(differing).toEqual(new Set(records.map(([leaf]) => leaf)));
        expect(undecided).toEqual(new Set());
      }),
    );
  });

  test('are the same after a journey, and take few bytes', () => {
    fc.assert(
      fc.property(entries, (records) => {
        const encoded = branchesOf(records).encode();
        const decoded = BranchDigests.decode(encoded);
        expect(decoded?.encode()).toEqual(encoded);
        expect(decoded?.compare(branchesOf(records))).toEqual({
          differing: new Set(),
          undecided: new Set(),
        });
        expect(encoded.length).toBeLessThanOrEqual(33 + LEAVES + 16 * 8);
      }),
    );
  });

  test.each([
    [255, 1],
    [256, 2],
    [65_535, 2],
    [65_536, 4],
  ])('write numbers up to %d with %d bytes each', (count, width) => {
    const digests = branchesOf(Array.from({ length: count }, () => [9, 1n] as const));
    const encoded = digests.encode();
    expect(encoded.length).toBe(33 + width + 8);
    expect(BranchDigests.decode(encoded)?.countOf(9)).toBe(count);
  });

  test('are believed only as they would have been written', () => {
    fc.assert(
      fc.property(entries, fc.nat(), fc.nat({ max: 255 }), (records, place, byte) => {
        const bytes = Buffer.from(branchesOf(records).encode());
        bytes[place % bytes.length] = byte;
        const decoded = BranchDigests.decode(bytes);
        if (decoded !== undefined) expect(Buffer.from(decoded.encode())).toEqual(bytes);
      }),
    );
    const encoded = branchesOf([[3, 5n]]).encode();
    for (let length = 0; length < encoded.length; length++) {
      expect(BranchDigests.decode(encoded.subarray(0, length))).toBeUndefined();
    }
    expect(BranchDigests.decode(Buffer.concat([encoded, Buffer.of(0)]))).toBeUndefined();
    const empty = Buffer.from(encoded);
    empty.writeUInt8(0, 33);
    expect(BranchDigests.decode(empty)).toBeUndefined();
    const wide = Buffer.concat([encoded.subarray(0, 33), Buffer.of(0), encoded.subarray(33)]);
    wide.writeUInt8(2, 0);
    expect(BranchDigests.decode(wide)).toBeUndefined();
  });
});

function branchesOf(records: readonly Entry[]): BranchDigests {
  return BranchDigests.of(leavesOf(records));
}

function leavesOf(records: readonly Entry[]): LeafDigests {
  const digests = new LeafDigests();
  for (const [leaf, checksum] of records) digests.add(leaf, checksum);
  return digests;
}
