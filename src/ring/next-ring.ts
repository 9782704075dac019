/**
 * What may come after a ring. Data moves in two steps: a *joint* ring, in which the old replica sets
 * and the wanted ones both count, and, when every wanted replica has pulled, the *settled* one. If what
 * is wanted changes on the way, another joint ring follows (a fold): the old sets stay, because they
 * alone are known to hold everything.
 */
import type { Epoch, NodeId, Partition } from '../ids.ts';
import { invariant } from '../invariant.ts';
import { assign } from './assignment.ts';
import { type Member, sameMembers } from './member.ts';
import { inTransition, pullsNeeded } from './pulls.ts';
import { type Assignment, sameReplicas } from './replica-set.ts';
import { Ring } from './ring.ts';
import type { LastSurvivorRule, RingParts } from './ring-parts.ts';
import { sentAwayBy } from './sent-away.ts';

/** What is to be different; what is not named stays. */
export interface RingWish {
  /** All members, those that leave included. */
  readonly members?: readonly Member[];
  readonly replicationFactor?: number;
  readonly graceMs?: number;
  readonly lastSurvivor?: LastSurvivorRule;
}

/**
 * The next ring on the way to `wish`: a joint one where somebody has to come, go or pull, else the same
 * ring with other settings. `undefined` when nothing would change, or nobody would be left.
 */
export function changedRing(ring: Ring, wish: RingWish): Ring | undefined {
  const { members = ring.members } = wish;
  const sentAway = sentAwayBy(ring, members);
  const parts = { ...ring, ...wish, sentAway, epoch: epochAfter(ring) };
  const next = wantedAssignment(ring, parts);
  if (next === undefined) return undefined;
  const changed = new Ring({ ...parts, next });
  if (ring.next !== undefined) return isSameFold(ring, changed) ? undefined : changed;
  if (moves(ring, changed)) return changed;
  const settled = new Ring({ ...parts, next: undefined });
  return isSameRing(ring, settled) ? undefined : settled;
}

/** The ring after a joint one, when every wanted replica has pulled. */
export function settledRing(ring: Ring): Ring {
  invariant(ring.next !== undefined, 'a joint ring');
  const members = ring.members
    .filter(({ leaving }) => leaving === 'no')
    .map((member) => ({ ...member, joining: false }));
  const inhabited = new Set(members.map(({ address }) => address));
  return new Ring({
    ...ring,
    epoch: epochAfter(ring),
    members,
    givenUp: ring.givenUp.filter((address) => !inhabited.has(address)),
    sentAway: sentAwayBy(ring, members),
    assignment: ring.next,
    next: undefined,
    recovering: [],
  });
}

/** The same again under the next epoch: it ends what members agreed to for the present one. */
export function renewedRing(ring: Ring): Ring {
  return new Ring({ ...ring, epoch: epochAfter(ring) });
}

/**
 * A joint ring that goes on without the `missing` members where too few other replicas are left to
 * recover all that was acknowledged: there the old set is what survives of it. A partition of which
 * nothing survives keeps its old set, and waits. `undefined` when no partition is so far gone.
 * No version that was drawn before lies beyond `versionsAboveMs`. `blocked`: partitions for which the same is
 * to be done because the copies of others are damaged.
 */
export function survivorsRing(
  ring: Ring,
  missing: ReadonlySet<NodeId>,
  versionsAboveMs: number,
  blocked: readonly Partition[] = [],
): Ring | undefined {
  const parts = { ...ring, members: withoutMissing(ring.members, missing), versionsAboveMs };
  const partitions = new Set([...partitionsLost(ring, missing), ...blocked]);
  return recoveringRing(ring, parts, missing, [...partitions]);
}

/**
 * The same when an operator gave the `missing` up for good: a partition of which nothing survives does not
 * wait, but begins anew with those that are to keep it. What they had pulled of it is brought together.
 */
export function givenUpRing(
  ring: Ring,
  missing: ReadonlySet<NodeId>,
  versionsAboveMs: number,
): Ring | undefined {
  const members = ring.members.map(
    (member): Member => (missing.has(member.id) ? { ...member, leaving: 'replaced' } : member),
  );
  const parts = { ...ring, members, versionsAboveMs };
  return recoveringRing(ring, parts, missing, partitionsShort(ring, missing));
}

function recoveringRing(
  ring: Ring,
  wish: RingParts,
  missing: ReadonlySet<NodeId>,
  partitions: readonly Partition[],
): Ring | undefined {
  if (partitions.length === 0) return undefined;
  const recovering = [...new Set([...ring.recovering, ...partitions])].sort((a, b) => a - b);
  const versionsAboveMs = Math.max(ring.versionsAboveMs, wish.versionsAboveMs);
  const parts = { ...wish, versionsAboveMs, recovering, epoch: epochAfter(ring) };
  const next = wantedAssignment(ring, parts);
  if (next === undefined) return undefined;
  const assignment = ring.assignment.map((replicas, number) => {
    if (!partitions.includes(number as Partition)) return replicas;
    const survivors = replicas.filter((id) => !missing.has(id));
    return survivors.length > 0 ? survivors : (next[number] ?? []);
  });
  return new Ring({ ...parts, assignment, next });
}

/** Partitions that cannot be recovered in full without `missing`, and of which something survives. */
export function partitionsLost(ring: Ring, missing: ReadonlySet<NodeId>): readonly Partition[] {
  return partitionsShort(ring, missing).filter((partition) =>
    ring.assignment[partition]?.some((id) => !missing.has(id)),
  );
}

/** Partitions that have fewer old replicas without `missing` than a lossless recovery needs. */
export function partitionsShort(ring: Ring, missing: ReadonlySet<NodeId>): readonly Partition[] {
  return ring.assignment.flatMap((replicas, number) => {
    const partition = number as Partition;
    const left = replicas.filter((id) => !missing.has(id)).length;
    return left < pullsNeeded(ring, partition) ? [partition] : [];
  });
}

/**
 * Partitions of a joint ring of which something is left without `missing`, and of which fewer old replicas are
 * sound than it takes to pull from. `unsound`: damaged copies, by the word of those who have them. What is left
 * has to answer altogether from then on, so a partition waits as long as some of that said nothing.
 */
export function partitionsWithoutEnoughSound(
  ring: Ring,
  missing: ReadonlySet<NodeId>,
  unsound: ReadonlyMap<NodeId, ReadonlySet<Partition>>,
): readonly Partition[] {
  return ring.assignment.flatMap((replicas, number) => {
    const partition = number as Partition;
    if (!inTransition(ring, partition) || ring.recovering.includes(partition)) return [];
    const left = replicas.filter((id) => !missing.has(id));
    const sound = left.filter((id) => unsound.get(id)?.has(partition) === false);
    const isAllTold = left.length > 0 && left.every((id) => unsound.has(id));
    return isAllTold && sound.length < pullsNeeded(ring, partition) ? [partition] : [];
  });
}

/** `members` with the missing ones on their way out. */
export function withoutMissing(
  members: readonly Member[],
  missing: ReadonlySet<NodeId>,
): readonly Member[] {
  return members.map((member) =>
    missing.has(member.id) && member.leaving === 'no' ? { ...member, leaving: 'replaced' } : member,
  );
}

function wantedAssignment(
  ring: Ring,
  wish: Pick<Ring, 'members' | 'replicationFactor'>,
): Assignment | undefined {
  const members = wish.members.filter(({ leaving }) => leaving === 'no');
  if (members.length === 0) return undefined;
  const { partitionCount } = ring;
  const { replicationFactor } = wish;
  return assign({ previous: settledOrUnderWay(ring), members, partitionCount, replicationFactor });
}

/** Whoever keeps a partition, or is pulling it already, is to go on where it may. */
function settledOrUnderWay({ assignment, next }: Ring): Assignment {
  if (next === undefined) return assignment;
  return assignment.map((replicas, partition) => [
    ...new Set([...(next[partition] ?? []), ...replicas]),
  ]);
}

function moves(before: Ring, after: Ring): boolean {
  if (!haveSameStanding(before, after)) return true;
  return after.assignment.some((_, number) => inTransition(after, number as Partition));
}

function haveSameStanding(a: Ring, b: Ring): boolean {
  const of = ({ members }: Ring): string =>
    members.map(({ id, leaving }) => `${id} ${leaving}`).join();
  return of(a) === of(b);
}

function isSameFold(before: Ring, after: Ring): boolean {
  return (
    isSameRing(before, after) &&
    (after.next ?? []).every((wanted, partition) =>
      sameReplicas(wanted, before.next?.[partition] ?? []),
    )
  );
}

/** Apart from the epoch and what is assigned. */
function isSameRing(before: Ring, after: Ring): boolean {
  return (
    before.replicationFactor === after.replicationFactor &&
    before.graceMs === after.graceMs &&
    before.lastSurvivor === after.lastSurvivor &&
    sameMembers(before.members, after.members)
  );
}

function epochAfter({ epoch }: Ring): Epoch {
  return (epoch + 1) as Epoch;
}
