import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameReader } from '../../src/rpc/frame-reader.ts';
import { FrameRefusedError } from '../../src/rpc/frame-refused-error.ts';
import { framed } from './raw-peer.ts';

describe('a frame reader', () => {
  test('gives back the frames whatever pieces the bytes come in', () => {
    const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 500 }), { maxLength: 10 });
    const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 300 }));
    fc.assert(
      fc.property(bodies, cuts, (sent, sizes) => {
        const stream = Buffer.concat(sent.map(framed));
        const reader = new FrameReader(1, 500);
        const received: Uint8Array[] = [];
        for (let at = 0; at < stream.length; ) {
          const size = sizes.next().value ?? 1;
          reader.push(stream.subarray(at, at + size));
          at += size;
          for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
            received.push(new Uint8Array(frame));
          }
        }
        expect(received).toEqual(sent);
      }),
    );
  });

  test('refuses a length out of bounds before its bytes have come', () => {
    const reader = new FrameReader(17, 100);
    reader.push(Buffer.from('00000065', 'hex'));
    expect(() => reader.next()).toThrow(FrameRefusedError);
    const other = new FrameReader(17, 100);
    other.push(Buffer.from('00000010', 'hex'));
    expect(() => other.next()).toThrow(FrameRefusedError);
  });

  test('takes other bounds from the next frame on', () => {
    const reader = new FrameReader(1, 10);
    reader.push(Buffer.concat([framed(Buffer.alloc(10)), framed(Buffer.alloc(20))]));
    expect(reader.next()?.length).toBe(10);
    reader.expect(1, 20);
    expect(reader.next()?.length).toBe(20);
  });

  test('reserves nothing for bytes that were only announced', () => {
    const before = process.memoryUsage();
    const readers = Array.from({ length: 100 }, () => {
      const reader = new FrameReader(1, 2 ** 24);
      reader.push(Buffer.from('01000000ff', 'hex'));
      expect(reader.next()).toBeUndefined();
      return reader;
    });
    const grown = process.memoryUsage().arrayBuffers - before.arrayBuffers;
    expect(readers).toHaveLength(100);
    expect(grown).toBeLessThan(2 ** 20);
  });

  test('copes with a large frame that comes byte by byte', () => {
    const body = Buffer.alloc(200_000, 7);
    const reader = new FrameReader(1, body.length);
    const bytes = framed(body);
    for (let at = 0; at < bytes.length - 1; at++) {
      reader.push(Buffer.of(bytes[at] ?? 0));
      if (at % 1000 === 0) expect(reader.next()).toBeUndefined();
    }
    reader.push(Buffer.of(7));
    expect(reader.next()?.equals(body)).toBe(true);
  });
});
