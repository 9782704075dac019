/**
 * Where another node's copy of a partition differs from the own one: told by few bytes where they are
 * equal, which most are. The branches first; then, of the branches that differ, those leaves of which the
 * numbers of records do not decide.
 */
import type { Epoch, Partition } from '../ids.ts';
import { BranchDigests } from '../merkle/branch-digests.ts';
import { LeafDigests } from '../merkle/leaf-digests.ts';
import { encodeLeaves, type LeafSet } from '../merkle/leaf-set.ts';
import type { ReplyOf, RequestOf } from '../rpc/messages.ts';

export interface Difference {
  readonly leaves: LeafSet;
  /** How many records the other copy holds in each of them, where it holds any. */
  readonly theirCounts: ReadonlyMap<number, number>;
}

export type ComparisonRequest = 'transfer.branches' | 'transfer.digests';

/** Puts a question to the other node; `undefined` when there is no answer. */
export type AskOther = <Type extends ComparisonRequest>(
  request: RequestOf<Type>,
) => Promise<ReplyOf<Type> | undefined>;

/**
 * Compares with `own`. Both sides walk at the same time if it is not there yet: the closer, the less that
 * clients wrote meanwhile differs.
 */
export async function differenceFrom(
  own: LeafDigests | Promise<LeafDigests>,
  place: { readonly epoch: Epoch; readonly partition: Partition },
  ask: AskOther,
): Promise<Difference | 'no answer' | 'unreadable'> {
  const question = { type: 'transfer.branches', ...place } as const;
  const [reply, ours] = await Promise.all([ask<'transfer.branches'>(question), own]);
  if (reply === undefined) return 'no answer';
  const branches = BranchDigests.decode(reply.branches);
  if (branches === undefined) return 'unreadable';
  const { differing, undecided } = BranchDigests.of(ours).compare(branches);
  const more = await differingOf(undecided, ours, place, ask);
  if (typeof more === 'string') return more;
  const theirCounts = new Map<number, number>();
  for (const leaf of differing) theirCounts.set(leaf, branches.countOf(leaf));
  // Should the other disk lose a record in between, what it said first is what it owes.
  for (const [leaf, count] of more) theirCounts.set(leaf, Math.max(count, branches.countOf(leaf)));
  const leaves = new Set(theirCounts.keys());
  for (const [leaf, count] of theirCounts) if (count === 0) theirCounts.delete(leaf);
  return { leaves, theirCounts };
}

/** Those of `leaves` that differ, with the number of records that the other copy holds. */
async function differingOf(
  leaves: LeafSet,
  ours: LeafDigests,
  place: { readonly epoch: Epoch; readonly partition: Partition },
  ask: AskOther,
): Promise<ReadonlyMap<number, number> | 'no answer' | 'unreadable'> {
  if (leaves.size === 0) return new Map();
  const question = { type: 'transfer.digests', ...place, leaves: encodeLeaves(leaves) } as const;
  const reply = await ask<'transfer.digests'>(question);
  if (reply === undefined) return 'no answer';
  const theirs = LeafDigests.decode(reply.digests);
  if (theirs === undefined) return 'unreadable';
  const differing = ours.only(leaves).differingFrom(theirs.only(leaves));
  return new Map([...differing].map((leaf) => [leaf, theirs.countOf(leaf)]));
}
