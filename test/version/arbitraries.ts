import fc from 'fast-check';
import type { Incarnation, Key, NodeId } from '../../src/ids.ts';
import type { Content, Record } from '../../src/version/record.ts';
import { type SealedRecord, sealRecord } from '../../src/version/record-codec.ts';
import {
  formatVersion,
  MAX_LOGICAL,
  MAX_PHYSICAL_MS,
  type Version,
} from '../../src/version/version.ts';

/** What fast-check draws versions and records from. */

export const nodeIds: fc.Arbitrary<NodeId> = fc
  .integer({ min: 0, max: 5 })
  .map((number) => number.toString(16).padStart(16, '0') as NodeId);

/** Close together, so that equal parts are common. */
export const versions: fc.Arbitrary<Version> = fc
  .record({
    physical: fc.oneof(
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: MAX_PHYSICAL_MS }),
    ),
    logical: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: MAX_LOGICAL })),
    node: nodeIds,
    incarnation: fc.integer({ min: 1, max: 3 }).map((number) => number as Incarnation),
  })
  .map(formatVersion);

export const keys: fc.Arbitrary<Key> = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .map((text) => text as Key);

export const contents: fc.Arbitrary<Content> = fc.oneof(
  fc.constant({ type: 'tombstone' } as const),
  fc.record({
    type: fc.constant('value' as const),
    value: fc.uint8Array({ maxLength: 300 }),
    contentType: fc.string({ maxLength: 40 }),
    metadata: fc
      .dictionary(fc.string({ maxLength: 20 }), fc.string({ maxLength: 40 }), { maxKeys: 5 })
      .map((pairs) => new Map(Object.entries(pairs))),
  }),
);

export const records: fc.Arbitrary<Record> = fc.record({
  key: keys,
  version: versions,
  content: contents,
});

/** Records of one key, so that they can be merged. */
export const sealedOfOneKey: fc.Arbitrary<SealedRecord> = fc
  .record({ key: fc.constant('k' as Key), version: versions, content: contents })
  .map(sealRecord);
