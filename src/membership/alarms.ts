/** What somebody should look at, in sentences, as one node sees its cluster. */
import type { NodeId, Partition } from '../ids.ts';
import { isMajorityLeft, partitionsWithoutCopy } from '../ring/forced-ring.ts';
import { partitionsShort } from '../ring/next-ring.ts';
import type { Ring } from '../ring/ring.ts';
import { SURVIVORS_WAIT_GRACES } from './consent.ts';

export const FROZEN =
  'replacement is frozen: too many members are dead at once, so none is replaced; start them again, or ' +
  'remove those that are gone for good';

/** What has stopped because too many members are dead at once. */
export interface Frozen {
  /** Replacement: those count whose replacement is not decided yet. */
  readonly replacement: boolean;
  /** Going on with survivors alone: all dead members count, because what they knew would be given up. */
  readonly survivors: boolean;
}

export interface Seen {
  readonly ring: Ring;
  /** Members that this node believes dead. */
  readonly dead: ReadonlySet<NodeId>;
  readonly frozen: Frozen;
}

/** Empty when all is well. */
export function alarmsOf(seen: Seen): readonly string[] {
  return [
    ...(seen.frozen.replacement ? [FROZEN] : []),
    tooFewMembers(seen.ring),
    withoutCopy(seen),
    withTooFewCopies(seen),
  ].filter((alarm) => alarm !== undefined);
}

/** `unsound`: how many partitions each member could not hand out for long, because its copy is damaged. */
export function damagedCopies(ring: Ring, unsound: ReadonlyMap<NodeId, number>): readonly string[] {
  const what =
    ring.lastSurvivor === 'use'
      ? 'it goes on with what is left. If it does not, stop that node: started again after it was replaced, it ' +
        'offers what it has'
      : 'it waits for you: stop that node, and give up those that are gone for good (quorate node remove --force)';
  return [...unsound]
    .filter(([, partitions]) => partitions > 0)
    .map(
      ([id, partitions]) =>
        `${ring.member(id)?.name ?? id} has damaged copies of ${partitions} partitions that a transition needs, and ` +
        `too few others are there to heal them from; ${what}. Its disk should be looked at`,
    )
    .sort();
}

/** Those on their way out do not count: the copies that they have are to be somewhere else. */
export function tooFewMembers({ members, replicationFactor }: Ring): string | undefined {
  const { length } = members.filter(({ leaving }) => leaving === 'no');
  if (length >= replicationFactor) return undefined;
  return `fewer members (${length}) than the replication factor (${replicationFactor}): each keeps all keys`;
}

function withoutCopy(seen: Seen): string | undefined {
  const { ring, dead } = seen;
  const partitions = partitionsWithoutCopy(ring, dead);
  if (partitions.length === 0) return undefined;
  const waits = ring.next === undefined ? '' : ', and the transition waits';
  return (
    `no copy of ${countOf(partitions, ring)} is on a living member: requests for their keys fail${waits}; ` +
    startOrGiveUp(seen, partitions)
  );
}

/** Something is left of them, but nobody can tell from it what was acknowledged. */
function withTooFewCopies(seen: Seen): string | undefined {
  const { ring, dead } = seen;
  const without = new Set(partitionsWithoutCopy(ring, dead));
  const partitions = partitionsShort(ring, dead).filter((partition) => !without.has(partition));
  if (partitions.length === 0) return undefined;
  const seconds = (SURVIVORS_WAIT_GRACES * ring.graceMs) / 1_000;
  const goesOn = goesOnByItself(seen)
    ? `what survives goes on by itself after three grace periods (${seconds} s), without what only the ` +
      'others have; '
    : '';
  return (
    `too few copies of ${countOf(partitions, ring)} are on living members: requests for their keys ` +
    `fail at the levels quorum and all; ${goesOn}${startOrGiveUp(seen, partitions)}`
  );
}

function goesOnByItself({ ring, dead, frozen }: Seen): boolean {
  return ring.lastSurvivor === 'use' && !frozen.survivors && isMajorityLeft(ring, dead);
}

function startOrGiveUp(seen: Seen, partitions: readonly Partition[]): string {
  const names = goneFrom(seen, partitions);
  return (
    `start ${names.join(', ')} again with the old data, or, if gone for good: ` +
    `quorate node remove ${names.join(' ')} --force`
  );
}

/** Without a majority all that are dead have to be named, else those that kept these partitions. */
function goneFrom({ ring, dead }: Seen, partitions: readonly Partition[]): readonly string[] {
  const keepers = new Set(partitions.flatMap((partition) => ring.assignment[partition] ?? []));
  const isMeant = ({ id }: { readonly id: NodeId }): boolean =>
    dead.has(id) && (keepers.has(id) || !isMajorityLeft(ring, dead));
  return [...new Set(ring.members.filter(isMeant).map(({ name }) => name))].sort();
}

function countOf(partitions: readonly Partition[], ring: Ring): string {
  return `${partitions.length} of ${ring.partitionCount} partitions`;
}
