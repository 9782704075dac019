/** At least one request and reply of every type; with and without whatever may be absent. */
import type { Epoch, Incarnation, Key, NodeId } from '../../src/ids.ts';
import type { ReplyOf, RequestOf, RequestType } from '../../src/rpc/messages.ts';
import { formatVersion } from '../../src/version/version.ts';

type Samples = {
  readonly [Type in RequestType]: {
    readonly requests: readonly [RequestOf<Type>, ...RequestOf<Type>[]];
    readonly replies: readonly [ReplyOf<Type>, ...ReplyOf<Type>[]];
  };
};

const node = '00112233aabbccdd' as NodeId;
const other = 'ffffffffffffffff' as NodeId;
const epoch = 7 as Epoch;
const key = 'müsli/__proto__/🔑' as Key;
const record = Uint8Array.from({ length: 300 }, (_, index) => index % 256);
const ring = Uint8Array.from([1, 2, 3]);
const ballot = '000000000001-00112233aabbccdd';
const version = formatVersion({
  physical: 1_767_225_600_000,
  logical: 3,
  node,
  incarnation: 2 as Incarnation,
});

export const MESSAGE_SAMPLES: Samples = {
  'replica.version': {
    requests: [{ type: 'replica.version', epoch, key }],
    replies: [
      { version, tombstone: false, pressure: 'none' },
      { version: undefined, tombstone: true, pressure: 'overloaded' },
    ],
  },
  'replica.read': {
    requests: [{ type: 'replica.read', epoch, key }],
    replies: [{ record }, { record: undefined }],
  },
  'replica.write': {
    requests: [{ type: 'replica.write', epoch, record }],
    replies: [{ version }],
  },
  'replica.repair': {
    requests: [{ type: 'replica.repair', epoch: (2 ** 32 - 1) as Epoch, record }],
    replies: [{ version }],
  },
  'replica.heal': {
    requests: [
      { type: 'replica.heal', epoch, key, record, sources: [node, other] },
      { type: 'replica.heal', epoch, key, record: undefined, sources: [] },
    ],
    replies: [{}],
  },
  'membership.ping': {
    requests: [
      { type: 'membership.ping', epoch: 0 },
      { type: 'membership.ping', epoch },
    ],
    replies: [
      { epoch, wallMs: 1_767_225_600_123.456, hybridMs: 1_767_225_600_124 },
      { epoch: 0, wallMs: 0, hybridMs: 0 },
    ],
  },
  'membership.ring': {
    requests: [{ type: 'membership.ring' }],
    replies: [{ ring }, { ring: undefined }],
  },
  'membership.introduce': {
    requests: [{ type: 'membership.introduce' }],
    replies: [
      {
        node,
        name: 'node1',
        address: '[::1]:7400',
        zone: 'default',
        weight: 100,
        nonce: '00112233445566778899aabbccddeeff',
        founders: ['node1:7400', 'node2:7400'],
        clusterName: 'quorate',
        replicationFactor: 3,
        partitionCount: 256,
        epoch: 0,
      },
    ],
  },
  'ring.prepare': {
    requests: [{ type: 'ring.prepare', epoch, ballot }],
    replies: [
      { promised: true, ballot, acceptedBallot: ballot, acceptedRing: ring },
      { promised: false, ballot, acceptedBallot: undefined, acceptedRing: undefined },
    ],
  },
  'ring.accept': {
    requests: [{ type: 'ring.accept', epoch, ballot, ring }],
    replies: [{ accepted: false, ballot }],
  },
  'ring.decided': {
    requests: [{ type: 'ring.decided', ring }],
    replies: [{}],
  },
  'member.status': {
    requests: [{ type: 'member.status' }],
    replies: [{ keys: 2 ** 40, epoch: 0, ready: false }],
  },
};

export const MESSAGE_TYPES = Object.keys(MESSAGE_SAMPLES) as RequestType[];
