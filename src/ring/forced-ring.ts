/**
 * A forced ring goes on without members that an operator gave up, decided by all that are left, who are
 * too few for a majority. Nobody can tell whether the others decided something meanwhile. So it begins
 * another *lineage*, whose epochs lie far above all of the one before: messages of the two never mix, and
 * whoever still holds the former one takes the forced ring when it hears of it, or comes back as a new
 * member where that does not list it.
 */
import type { Address, Epoch, Lineage, NodeId, Partition } from '../ids.ts';
import { assign } from './assignment.ts';
import type { Member } from './member.ts';
import type { ReplicaSet } from './replica-set.ts';
import { Ring } from './ring.ts';
import { encodeRing } from './ring-codec.ts';
import { MAX_FORMERS, MAX_GIVEN_UP, MAX_REPLICATION_FACTOR } from './ring-parts.ts';
import { sentAwayBy } from './sent-away.ts';
import { isOfSameCluster } from './succession.ts';

/** More than any lineage lives to see. */
const EPOCHS_OF_A_LINEAGE = 1_000_000_000;

export interface Forced {
  /** The ring that all who are left hold. */
  readonly before: Ring;
  readonly gone: ReadonlySet<NodeId>;
  /** Drawn for this ring. */
  readonly lineage: Lineage;
  /** Rings that were forced upon the same one, may be in force somewhere, and are over with this one. */
  readonly over: readonly Ring[];
  /** The time that no version lies beyond that was drawn before, milliseconds. */
  readonly versionsAboveMs: number;
}

/**
 * Its old replica sets are what survives of the present ones, and of those that were wanted: any of them
 * may alone have an acknowledged write, so all have to be pulled from. What nothing survives of begins
 * anew. `undefined` when nobody would be left to keep anything.
 */
export function forcedRing(forced: Forced): Ring | undefined {
  const { before, gone, lineage, over } = forced;
  const members = stayingOf(before.voters.filter(({ id }) => !gone.has(id)));
  const staying = members.filter(({ leaving }) => leaving === 'no');
  if (staying.length === 0) return undefined;
  const left = new Set(members.map(({ id }) => id));
  const old = before.assignment.map((_, number) => survivorsOf(before, number, left));
  const { partitionCount, replicationFactor } = before;
  const next = assign({ previous: old, members: staying, partitionCount, replicationFactor });
  return new Ring({
    ...before,
    ...{ lineage, members, next },
    epoch: epochBeyond([before, ...over]),
    formers: formersOf([...over, before], lineage),
    givenUp: givenUpBy(before, members),
    sentAway: sentAwayBy(before, members),
    versionsAboveMs: Math.max(before.versionsAboveMs, forced.versionsAboveMs),
    assignment: old.map((survivors, number) =>
      survivors.length > 0 ? survivors : (next[number] ?? []),
    ),
    recovering: partitionsOf(before).filter(
      (partition) => before.recovering.includes(partition) || !isWhole(before, partition, left),
    ),
  });
}

/** Where all that are left were on their way out, they stay after all. */
function stayingOf(left: readonly Member[]): readonly Member[] {
  if (left.some(({ leaving }) => leaving === 'no')) return left;
  return left.map((member) => ({ ...member, leaving: 'no' }));
}

/**
 * The partitions of which no replica is left without `gone`: what was kept in them is lost. Those that
 * were only to get a copy may have a part of it.
 */
export function partitionsWithoutCopy(
  { assignment }: Ring,
  gone: ReadonlySet<NodeId>,
): readonly Partition[] {
  return assignment.flatMap((replicas, number) =>
    replicas.every((id) => gone.has(id)) ? [number as Partition] : [],
  );
}

/** Whether enough voters are left without `gone` to decide a ring in the ordinary way. */
export function isMajorityLeft({ voters }: Ring, gone: ReadonlySet<NodeId>): boolean {
  return 2 * voters.filter(({ id }) => !gone.has(id)).length > voters.length;
}

/** Why `after` may not be forced upon `before`, in words; `undefined` when it may. */
export function flawOfForced(before: Ring, after: Ring): string | undefined {
  if (!isOfSameCluster(before, after)) return 'another cluster, seed or partition count';
  if (after.lineage === before.lineage || !after.formers.includes(before.lineage))
    return 'a lineage that does not go on from this one';
  if (after.epoch <= before.epoch || after.epoch % EPOCHS_OF_A_LINEAGE !== 0)
    return 'an epoch that does not begin a lineage';
  const left = new Set(after.members.map(({ id }) => id));
  const gone = new Set(before.members.map(({ id }) => id).filter((id) => !left.has(id)));
  const { lineage, versionsAboveMs } = after;
  const drawn = forcedRing({ before, gone, lineage, over: [], versionsAboveMs });
  return drawn !== undefined && sameContent(drawn, after) ? undefined : 'other members or replicas';
}

function partitionsOf({ partitionCount }: Ring): readonly Partition[] {
  return Array.from({ length: partitionCount }, (_, number) => number as Partition);
}

function survivorsOf(ring: Ring, number: number, left: ReadonlySet<NodeId>): ReplicaSet {
  const old = ring.assignment[number] ?? [];
  if (isWhole(ring, number as Partition, left)) return old;
  const all = new Set([...old, ...(ring.next?.[number] ?? [])]);
  return [...all].filter((id) => left.has(id)).slice(0, MAX_REPLICATION_FACTOR);
}

/** Whether all that keep the partition are left. */
function isWhole(ring: Ring, partition: Partition, left: ReadonlySet<NodeId>): boolean {
  return ring.assignment[partition]?.every((id) => left.has(id)) === true;
}

function epochBeyond(rings: readonly Ring[]): Epoch {
  const epoch = Math.max(...rings.map((ring) => ring.epoch));
  return ((Math.floor(epoch / EPOCHS_OF_A_LINEAGE) + 1) * EPOCHS_OF_A_LINEAGE) as Epoch;
}

function formersOf(rings: readonly Ring[], own: Lineage): readonly Lineage[] {
  const formers = new Set(rings.flatMap(({ lineage, formers }) => [lineage, ...formers]));
  formers.delete(own);
  return [...formers].slice(0, MAX_FORMERS);
}

function givenUpBy(before: Ring, left: readonly Member[]): readonly Address[] {
  const lived = [...before.givenUp, ...before.members.map(({ address }) => address)];
  const alive = new Set(left.map(({ address }) => address));
  return [...new Set(lived)].filter((address) => !alive.has(address)).slice(-MAX_GIVEN_UP);
}

/** Apart from the place in the line of lineages. */
function sameContent(a: Ring, b: Ring): boolean {
  const { lineage, epoch, formers } = a;
  const moved = new Ring({ ...b, lineage, epoch, formers });
  return Buffer.compare(encodeRing(a), encodeRing(moved)) === 0;
}
