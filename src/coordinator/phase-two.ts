import { ClientError, type ErrorCode, type Outcome } from '../errors.ts';
import type { ConsistencyLevel } from '../quorum/consistency-level.ts';
import { WriteQuorum } from '../quorum/write-quorum.ts';
import type { Gather } from '../rpc/gather.ts';
import type { Replies } from '../rpc/messages.ts';
import type { SealedRecord } from '../version/record-codec.ts';
import { Attempt, type CoordinatorPorts } from './attempt.ts';
import type { Repairs } from './repairs.ts';

export interface Stored {
  readonly acknowledged: number;
  readonly replicas: number;
}

/**
 * Phase 2 of a write: sends the record to all replicas and waits until enough have it on disk. When
 * the ring changes meanwhile, the same record under the same version goes to the replicas of the
 * newer ring: a second version would make one write take effect twice (ABD; failure mode 16a).
 * @throws ClientError with the outcome as far as it is known
 */
export async function storeRecord(
  ports: CoordinatorPorts,
  repairs: Repairs,
  first: Attempt,
  record: SealedRecord,
  level: ConsistencyLevel,
): Promise<Stored> {
  let attempt = first;
  let doubtful = false;
  for (;;) {
    const sent = await sendOnce(attempt, record, level);
    doubtful ||= sent.doubtful;
    const isMet = sent.quorum.verdict === 'met';
    repairs.finishWrite(attempt, sent.answers, isMet);
    if (isMet) {
      return { acknowledged: sent.quorum.acknowledged, replicas: attempt.nodes.length };
    }
    const ring = ports.membership.ring;
    if (!attempt.overtaken || ring === undefined || attempt.expired) {
      throw failure(attempt, sent.quorum, doubtful);
    }
    attempt = new Attempt(ports, ring, record.key, ports.clock.monotonicMs() + attempt.remainingMs);
  }
}

interface Sent {
  /** Those that are still to come among them. */
  readonly answers: Gather<Replies['replica.write']>;
  readonly quorum: WriteQuorum;
  /** Some replica may have taken the record without this node knowing, or has taken it. */
  readonly doubtful: boolean;
}

async function sendOnce(
  attempt: Attempt,
  record: SealedRecord,
  level: ConsistencyLevel,
): Promise<Sent> {
  const { ring, sets, nodes } = attempt;
  const quorum = new WriteQuorum(sets, level);
  const request = {
    type: 'replica.write',
    epoch: ring.epoch,
    record: record.bytes,
    level: level === 'one' ? 'one' : 'quorum',
  } as const;
  const answers = attempt.gather<'replica.write'>(nodes, () => request);
  let doubtful = false;
  let heard = 0;

  for await (const answer of answers) {
    heard += 1;
    await attempt.note(answer);
    if (answer.ok) {
      attempt.acknowledged(answer.from);
      quorum.acknowledge(answer.from);
    } else {
      // Only a refusal, or a message that was never sent, is certain to have had no effect.
      doubtful ||= answer.failure !== 'refused' && answer.failure !== 'unreachable';
      quorum.fail(answer.from);
    }
    if (quorum.verdict !== 'pending' || attempt.overtaken) break;
  }
  doubtful ||= quorum.acknowledged > 0 || heard < nodes.length;
  return { answers, quorum, doubtful };
}

function failure(attempt: Attempt, quorum: WriteQuorum, doubtful: boolean): ClientError {
  const outcome: Outcome = doubtful ? 'unknown' : 'not_applied';
  const { required, acknowledged } = quorum;
  const consequence = doubtful
    ? 'The write is not undone and may still become visible; read the key before writing again'
    : 'Nothing was written';
  return new ClientError(
    codeOf(attempt, doubtful),
    `${quorum.shortfall} stored it: ${attempt.troubles}. ${consequence}`,
    { outcome, required, acknowledged, replicas: attempt.report },
  );
}

/** "Full" and "overloaded" promise that nothing was applied; in doubt the code is a plainer one. */
function codeOf(attempt: Attempt, doubtful: boolean): ErrorCode {
  const states = new Set(attempt.nodes.map((node) => attempt.stateOf(node)));
  if (attempt.expired && states.has('timeout')) return 'timeout';
  if (!doubtful && states.has('full')) return 'storage_full';
  if (!doubtful && states.has('overloaded')) return 'overloaded';
  return 'quorum_unavailable';
}
