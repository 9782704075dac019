/** What a ring is made of, and the rules that hold in every ring, whoever made it. */
import type { Address, ClusterId, Epoch, Lineage, NodeId, Partition } from '../ids.ts';
import { LEAVING, MAX_WEIGHT, type Member } from './member.ts';
import type { Assignment } from './replica-set.ts';
import { MAX_PARTITIONS } from './token.ts';

/**
 * What to do for a partition when fewer of its replicas are left than a lossless recovery needs: go
 * on with those that are (`use`), or leave it to the operator (`wait`).
 */
export type LastSurvivor = 'use' | 'wait';

/**
 * The same as a ring has it. `announced`: it was `wait`, and all members ask for `use`. Under `wait` a part
 * that is cut off may go on serving for ever; so nobody goes on without others before all members hold a
 * ring under which they stop by themselves.
 */
export type LastSurvivorRule = LastSurvivor | 'announced';

export interface RingParts {
  readonly epoch: Epoch;
  readonly lineage: Lineage;
  /** The lineages that it goes on from, latest first: an operator forced the step from each to the next. */
  readonly formers: readonly Lineage[];
  /** Where those lived who were given up by force, and may live still: somebody has to tell them. */
  readonly givenUp: readonly Address[];
  /**
   * Who was asked to leave and did, the latest last. Those that missed it learn here that they are not to
   * come back by themselves.
   */
  readonly sentAway: readonly NodeId[];
  /**
   * Versions drawn under this ring lie above this time, milliseconds. Where it went on without all that was
   * acknowledged, that may come back, by clocks that were ahead; it must not win over what was written since.
   */
  readonly versionsAboveMs: number;
  readonly clusterId: ClusterId;
  readonly clusterName: string;
  /** 64 bits, unsigned; drawn when the cluster was formed. */
  readonly hashSeed: bigint;
  /** Copies wanted of each record; 1 to `MAX_REPLICATION_FACTOR`. */
  readonly replicationFactor: number;
  readonly lastSurvivor: LastSurvivorRule;
  /**
   * How long a member may be dead before it is replaced, milliseconds. Part of the ring because two
   * sides of a split rely on each other's: one stops serving after it, the other goes on after three.
   */
  readonly graceMs: number;
  /** A power of two, fixed for the life of the cluster. */
  readonly partitionCount: number;
  /** In order of their ids. */
  readonly members: readonly Member[];
  readonly assignment: Assignment;
  /** While the ring is joint: the assignment that will hold after it. */
  readonly next: Assignment | undefined;
  /**
   * While the ring is joint: partitions whose old set is only what survived of it, in ascending order.
   * All of it has to be pulled from.
   */
  readonly recovering: readonly Partition[];
}

export const MAX_REPLICATION_FACTOR = 7;
export const MAX_MEMBERS = 1024;
export const MAX_FORMERS = 16;
export const MAX_GIVEN_UP = 1024;
/** Who left before so many others did comes back as a new member, should it have missed all of it. */
export const MAX_SENT_AWAY = 64;
const MAX_EPOCH = 2 ** 48 - 1;
const MAX_TIME_MS = 2 ** 48 - 1;
/** A day. */
const MAX_GRACE_MS = 86_400_000;
const MAX_TEXT_LENGTH = 255;

/** Safe to show and to log: nothing in it can move a cursor or start a line. */
const PRINTABLE = /^[\x20-\x7e]+$/;
const ADDRESS = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;
const HEX_16 = /^[0-9a-f]{16}$/;
const HEX_32 = /^[0-9a-f]{32}$/;

/** What is wrong with `parts`, in words; `undefined` when they make a ring. They may come from a peer. */
export function flawOf(parts: RingParts): string | undefined {
  const { epoch, partitionCount, replicationFactor, hashSeed, graceMs } = parts;
  if (!isWhole(epoch, 1, MAX_EPOCH)) return 'an epoch out of range';
  if (!HEX_16.test(parts.lineage)) return 'a lineage that is none';
  if (!areFormers(parts)) return 'former lineages that are none, or too many';
  if (!areGivenUp(parts)) return 'addresses of given-up members that are none, or too many';
  if (!areSentAway(parts)) return 'ids of members that left that are none, or too many';
  if (!isWhole(parts.versionsAboveMs, 0, MAX_TIME_MS)) return 'a bound of versions out of range';
  if (!HEX_32.test(parts.clusterId)) return 'a cluster id that is none';
  if (!isText(parts.clusterName)) return 'an unreadable cluster name';
  if (hashSeed < 0n || hashSeed > 0xffff_ffff_ffff_ffffn) return 'a hash seed beyond 64 bits';
  if (!isWhole(replicationFactor, 1, MAX_REPLICATION_FACTOR))
    return 'a replication factor out of range';
  if (!isWhole(graceMs, 1, MAX_GRACE_MS)) return 'a grace period out of range';
  if (!isPartitionCount(partitionCount)) return 'a partition count that is no power of two';
  return flawOfMembers(parts) ?? flawOfAssignments(parts) ?? flawOfRecovering(parts);
}

function flawOfMembers({ members, next }: RingParts): string | undefined {
  if (!isWhole(members.length, 1, MAX_MEMBERS)) return 'too few or too many members';
  let before = '';
  for (const { id, name, address, zone, weight, leaving } of members) {
    if (!HEX_16.test(id)) return 'a node id that is none';
    if (id <= before) return 'members out of order, or one twice';
    if (!isText(name) || !isText(zone)) return 'an unreadable name';
    if (!isAddress(address)) return 'an address that is none';
    if (!isWhole(weight, 1, MAX_WEIGHT)) return 'a weight out of range';
    if (!LEAVING.includes(leaving)) return 'a member that neither stays nor leaves';
    before = id;
  }
  if (members.every(({ joining }) => joining)) return 'nobody who has a vote';
  if (next === undefined && members.some(({ joining }) => joining)) return 'a newcomer at rest';
  return undefined;
}

function flawOfAssignments({
  members,
  partitionCount,
  assignment,
  next,
}: RingParts): string | undefined {
  const known = new Set(members.map((member) => member.id));
  for (const sets of next === undefined ? [assignment] : [assignment, next]) {
    if (sets.length !== partitionCount) return 'an assignment of another number of partitions';
    for (const replicas of sets) {
      if (!isWhole(replicas.length, 1, MAX_REPLICATION_FACTOR))
        return 'too few or too many replicas';
      if (new Set(replicas).size !== replicas.length) return 'a replica twice in a set';
      if (!replicas.every((id) => known.has(id))) return 'a replica that is no member';
    }
  }
  return undefined;
}

function areFormers({ formers, lineage }: RingParts): boolean {
  const lineages = new Set([lineage, ...formers]);
  const areDistinct = lineages.size === formers.length + 1;
  return areDistinct && formers.length <= MAX_FORMERS && formers.every((each) => HEX_16.test(each));
}

function areGivenUp({ givenUp }: RingParts): boolean {
  const areDistinct = new Set(givenUp).size === givenUp.length;
  return areDistinct && givenUp.length <= MAX_GIVEN_UP && givenUp.every(isAddress);
}

function areSentAway({ sentAway, members }: RingParts): boolean {
  const areDistinct = new Set(sentAway).size === sentAway.length;
  const areGone = members.every(({ id }) => !sentAway.includes(id));
  const areIds = sentAway.every((id) => HEX_16.test(id));
  return areDistinct && areGone && areIds && sentAway.length <= MAX_SENT_AWAY;
}

function flawOfRecovering({ recovering, next, partitionCount }: RingParts): string | undefined {
  if (next === undefined && recovering.length > 0) return 'a recovery without a transition';
  let before = -1;
  for (const partition of recovering) {
    if (!isWhole(partition, before + 1, partitionCount - 1))
      return 'recovering partitions in disorder';
    before = partition;
  }
  return undefined;
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function isText(text: string): boolean {
  return text.length <= MAX_TEXT_LENGTH && PRINTABLE.test(text);
}

function isAddress(text: string): boolean {
  return isText(text) && ADDRESS.test(text);
}

function isPartitionCount(count: number): boolean {
  return isWhole(count, 1, MAX_PARTITIONS) && (count & (count - 1)) === 0;
}
