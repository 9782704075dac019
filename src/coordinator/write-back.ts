import type { ReadQuorum } from '../quorum/read-quorum.ts';
import { WriteQuorum } from '../quorum/write-quorum.ts';
import type { SealedRecord } from '../version/record-codec.ts';
import { type Attempt, RingChangedError } from './attempt.ts';

/**
 * The second phase of a read: makes sure that a quorum of every replica set holds what is about to
 * be returned. Sent to every replica not known to hold it, so that the stale ones are repaired by the
 * same message. `read` is told who holds it now. True when a quorum does.
 * @throws RingChangedError
 */
export async function writeBack(
  attempt: Attempt,
  record: SealedRecord,
  read: ReadQuorum,
): Promise<boolean> {
  const quorum = new WriteQuorum(attempt.sets, 'quorum');
  const { holders } = read;
  for (const holder of holders) quorum.acknowledge(holder);
  const others = attempt.nodes.filter((node) => !holders.includes(node));
  const request = {
    type: 'replica.repair',
    epoch: attempt.ring.epoch,
    record: record.bytes,
  } as const;
  for await (const answer of attempt.gather<'replica.repair'>(others, () => request)) {
    await attempt.note(answer);
    if (attempt.overtaken) throw new RingChangedError();
    if (answer.ok) {
      attempt.acknowledged(answer.from);
      read.answer(answer.from, record.version);
      quorum.acknowledge(answer.from);
    } else {
      quorum.fail(answer.from);
    }
    if (quorum.verdict !== 'pending') break;
  }
  return quorum.verdict === 'met';
}
