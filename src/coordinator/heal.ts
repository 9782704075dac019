import type { NodeId } from '../ids.ts';
import type { Attempt } from './attempt.ts';
import { ReadRound } from './read-round.ts';
import { isEnoughToHeal } from './replica-side.ts';

/**
 * Heals damaged copies of a key by what the other replicas hold together. They are asked anew: an
 * answer given before the damage was seen may miss a write that the damaged copy had acknowledged
 * since. False when too few others answered.
 */
export async function healCopies(attempt: Attempt, damaged: readonly NodeId[]): Promise<boolean> {
  const { ring, partition, key, nodes } = attempt;
  const source = nodes.find((node) => !damaged.includes(node));
  const round = new ReadRound(attempt, 'quorum', source);
  await round.runToEnd();
  const sources = round.quorum.respondents;
  const healable = damaged.filter((node) => isEnoughToHeal(ring, partition, node, sources));
  if (healable.length === 0) return false;
  const newest = await round.newestRecord();
  const request = {
    type: 'replica.heal',
    epoch: ring.epoch,
    key,
    record: newest?.bytes,
    sources,
  } as const;
  const answers = await attempt.gather<'replica.heal'>(healable, () => request, 'repair').rest();
  return answers.some((answer) => answer.ok);
}
