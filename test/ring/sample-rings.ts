import type { Address, ClusterId, Epoch, Lineage, NodeId, Partition } from '../../src/ids.ts';
import { assign } from '../../src/ring/assignment.ts';
import type { Member } from '../../src/ring/member.ts';
import { formRing, Ring } from '../../src/ring/ring.ts';
import { membersFrom } from './placement.ts';

const CLUSTER = {
  clusterId: 'c1'.repeat(16) as ClusterId,
  lineage: '1a'.repeat(8) as Lineage,
  clusterName: 'test',
  hashSeed: 0xfedc_ba98_7654_3210n,
  lastSurvivor: 'use',
  graceMs: 60_000,
} as const;

export function ringOf(
  founders: readonly Member[],
  { replicationFactor = 3, partitionCount = 16 } = {},
): Ring {
  return formRing({ ...CLUSTER, replicationFactor, partitionCount, founders });
}

/** The joint ring on the way from `ring` to one with these members. */
export function jointRing(ring: Ring, members: readonly Member[]): Ring {
  const { assignment, partitionCount, replicationFactor } = ring;
  const next = assign({ previous: assignment, members, partitionCount, replicationFactor });
  const newcomers = members.map((one) => ({ ...one, joining: ring.member(one.id) === undefined }));
  const both = new Map([...newcomers, ...ring.members].map((one) => [one.id, one]));
  const epoch = (ring.epoch + 1) as Epoch;
  return new Ring({ ...ring, epoch, members: [...both.values()], next });
}

/** Rings of every kind that the codec distinguishes. */
export const SAMPLE_RINGS: readonly (readonly [string, Ring])[] = [
  ['one node alone', ringOf(membersFrom(1, 1), { partitionCount: 1 })],
  ['five nodes at rest', ringOf(membersFrom(1, 5))],
  ['a joint ring', jointRing(ringOf(membersFrom(1, 3)), membersFrom(2, 4))],
  [
    'a joint ring of survivors',
    new Ring({
      ...jointRing(ringOf(membersFrom(1, 3)), membersFrom(2, 4)),
      recovering: [0, 3, 15] as Partition[],
    }),
  ],
  [
    'a ring of a lineage that was forced twice',
    new Ring({
      ...ringOf(membersFrom(1, 2)),
      lineage: '3c'.repeat(8) as Lineage,
      formers: ['2b'.repeat(8), '1a'.repeat(8)] as Lineage[],
      givenUp: ['node9:7400', '[::1]:7401'] as Address[],
      sentAway: ['f1'.repeat(8), 'e2'.repeat(8)] as NodeId[],
      versionsAboveMs: 1_767_225_600_000,
    }),
  ],
  [
    'zones, weights and an IPv6 address',
    new Ring({
      ...ringOf(membersFrom(1, 4), { replicationFactor: 2, partitionCount: 4 }),
      epoch: (2 ** 48 - 1) as Epoch,
      lastSurvivor: 'wait',
      members: membersFrom(1, 4).map((one) => ({
        ...one,
        address: '[::1]:7400' as Address,
        zone: 'z'.repeat(255),
        weight: 65_535,
        leaving: 'asked',
      })),
    }),
  ],
];
