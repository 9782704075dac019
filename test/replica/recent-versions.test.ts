import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Key } from '../../src/ids.ts';
import { RecentVersions } from '../../src/replica/recent-versions.ts';
import { versionAt } from '../version/version-at.ts';

const KEEP_MS = 10;

const A_KEY = fc.constantFrom('a', 'b', 'c') as fc.Arbitrary<Key>;
const A_STEP = fc.record({
  passedMs: fc.nat(8),
  key: A_KEY,
  /** By how much it is above what the key held before: a replica never goes back. */
  rise: fc.nat(1),
  lastsMs: fc.nat(15),
});
const A_HEALING = fc.record({
  key: A_KEY,
  version: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  ageMs: fc.nat(KEEP_MS),
});

test('what was found with others is never below what was acknowledged and still under way when they were asked', () => {
  fc.assert(
    fc.property(
      fc.array(A_STEP),
      fc.array(A_HEALING, { minLength: 1 }),
      fc.integer({ min: 1, max: 3 }),
      (steps, healings, maxKeys) => {
        const recent = new RecentVersions(KEEP_MS, maxKeys);
        const all: { key: Key; version: number; untilMs: number }[] = [];
        let nowMs = 0;
        for (const { passedMs, key, rise, lastsMs } of steps) {
          nowMs += passedMs;
          const version = (all.findLast((each) => each.key === key)?.version ?? 1) + rise;
          recent.note(key, versionAt(version), nowMs + lastsMs, nowMs);
          all.push({ key, version, untilMs: nowMs + lastsMs });
        }
        for (const { key, version, ageMs } of healings) {
          const askedMs = nowMs - ageMs;
          const counting = all.filter((each) => each.key === key && each.untilMs > askedMs);
          const isMet = counting.every((each) => each.version <= (version ?? 0));
          const asVersion = version === undefined ? undefined : versionAt(version);
          if (recent.isMetBy(key, asVersion, askedMs)) expect(isMet).toBe(true);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test('what is over for long, or as new, stands in the way of nothing', () => {
  const recent = new RecentVersions(KEEP_MS);
  recent.note('a' as Key, versionAt(2), 100, 0);
  expect(recent.isMetBy('a' as Key, versionAt(2), 0)).toBe(true);
  expect(recent.isMetBy('a' as Key, versionAt(1), 99)).toBe(false);
  expect(recent.isMetBy('a' as Key, versionAt(1), 100)).toBe(true);
  expect(recent.isMetBy('b' as Key, undefined, 0)).toBe(true);
});

test('a key that there was no room for is healed by those who are asked after its request', () => {
  const recent = new RecentVersions(KEEP_MS, 1);
  recent.note('a' as Key, versionAt(2), 100, 0);
  recent.note('b' as Key, versionAt(2), 50, 0);
  expect(recent.isMetBy('a' as Key, versionAt(3), 99)).toBe(false);
  expect(recent.isMetBy('c' as Key, versionAt(3), 99)).toBe(false);
  expect(recent.isMetBy('a' as Key, versionAt(1), 100)).toBe(true);
});

test('a full memory makes room for some more at once, and remembers all others', () => {
  const recent = new RecentVersions(KEEP_MS, 256);
  const keys = Array.from({ length: 257 }, (_, number) => `key${number}` as Key);
  for (const key of keys) recent.note(key, versionAt(2), 100, 0);
  // Of those that are remembered a version that is as new is enough, whenever the others were asked.
  expect(keys.filter((key) => !recent.isMetBy(key, versionAt(2), 0))).toEqual(keys.slice(0, 3));
});

test('what was over when the last ones were let go does not stay', () => {
  const recent = new RecentVersions(KEEP_MS, 1);
  recent.note('a' as Key, versionAt(2), 100, 0);
  recent.note('b' as Key, versionAt(2), 250, 200);
  // 'a' went because it was over, and not for want of room: nothing stands in the way.
  expect(recent.isMetBy('c' as Key, undefined, 0)).toBe(true);
});

test('what is over is let go ten times a second', () => {
  const recent = new RecentVersions(KEEP_MS);
  recent.note('a' as Key, versionAt(2), 20, 0);
  recent.note('b' as Key, versionAt(2), 200, 99);
  expect(recent.size).toBe(2);
  recent.note('c' as Key, versionAt(2), 200, 100);
  expect(recent.size).toBe(2);
});
