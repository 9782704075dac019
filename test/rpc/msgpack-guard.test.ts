import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { decodeMessages } from '../../src/rpc/codec.ts';
import { FrameRefusedError } from '../../src/rpc/frame-refused-error.ts';
import { guardMessages, MAX_DEPTH, MAX_ELEMENTS } from '../../src/rpc/msgpack-guard.ts';
import { HOSTILE_PAYLOADS } from './hostile-payloads.ts';
import { MAX_FRAME_MS, millisecondsOf } from './stopwatch.ts';

const packr = new Packr({ useRecords: false });

describe('the guard', () => {
  test.each(HOSTILE_PAYLOADS)('refuses %s, at once and without taking memory', (_name, payload) => {
    const bytes = payload();
    const before = process.memoryUsage();
    const refuse = (): void => expect(() => decodeMessages(bytes)).toThrow(FrameRefusedError);
    expect(millisecondsOf(refuse)).toBeLessThan(MAX_FRAME_MS);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    // What the test itself needs to tell aside.
    expect(grown).toBeLessThan(2 * bytes.length + 2 ** 20);
  });

  test('lets nothing on to Object.prototype', () => {
    for (const [, payload] of HOSTILE_PAYLOADS) {
      expect(() => decodeMessages(payload())).toThrow();
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('takes what messages are made of, one after the other', () => {
    const leaf = fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.nat({ max: 2 ** 32 - 1 }),
      fc.double({ noNaN: true, min: 2 ** 33 }),
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.uint8Array({ maxLength: 70_000 }).map((bytes) => Buffer.from(bytes)),
    );
    const message = fc.array(fc.oneof(leaf, fc.array(fc.oneof(leaf, fc.array(leaf)))));
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), (messages) => {
        const payload = Buffer.concat(messages.map((each) => packr.pack(each)));
        expect(decodeMessages(payload)).toEqual(messages);
      }),
    );
  });

  test('refuses a message cut short at any byte', () => {
    const message = packr.pack([
      1,
      300,
      70_000,
      1e15,
      'text',
      'é'.repeat(200),
      [true, null, []],
      Buffer.alloc(300),
    ]);
    for (let length = 1; length < message.length; length++) {
      const cut = message.subarray(0, length);
      expect(() => guardMessages(cut), `${length} bytes`).toThrow(FrameRefusedError);
    }
    guardMessages(message);
  });

  test('counts depth', () => {
    const nested = (depth: number): Buffer => Buffer.from([...Array(depth - 1).fill(0x91), 0x90]);
    guardMessages(nested(MAX_DEPTH + 1)); // the innermost is empty
    expect(() => guardMessages(nested(MAX_DEPTH + 2))).toThrow('deeper');
  });

  test('counts the values of a whole frame', () => {
    const pair = Buffer.from('920102', 'hex');
    const most = Math.floor(MAX_ELEMENTS / 3);
    guardMessages(Buffer.alloc(3 * most, pair));
    expect(() => guardMessages(Buffer.alloc(3 * (most + 1), pair))).toThrow('values');
  });

  test('does not read beyond its bytes', () => {
    // The rest of the message lies behind the slice, in the same memory.
    const memory = packr.pack(['0123456789']);
    const slice = memory.subarray(0, 5);
    expect(() => decodeMessages(slice)).toThrow(FrameRefusedError);
  });
});
