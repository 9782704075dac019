import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Incarnation, NodeId } from '../../src/ids.ts';
import {
  formatVersion,
  isVersion,
  laterVersion,
  parseVersion,
  type VersionParts,
} from '../../src/version/version.ts';
import { versions } from './arbitraries.ts';

describe('a version', () => {
  test('orders by physical time, then counter, then node, then incarnation', () => {
    fc.assert(
      fc.property(versions, versions, (a, b) => {
        const byParts = compareParts(parseVersion(a), parseVersion(b));
        const byText = a < b ? -1 : a > b ? 1 : 0;
        expect(byText).toBe(byParts);
      }),
      { numRuns: 2_000 },
    );
  });

  test('comes back from its text', () => {
    fc.assert(fc.property(versions, (version) => formatVersion(parseVersion(version)) === version));
  });

  test('is told from other text', () => {
    fc.assert(fc.property(versions, (version) => isVersion(version)));
    fc.assert(fc.property(fc.string(), (text) => !isVersion(text)));
    const [sample] = fc.sample(versions, 1);
    expect(isVersion(`${sample} `)).toBe(false);
    expect(isVersion((sample ?? '').replace('-', '_'))).toBe(false);
  });

  test('reaches beyond the year 10000 and no further', () => {
    const rest = { logical: 0, node: '0'.repeat(16) as NodeId, incarnation: 1 as Incarnation };
    expect(isVersion(formatVersion({ physical: 2 ** 48 - 1, ...rest }))).toBe(true);
    expect(() => formatVersion({ physical: 2 ** 48, ...rest })).toThrow(/48 bits/);
  });
});

test('the later of two versions is the same in either order, and nothing is below all', () => {
  fc.assert(
    fc.property(versions, versions, (a, b) => {
      expect(laterVersion(a, b)).toBe(a > b ? a : b);
      expect(laterVersion(a, b)).toBe(laterVersion(b, a));
      expect(laterVersion(a, undefined)).toBe(a);
      expect(laterVersion(undefined, a)).toBe(a);
    }),
  );
});

function compareParts(a: VersionParts, b: VersionParts): number {
  for (const part of ['physical', 'logical', 'node', 'incarnation'] as const) {
    if (a[part] !== b[part]) return a[part] < b[part] ? -1 : 1;
  }
  return 0;
}
