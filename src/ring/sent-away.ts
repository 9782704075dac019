/**
 * Who was asked to leave and did. A ring remembers them: one that was cut off or down while it left would
 * take itself for one that was replaced, and come back by itself.
 */
import type { NodeId } from '../ids.ts';
import type { Member } from './member.ts';
import { MAX_SENT_AWAY, type RingParts } from './ring-parts.ts';

/** What a ring with the members `after` remembers that follows upon `before`. */
export function sentAwayBy(
  before: Pick<RingParts, 'sentAway' | 'members'>,
  after: readonly Member[],
): readonly NodeId[] {
  const members = new Set(after.map(({ id }) => id));
  const left = before.members.filter(({ id, leaving }) => leaving === 'asked' && !members.has(id));
  // One that never learnt of its leave, nor of its membership, asks to be taken in under the same id.
  const away = before.sentAway.filter((id) => !members.has(id));
  return [...away, ...left.map(({ id }) => id)].slice(-MAX_SENT_AWAY);
}
