import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash64 } from '../../src/hash.ts';
import type { Partition } from '../../src/ids.ts';
import type { Member } from '../../src/ring/member.ts';
import { Ring } from '../../src/ring/ring.ts';
import { decodeRing, encodeRing } from '../../src/ring/ring-codec.ts';
import { member, membersFrom } from './placement.ts';
import { jointRing, ringOf, SAMPLE_RINGS } from './sample-rings.ts';

const CHECKSUM_BYTES = 8;

describe.each(SAMPLE_RINGS)('the bytes of %s', (_, ring) => {
  const bytes = encodeRing(ring);

  test('give the same ring', () => {
    const decoded = decodeRing(bytes);
    expect(decoded).toBeInstanceOf(Ring);
    expect({ ...decoded }).toEqual({ ...ring });
  });

  test('cut off at any byte give no ring (failure mode 51)', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeRing(bytes.subarray(0, length)), `the first ${length} bytes`).toBeUndefined();
    }
  });

  test('with any byte flipped give no ring', () => {
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const flipped = Uint8Array.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ flip;
        expect(decodeRing(flipped), `byte ${at} xor ${flip}`).toBeUndefined();
      }
    }
  });

  test('with a byte more give no ring, even under a right checksum', () => {
    const body = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
    expect(decodeRing(sealed(body))).toBeDefined();
    expect(decodeRing(sealed(Uint8Array.from([...body, 0])))).toBeUndefined();
  });

  test('with any bytes changed under a right checksum give no ring, or the one they spell', () => {
    const body = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
    const change = fc.record({ at: fc.nat(body.length - 1), to: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 3 }),
        fc.nat(body.length),
        (changes, end) => {
          const hostile = Uint8Array.from(body);
          for (const { at, to } of changes) hostile[at] = to;
          for (const offered of [sealed(hostile), sealed(hostile.subarray(0, end))]) {
            const decoded = decodeRing(offered);
            if (decoded !== undefined) expect(encodeRing(decoded)).toEqual(Buffer.from(offered));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('the bytes of a ring', () => {
  test('are the same whatever order the members were given in', () => {
    const members: readonly Member[] = membersFrom(1, 7);
    const expected = encodeRing(ringOf(members));
    fc.assert(
      fc.property(fc.shuffledSubarray([...members], { minLength: members.length }), (shuffled) => {
        expect(encodeRing(ringOf(shuffled))).toEqual(expected);
      }),
    );
  });

  test('differ when anything differs', () => {
    const ring = ringOf(membersFrom(1, 4));
    const others: readonly Ring[] = [
      ringOf([...membersFrom(1, 3), member(4, 'elsewhere')]),
      ringOf([...membersFrom(1, 3), member(4, 'default', 2)]),
      jointRing(ring, membersFrom(1, 5)),
      new Ring({ ...ring, lastSurvivor: 'wait' }),
      new Ring({ ...ring, clusterName: 'other' }),
      new Ring({ ...ring, hashSeed: 0n }),
      new Ring({ ...ring, graceMs: 1 }),
      new Ring({ ...ring, next: ring.assignment }),
      new Ring({ ...ring, next: ring.assignment, recovering: [1 as Partition] }),
    ];
    const texts = [ring, ...others].map((one) => Buffer.from(encodeRing(one)).toString('hex'));
    expect(new Set(texts).size).toBe(texts.length);
  });

  test('that are no ring at all give none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeRing(bytes)).toBeUndefined();
        expect(decodeRing(sealed(Uint8Array.from([2, ...bytes])))).toBeUndefined();
      }),
    );
  });

  test('of many partitions cost a few bytes per replica', () => {
    const ring = ringOf(membersFrom(1, 5), { partitionCount: 256 });
    expect(encodeRing(ring).length).toBeLessThan(256 * 7 + 500);
  });
});

function sealed(body: Uint8Array): Uint8Array {
  const bytes = Buffer.concat([body, Buffer.alloc(CHECKSUM_BYTES)]);
  bytes.writeBigUInt64BE(hash64(body), body.length);
  return bytes;
}
