import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sharesOf, zoneLimitOf } from '../../src/ring/shares.ts';
import { member, membersFrom, smallestZoneLimit, waterFilledShares } from './placement.ts';

const someMembers = fc
  .array(
    fc.record({ zone: fc.integer({ min: 1, max: 5 }), weight: fc.integer({ min: 1, max: 10 }) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((drawn) => drawn.map(({ zone, weight }, index) => member(index + 1, `zone${zone}`, weight)));

function shares(members: ReturnType<typeof membersFrom>, partitions: number, replicas: number) {
  const zoneLimit = zoneLimitOf(members, replicas);
  const found = sharesOf({ members, partitions, replicas, zoneLimit });
  return members.map((one) => found.get(one));
}

describe('a share', () => {
  test('is the same for all of equal weight, rounded down and up', () => {
    expect(shares(membersFrom(1, 5), 256, 3)).toEqual(Array(5).fill({ least: 153, most: 154 }));
    expect(shares(membersFrom(1, 6), 256, 3)).toEqual(Array(6).fill({ least: 128, most: 128 }));
  });

  test('follows the weight', () => {
    const members = [member(1, 'a', 1), member(2, 'a', 2), member(3, 'a', 3), member(4, 'a', 2)];
    expect(shares(members, 64, 2).map((share) => share?.least)).toEqual([16, 32, 48, 32]);
  });

  test('is at most one replica of every partition; the rest goes to the others by weight', () => {
    const members = [member(1, 'a', 98), member(2, 'a', 1), member(3, 'a', 1)];
    expect(shares(members, 64, 2).map((share) => share?.least)).toEqual([64, 32, 32]);
  });

  test('of a zone is at most what its limit allows, however heavy its members are', () => {
    const members = [member(1, 'a', 50), member(2, 'a', 50), member(3, 'b', 1), member(4, 'c', 1)];
    expect(shares(members, 64, 3).map((share) => share?.least)).toEqual([32, 32, 64, 64]);
  });

  test('agrees with water levels found by trial', () => {
    fc.assert(
      fc.property(someMembers, fc.integer({ min: 1, max: 7 }), (members, wanted) => {
        const replicas = Math.min(wanted, members.length);
        const expected = waterFilledShares(members, 128, replicas);
        const found = shares(members, 128, replicas);
        for (const [index, one] of members.entries()) {
          const share = expected.get(one) ?? Number.NaN;
          expect(found[index]?.least).toBeGreaterThan(share - 1 - 1e-6);
          expect(found[index]?.least).toBeLessThan(share + 1e-6);
          expect(found[index]?.most).toBeGreaterThan(share - 1e-6);
          expect(found[index]?.most).toBeLessThan(share + 1 + 1e-6);
        }
      }),
    );
  });
});

describe('the limit of a zone', () => {
  test('is ceil(replicas / zones) while every zone has that many members', () => {
    const members = ['a', 'a', 'b', 'b', 'c', 'c'].map((zone, index) => member(index + 1, zone));
    expect([1, 2, 3, 4, 5, 6].map((replicas) => zoneLimitOf(members, replicas))).toEqual([
      1, 1, 1, 2, 2, 2,
    ]);
  });

  test('grows only as far as members are missing elsewhere', () => {
    const members = [
      member(1, 'a'),
      member(2, 'b'),
      member(3, 'b'),
      member(4, 'b'),
      member(5, 'b'),
    ];
    expect(zoneLimitOf(members, 2)).toBe(1);
    expect(zoneLimitOf(members, 3)).toBe(2);
    expect(zoneLimitOf(members, 5)).toBe(4);
  });

  test('is the smallest with which all replicas find room', () => {
    fc.assert(
      fc.property(someMembers, fc.integer({ min: 1, max: 7 }), (members, wanted) => {
        const replicas = Math.min(wanted, members.length);
        expect(zoneLimitOf(members, replicas)).toBe(smallestZoneLimit(members, replicas));
      }),
    );
  });
});
