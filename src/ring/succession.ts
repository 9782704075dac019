/**
 * Which ring may follow upon which: what every acceptor checks before it votes. Four steps are legal:
 * into a transition, to another goal on the way (a fold), to its end, and other settings at rest.
 */
import type { Partition } from '../ids.ts';
import { type Member, sameMembers } from './member.ts';
import type { RingWish } from './next-ring.ts';
import { type ReplicaSet, sameReplicas } from './replica-set.ts';
import type { Ring } from './ring.ts';
import { sentAwayBy } from './sent-away.ts';

/** Why `after` may not come next after `before`, in words; `undefined` when it may. */
export function flawOfSuccession(before: Ring, after: Ring): string | undefined {
  if (after.epoch !== before.epoch + 1) return 'another epoch than the next';
  if (!isOfSameCluster(before, after) || !isOfSameLineage(before, after))
    return 'another cluster, lineage, seed or partition count';
  if (after.versionsAboveMs < before.versionsAboveMs) return 'a bound of versions that goes back';
  if (!after.givenUp.every((address) => before.givenUp.includes(address)))
    return 'more members given up than by force';
  if (after.sentAway.join() !== sentAwayBy(before, after.members).join())
    return 'others sent away than were asked to leave and did';
  const flaw = flawOfLeases(before, after);
  if (flaw !== undefined) return flaw;
  if (after.next !== undefined) return flawOfJoint(before, after);
  return before.next === undefined ? flawOfSettings(before, after) : flawOfEnd(before, after);
}

/**
 * Members that do not hear of the ring serve on, on the terms of the one before, for as long as a grace
 * period of that; the others go on without them after three of the new one. So it shrinks in steps, and the
 * next step takes that all members hold the one before (`settings-agreement.ts`).
 */
function flawOfLeases(before: Ring, after: Ring): string | undefined {
  if (before.lastSurvivor === 'wait' && after.lastSurvivor === 'use')
    return 'survivors that go on before that was announced';
  if (after.graceMs < leastGraceMs(before)) return 'a grace period that shrinks too much at once';
  return undefined;
}

/** The shortest grace period that may follow. */
function leastGraceMs({ graceMs }: Ring): number {
  return Math.ceil(graceMs / 2);
}

/** What to ask of the next ring on the way to other terms, in steps that all members follow. */
export function nextTerms(
  ring: Ring,
  { graceMs, lastSurvivor }: Pick<RingWish, 'graceMs' | 'lastSurvivor'>,
): Pick<RingWish, 'graceMs' | 'lastSurvivor'> {
  const isToBeAnnounced = ring.lastSurvivor === 'wait' && lastSurvivor === 'use';
  return {
    ...(graceMs === undefined ? {} : { graceMs: Math.max(graceMs, leastGraceMs(ring)) }),
    ...(lastSurvivor === undefined
      ? {}
      : { lastSurvivor: isToBeAnnounced ? 'announced' : lastSurvivor }),
  };
}

function isOfSameLineage(a: Ring, b: Ring): boolean {
  return a.lineage === b.lineage && a.formers.join() === b.formers.join();
}

export function isOfSameCluster(a: Ring, b: Ring): boolean {
  return (
    a.clusterId === b.clusterId &&
    a.clusterName === b.clusterName &&
    a.hashSeed === b.hashSeed &&
    a.partitionCount === b.partitionCount
  );
}

/** The old sets stay, or shrink to their survivors; nobody is dropped, and who leaves is not wanted. */
function flawOfJoint(before: Ring, after: Ring): string | undefined {
  for (const { id } of before.members) {
    if (after.member(id) === undefined) return 'a member dropped before the end of the transition';
  }
  for (const { id, joining } of after.members) {
    if (joining !== (before.member(id)?.joining ?? true)) return 'a vote given or taken on the way';
  }
  if (!before.recovering.every((partition) => after.recovering.includes(partition)))
    return 'a recovery forgotten';
  for (const [number, old] of before.assignment.entries()) {
    const now = after.assignment[number] ?? [];
    const isRecovering = after.recovering.includes(number as Partition);
    const isPart = now.every((id) => old.includes(id));
    const isWhole = isPart && now.length === old.length;
    const isAllowed = isWhole || (isRecovering && (isPart || beginsAnew(after, number, old)));
    if (!isAllowed) return 'another old replica set';
  }
  const leaving = new Set(after.members.filter(leaves).map(({ id }) => id));
  if (after.next?.some((wanted) => wanted.some((id) => leaving.has(id))))
    return 'a leaving member that is wanted';
  return undefined;
}

/** All that kept the partition were given up: it begins anew with those that are to keep it. */
function beginsAnew(after: Ring, number: number, old: ReplicaSet): boolean {
  const areGone = old.every((id) => after.member(id)?.leaving === 'replaced');
  return areGone && sameReplicas(after.assignment[number] ?? [], after.next?.[number] ?? []);
}

function flawOfEnd(before: Ring, after: Ring): string | undefined {
  const staying = before.members
    .filter((member) => !leaves(member))
    .map((member) => ({ ...member, joining: false }));
  if (!sameMembers(staying, after.members)) return 'other members than stay';
  if (JSON.stringify(before.next) !== JSON.stringify(after.assignment))
    return 'other replicas than were wanted';
  return undefined;
}

function flawOfSettings(before: Ring, after: Ring): string | undefined {
  const ids = (ring: Ring): string => ring.members.map(({ id }) => id).join();
  if (ids(before) !== ids(after)) return 'other members without a transition';
  if (after.members.some(leaves)) return 'a leaving member without a transition';
  const same = before.assignment.every((replicas, partition) =>
    sameReplicas(replicas, after.assignment[partition] ?? []),
  );
  return same ? undefined : 'other replicas without a transition';
}

function leaves({ leaving }: Member): boolean {
  return leaving !== 'no';
}
