import type { NodeId } from '../ids.ts';
import { WriteQuorum } from '../quorum/write-quorum.ts';
import type { SealedRecord } from '../version/record-codec.ts';
import { type Attempt, RingChangedError } from './attempt.ts';

/**
 * The second phase of a read: makes sure that a quorum of every replica set holds what is about to
 * be returned. Sent to every replica not known to hold it, so that the stale ones are repaired by the
 * same message. True when a quorum holds it.
 * @throws RingChangedError
 */
export async function writeBack(
  attempt: Attempt,
  record: SealedRecord,
  holders: readonly NodeId[],
): Promise<boolean> {
  const quorum = new WriteQuorum(attempt.sets, 'quorum');
  for (const holder of holders) quorum.acknowledge(holder);
  const others = attempt.nodes.filter((node) => !holders.includes(node));
  const request = {
    type: 'replica.repair',
    epoch: attempt.ring.epoch,
    record: record.bytes,
  } as const;
  for await (const answer of attempt.gather<'replica.repair'>(others, () => request)) {
    await attempt.note(answer);
    if (answer.ok) {
      attempt.acknowledged(answer.from);
      quorum.acknowledge(answer.from);
    } else {
      quorum.fail(answer.from);
    }
    if (quorum.verdict !== 'pending') break;
  }
  if (quorum.verdict === 'met') return true;
  if (attempt.overtaken) throw new RingChangedError();
  return false;
}
