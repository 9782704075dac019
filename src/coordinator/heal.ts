import type { NodeId } from '../ids.ts';
import { invariant } from '../invariant.ts';
import type { RequestOf } from '../rpc/messages.ts';
import type { Attempt, DamagedCopies } from './attempt.ts';
import { ReadRound } from './read-round.ts';
import { isEnoughToHeal } from './replica-side.ts';

/**
 * Heals damaged copies of a key by what the other replicas hold together. They are asked anew: an
 * answer given before the damage was seen may miss a write that the damaged copy had acknowledged
 * since. The ticket shows the replica since when they were asked. False when too few others answered.
 */
export async function healCopies(attempt: Attempt, damaged: DamagedCopies): Promise<boolean> {
  const { ring, partition, key, nodes } = attempt;
  const source = nodes.find((node) => !damaged.has(node));
  const round = new ReadRound(attempt, 'quorum', source);
  await round.runToEnd();
  const sources = round.quorum.respondents;
  const healable = [...damaged].filter(([node]) => isEnoughToHeal(ring, partition, node, sources));
  if (healable.length === 0) return false;
  const tickets = new Map(healable);
  const newest = await round.newestRecord();
  const found = { epoch: ring.epoch, key, record: newest?.bytes, sources } as const;
  const requestTo = (node: NodeId): RequestOf<'replica.heal'> => {
    const ticket = tickets.get(node);
    invariant(ticket !== undefined, 'only those are healed that told of damage');
    return { type: 'replica.heal', ...found, ...ticket };
  };
  const answers = await attempt.gather([...tickets.keys()], requestTo, 'repair').rest();
  return answers.some((answer) => answer.ok);
}
