import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import type { Key } from '../../src/ids.ts';
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  FAILED,
  weightOf,
} from '../../src/rpc/codec.ts';
import { FrameRefusedError } from '../../src/rpc/frame-refused-error.ts';
import type {
  NewsLine,
  RefusalReason,
  ReplyOf,
  Request,
  RequestType,
} from '../../src/rpc/messages.ts';
import { MESSAGE_SAMPLES, MESSAGE_TYPES } from './message-samples.ts';

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true });

const requests = MESSAGE_TYPES.flatMap<Request>((type) => [...MESSAGE_SAMPLES[type].requests]);
const replies = MESSAGE_TYPES.flatMap((type) =>
  MESSAGE_SAMPLES[type].replies.map((reply) => [type, reply] as const),
);

const REASONS: readonly RefusalReason[] = [
  'stale_epoch',
  'not_ready',
  'damaged',
  'full',
  'overloaded',
  'clock_skew',
  'expired',
];

/** The fields of a message as they travel. */
function wireOf(message: Buffer): unknown[] {
  return packr.unpack(message) as unknown[];
}

describe('the codec', () => {
  test.each(requests.map((request) => [request.type, request] as const))(
    'carries the request %s',
    (_type, request) => {
      const decoded = decodeRequest(encodeRequest(5, 1234, request));
      expect(decoded).toEqual({ id: 5, remainingMs: 1234, request: plain(request) });
    },
  );

  test.each(replies)('carries the reply to %s', (type, reply) => {
    const decoded = decodeReply(encodeReply(9, type, { ok: true, reply }), () => type);
    expect(decoded).toEqual({ id: 9, outcome: { ok: true, reply: plain(reply) } });
  });

  test('carries refusals, with a ring and without, and failures', () => {
    const ring = Buffer.from('ring');
    for (const reason of REASONS) {
      const refused = { ok: false, refusal: { reason } } as const;
      const withRing = { ok: false, refusal: { reason, ring } } as const;
      const type = 'replica.write';
      expect(decodeReply(encodeReply(1, type, refused), () => type)?.outcome).toEqual(refused);
      expect(decodeReply(encodeReply(1, type, withRing), () => type)?.outcome).toEqual(withRing);
    }
    const damage = { life: 'f'.repeat(32), foundMs: 12.5 };
    const damaged = { ok: false, refusal: { reason: 'damaged', damage } } as const;
    const told = encodeReply(1, 'replica.read', damaged);
    expect(decodeReply(told, () => 'replica.read')?.outcome).toEqual(damaged);
    const failed = encodeReply(1, 'replica.write', FAILED);
    expect(decodeReply(failed, () => 'replica.write')?.outcome).toEqual(FAILED);
  });

  test('gives each type a number of its own', () => {
    const codes = requests.map((request) => wireOf(encodeRequest(1, 1, request))[1]);
    const types = requests.map(({ type }) => type);
    expect(new Set(codes).size).toBe(new Set(types).size);
  });

  test('rounds the time remaining up, and never below nothing', () => {
    const request = { type: 'membership.ring' } as const;
    expect(decodeRequest(encodeRequest(1, 0.2, request)).remainingMs).toBe(1);
    expect(decodeRequest(encodeRequest(1, -5, request)).remainingMs).toBe(0);
  });

  test('passes over the answer to a call that nobody waits for any more', () => {
    const late = encodeReply(3, 'membership.ring', FAILED);
    expect(decodeReply(late, () => undefined)).toBeUndefined();
  });

  test('decodes bytes as slices of what they came in, to be copied by whoever keeps them', () => {
    const message = encodeRequest(1, 1, MESSAGE_SAMPLES['replica.write'].requests[0]);
    const { request } = decodeRequest(message);
    const record = request.type === 'replica.write' ? request.record : undefined;
    expect(record?.buffer).toBe(message.buffer);
  });

  test('refuses a request cut short at any byte, or with a byte too many', () => {
    for (const request of requests) {
      const message = encodeRequest(1, 1000, request);
      for (let length = 0; length < message.length; length++) {
        expect(() => decodeRequest(message.subarray(0, length))).toThrow(FrameRefusedError);
      }
      expect(() => decodeRequest(Buffer.concat([message, Buffer.of(0)]))).toThrow(
        FrameRefusedError,
      );
    }
  });

  test('refuses fields of another type, missing fields and fields too many', () => {
    const wrong = [undefined, true, 0.5, 'text', Buffer.alloc(3), [], [1], 2 ** 40];
    for (const request of requests) {
      const wire = wireOf(encodeRequest(1, 1000, request));
      expect(() => decodeRequest(packr.pack([...wire, 1]))).toThrow(FrameRefusedError);
      expect(() => decodeRequest(packr.pack(wire.slice(0, -1)))).toThrow(FrameRefusedError);
      for (let place = 0; place < wire.length; place++) {
        const refused = wrong.filter((value) => !isAccepted(wire.with(place, value)));
        expect(refused.length, `${request.type}, place ${place}`).toBeGreaterThanOrEqual(
          wrong.length - 3,
        );
      }
    }
  });

  test.each<[string, Request | unknown]>([
    ['an epoch of 0', { epoch: 0 }],
    ['an epoch with a fraction', { epoch: 1.5 }],
    ['an epoch beyond 48 bits', { epoch: 2 ** 48 }],
    ['an empty key', { key: '' }],
    ['a key of 1025 bytes', { key: 'x'.repeat(1025) }],
    ['a key of 1026 bytes in 513 characters', { key: 'é'.repeat(513) }],
    ['a key that is bytes', { key: Buffer.from('key') }],
  ])('refuses %s', (_name, change) => {
    const request = { ...MESSAGE_SAMPLES['replica.read'].requests[0], ...(change as object) };
    expect(() => decodeRequest(encodeRequest(1, 1, request as Request))).toThrow(FrameRefusedError);
  });

  test('takes a key of 1024 bytes', () => {
    for (const key of ['x'.repeat(1024), 'é'.repeat(512), '\0', '../..'] as Key[]) {
      const request = { ...MESSAGE_SAMPLES['replica.read'].requests[0], key };
      expect(decodeRequest(encodeRequest(1, 1, request)).request).toEqual(request);
    }
  });

  test('takes what is known of the members of the largest ring', () => {
    const line = ['ffffffffffffffff', 'suspect', 2 ** 52 - 1, '00112233aabbccdd'];
    const members = Array.from({ length: 1_025 }, () => line) as unknown as readonly NewsLine[];
    const request = { type: 'swim.sync', members } as const;
    expect(decodeRequest(encodeRequest(1, 1, request)).request).toEqual(request);
  });

  test.each<[RequestType, object]>([
    ['replica.write', { version: '018f3a2b4c5d-0001-0123456789abcdef-0000000' }],
    ['replica.write', { version: '018F3A2B4C5D-0001-0123456789ABCDEF-00000001' }],
    ['replica.version', { tombstone: 1 }],
    ['replica.version', { pressure: 'low' }],
    ['replica.read', { record: 'text' }],
    ['swim.ping', { wallMs: Number.NaN }],
    ['swim.ping', { wallMs: Number.POSITIVE_INFINITY }],
    ['swim.ping', { gossip: ['00112233aabbccdd'] }],
    ['swim.ping', { gossip: [['00112233aabbccdd', 'alive', 1]] }],
    ['swim.ping', { gossip: [['00112233aabbccdd', 'alive', 0, undefined]] }],
    ['swim.ping', { gossip: [['00112233aabbccdd', 'alive', 2 ** 52, undefined]] }],
    ['swim.ping', { gossip: [['00112233aabbccdd', 'faulty', 1, undefined]] }],
    ['swim.ping', { gossip: [['node1', 'alive', 1, undefined]] }],
    ['swim.ping', { gossip: [['00112233aabbccdd', 'suspect', 1, 'node1']] }],
    ['swim.ping', { gossip: Array(65).fill(['00112233aabbccdd', 'alive', 1, undefined]) }],
    ['swim.ping-req', { outcome: 'dead' }],
    ['swim.ping-req', { address: 'file:///etc/passwd' }],
    ['membership.introduce', { node: '00112233AABBCCDD' }],
    ['membership.introduce', { node: '00112233aabbccdd0' }],
    ['membership.introduce', { name: 'x'.repeat(256) }],
    ['membership.introduce', { weight: 0 }],
    ['membership.introduce', { founders: Array(1025).fill('a:1') }],
    ['membership.introduce', { founders: [['a:1']] }],
    ['ring.prepare', { ballot: '000000000001-00112233aabbccd' }],
    ['ring.prepare', { acceptedBallot: '' }],
    ['member.status', { keys: 0.5 }],
  ])('refuses a reply to %s with %o', (type, change) => {
    const reply = { ...MESSAGE_SAMPLES[type].replies[0], ...change } as ReplyOf<RequestType>;
    const message = encodeReply(1, type, { ok: true, reply });
    expect(() => decodeReply(message, () => type)).toThrow(FrameRefusedError);
  });

  test('refuses an answer of an unknown kind, an unknown type and an unknown reason', () => {
    const read = (wire: unknown[]) => () => decodeReply(packr.pack(wire), () => 'replica.read');
    expect(read([1, 3])).toThrow(FrameRefusedError);
    expect(read([1, 1, 99, null])).toThrow(FrameRefusedError);
    expect(read([1, 1, 1])).toThrow(FrameRefusedError);
    for (const ticket of [['life'], ['life', -1], ['life', '5'], [5, 5], ['life', 5, 5]])
      expect(read([1, 1, 3, null, ...ticket]), `${ticket}`).toThrow(FrameRefusedError);
    expect(read([1, 2, 1])).toThrow(FrameRefusedError);
    expect(read([0, 2])).toThrow(FrameRefusedError);
    expect(() => decodeRequest(packr.pack([1, 99, 1]))).toThrow(FrameRefusedError);
  });

  test('knows about how large a request will be', () => {
    for (const request of requests) {
      expect(weightOf(request)).toBeGreaterThanOrEqual(
        encodeRequest(2 ** 40, 10_000, request).length,
      );
    }
  });
});

function isAccepted(wire: readonly unknown[]): boolean {
  try {
    decodeRequest(packr.pack(wire));
    return true;
  } catch (error) {
    if (error instanceof FrameRefusedError) return false;
    throw error;
  }
}

/** As it comes out of the decoder: bytes are buffers. */
function plain(message: object): object {
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(bufferOf) : bufferOf(value),
    ]),
  );
}

function bufferOf(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}
