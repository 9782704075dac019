import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Record } from '../../src/version/record.ts';
import { decodeRecord, openSealed, sealRecord } from '../../src/version/record-codec.ts';
import { records } from './arbitraries.ts';

describe('a sealed record', () => {
  test('comes back whole', () => {
    fc.assert(
      fc.property(records, (record) => {
        const sealed = openSealed(sealRecord(record).bytes);
        expect(sealed).toMatchObject({ key: record.key, version: record.version });
        const decoded = sealed && decodeRecord(sealed);
        expect(plain(decoded)).toEqual(plain(record));
      }),
    );
  });

  test('tells of any flipped bit, in the key as in the value', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 0, max: 7 }), (record, at, bit) => {
        const { bytes } = sealRecord(record);
        const flipped = Uint8Array.from(bytes);
        const index = at % flipped.length;
        flipped[index] = (flipped[index] ?? 0) ^ (1 << bit);
        expect(openSealed(flipped)).toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });

  test('tells of being cut off at any byte', () => {
    const [record] = fc.sample(records, 1);
    if (record === undefined) throw new Error('no record was drawn');
    const { bytes } = sealRecord(record);
    for (let length = 0; length < bytes.length; length++) {
      expect(openSealed(bytes.subarray(0, length))).toBeUndefined();
    }
  });

  test('is never made of random bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => !openSealed(bytes)));
  });
});

/** With the value and the metadata in forms that compare by content. */
function plain(record: Record | undefined): unknown {
  if (record?.content.type !== 'value') return record;
  const { value, metadata, ...rest } = record.content;
  return { ...record, content: { ...rest, value: [...value], metadata: [...metadata] } };
}
