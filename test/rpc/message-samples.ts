/** At least one request and reply of every type; with and without whatever may be absent. */
import type { Address, Epoch, Incarnation, Key, NodeId, Partition } from '../../src/ids.ts';
import type { NewsLine, ReplyOf, RequestOf, RequestType } from '../../src/rpc/messages.ts';
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
const partition = 0 as Partition;
const leaves = new Uint8Array(32).fill(0xa5);
const ring = Uint8Array.from([1, 2, 3]);
const ballot = '000000000001-00112233aabbccdd';
const bound = { life: 'f'.repeat(32), startBoundMs: 1_767_225_600_000, boundMs: 2 ** 52 };
const ticket = { life: 'f'.repeat(32), foundMs: 1_234.567 };
const gossip: readonly NewsLine[] = [
  [node, 'alive', 2 ** 20, undefined],
  [other, 'suspect', 2 ** 52 - 1, node],
  [node, 'left', 1, undefined],
];
const version = formatVersion({
  physical: 1_767_225_600_000,
  logical: 3,
  node,
  incarnation: 2 as Incarnation,
});

export const MESSAGE_SAMPLES: Samples = {
  'replica.version': {
    requests: [{ type: 'replica.version', epoch, key, level: 'one' }],
    replies: [
      { version, tombstone: false, pressure: 'none' },
      { version: undefined, tombstone: true, pressure: 'overloaded' },
    ],
  },
  'replica.read': {
    requests: [{ type: 'replica.read', epoch, key, level: 'quorum' }],
    replies: [{ record }, { record: undefined }],
  },
  'replica.write': {
    requests: [{ type: 'replica.write', epoch, record, level: 'one' }],
    replies: [{ version }],
  },
  'replica.repair': {
    requests: [{ type: 'replica.repair', epoch: (2 ** 32 - 1) as Epoch, record }],
    replies: [{ version }],
  },
  'replica.heal': {
    requests: [
      { type: 'replica.heal', epoch, key, record, sources: [node, other], ...ticket },
      { type: 'replica.heal', epoch, key, record: undefined, sources: [], ...ticket },
    ],
    replies: [{}],
  },
  'transfer.branches': {
    requests: [{ type: 'transfer.branches', epoch, partition: 65_535 as Partition }],
    replies: [{ branches: record }],
  },
  'transfer.digests': {
    requests: [{ type: 'transfer.digests', epoch, partition, leaves }],
    replies: [{ digests: record }],
  },
  'transfer.records': {
    requests: [
      { type: 'transfer.records', epoch, partition, leaves, after: key },
      { type: 'transfer.records', epoch, partition, leaves, after: undefined },
    ],
    replies: [
      { records: [record, record], next: key },
      { records: [], next: undefined },
    ],
  },
  'swim.ping': {
    requests: [
      { type: 'swim.ping', epoch: 0, life: '', startBoundMs: 0, boundMs: 0, lives: [], gossip: [] },
      {
        type: 'swim.ping',
        epoch,
        life: 'f'.repeat(32),
        startBoundMs: 1_767_225_600_000,
        boundMs: 2 ** 52,
        lives: [
          [node, 'f'.repeat(32)],
          [other, '0'.repeat(32)],
        ],
        gossip,
      },
    ],
    replies: [
      { epoch, lends: true, wallMs: 1_767_225_600_123.456, hybridMs: 1_767_225_600_124, gossip },
      { epoch: 0, lends: false, wallMs: 0, hybridMs: 0, gossip: [] },
    ],
  },
  'swim.ping-req': {
    requests: [{ type: 'swim.ping-req', target: other, gossip }],
    replies: [
      { outcome: 'refused', address: undefined, gossip },
      { outcome: 'answered', address: 'node3:7400' as Address, gossip: [] },
    ],
  },
  'swim.sync': {
    requests: [{ type: 'swim.sync', members: gossip }],
    replies: [{ members: gossip }, { members: [] }],
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
        replicationFactorWished: true,
        partitionCount: 256,
        graceMs: 60_000,
        lastSurvivor: 'use',
        epoch: 0,
      },
    ],
  },
  'membership.confirm': {
    requests: [
      {
        type: 'membership.confirm',
        node,
        life: 'f'.repeat(32),
        other: ['0'.repeat(32), 1 as Incarnation, '[::1]:7400' as Address],
      },
    ],
    replies: [
      { answered: ['f'.repeat(32), 3 as Incarnation, 'node3:7400' as Address] },
      { answered: undefined },
    ],
  },
  'ring.prepare': {
    requests: [{ type: 'ring.prepare', register: 'next', epoch, ballot }],
    replies: [
      { promised: true, ballot, acceptedBallot: ballot, acceptedRing: ring, ...bound },
      { promised: false, ballot, acceptedBallot: undefined, acceptedRing: undefined, ...bound },
    ],
  },
  'ring.accept': {
    requests: [{ type: 'ring.accept', register: 'forced', epoch, ballot, ring }],
    replies: [{ accepted: false, ballot, ...bound }],
  },
  'ring.decided': {
    requests: [{ type: 'ring.decided', ring }],
    replies: [{}],
  },
  'ring.consent': {
    requests: [
      { type: 'ring.consent', epoch, missing: [node, other], to: 'survivors' },
      { type: 'ring.consent', epoch, missing: [], to: 'replacement' },
    ],
    replies: [{ agrees: true, ...bound }],
  },
  'membership.join': {
    requests: [
      {
        type: 'membership.join',
        node,
        name: 'node6',
        address: 'node6:7400' as Address,
        zone: 'default',
        weight: 1,
        clusterName: 'quorate',
        replicationFactor: undefined,
      },
    ],
    replies: [
      { state: 'member', why: '' },
      { state: 'never', why: 'w'.repeat(1_024) },
    ],
  },
  'member.status': {
    requests: [{ type: 'member.status' }],
    replies: [
      { keys: 2 ** 40, epoch: 0, ready: false, toPull: 12, pulled: 0, unsound: [] },
      {
        ...{ keys: 0, epoch, ready: true, toPull: 1, pulled: 1 },
        unsound: [0, 65_535] as Partition[],
      },
    ],
  },
};

export const MESSAGE_TYPES = Object.keys(MESSAGE_SAMPLES) as RequestType[];
