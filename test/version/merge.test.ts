import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { conflicts, merge } from '../../src/version/merge.ts';
import { sealedOfOneKey } from './arbitraries.ts';

describe('merging records', () => {
  test('does not depend on the order of two', () => {
    fc.assert(
      fc.property(sealedOfOneKey, sealedOfOneKey, (a, b) => {
        expect(merge(a, b).bytes).toEqual(merge(b, a).bytes);
      }),
    );
  });

  test('does not depend on the grouping of three', () => {
    fc.assert(
      fc.property(sealedOfOneKey, sealedOfOneKey, sealedOfOneKey, (a, b, c) => {
        expect(merge(merge(a, b), c).bytes).toEqual(merge(a, merge(b, c)).bytes);
      }),
    );
  });

  test('changes nothing when repeated', () => {
    fc.assert(
      fc.property(sealedOfOneKey, sealedOfOneKey, (a, b) => {
        expect(merge(a, a)).toBe(a);
        expect(merge(merge(a, b), b).bytes).toEqual(merge(a, b).bytes);
      }),
    );
  });

  test('keeps the higher version', () => {
    fc.assert(
      fc.property(sealedOfOneKey, sealedOfOneKey, (a, b) => {
        expect(merge(a, b).version).toBe(a.version > b.version ? a.version : b.version);
      }),
    );
  });
});

test('records conflict exactly when one version stands for different bytes', () => {
  fc.assert(
    fc.property(sealedOfOneKey, sealedOfOneKey, (a, b) => {
      const same = Buffer.compare(a.bytes, b.bytes) === 0;
      expect(conflicts(a, b)).toBe(a.version === b.version && !same);
    }),
  );
});
