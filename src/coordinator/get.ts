import { ClientError } from '../errors.ts';
import type { Key, NodeId } from '../ids.ts';
import type { ConsistencyLevel } from '../quorum/consistency-level.ts';
import type { ReadQuorum } from '../quorum/read-quorum.ts';
import type { SealedRecord } from '../version/record-codec.ts';
import { type Attempt, type CoordinatorPorts, damagedOr } from './attempt.ts';
import { getOne } from './get-one.ts';
import type { OperationOptions } from './operations.ts';
import { ReadRound, unavailable } from './read-round.ts';
import type { Repairs } from './repairs.ts';
import { underCurrentRing } from './under-current-ring.ts';
import { writeBack } from './write-back.ts';

/**
 * Reads a key: all replicas are asked, one for the record and the others for their version; with a
 * quorum of answers the highest version counts, and is returned once a quorum is known to hold it.
 * `undefined`: nothing is stored. A tombstone comes back as the record that it is.
 * @throws ClientError
 */
export function get(
  ports: CoordinatorPorts,
  repairs: Repairs,
  key: Key,
  options: OperationOptions,
): Promise<SealedRecord | undefined> {
  return underCurrentRing(ports, key, options.timeoutMs, (attempt) =>
    getUnder(ports, repairs, attempt, options.consistency),
  );
}

/** The same within an attempt that is under way. @throws ClientError, RingChangedError, DamagedCopiesError */
export function getUnder(
  ports: CoordinatorPorts,
  repairs: Repairs,
  attempt: Attempt,
  level: ConsistencyLevel,
): Promise<SealedRecord | undefined> {
  if (level === 'one') return getOne(ports, attempt);
  return getQuorum(ports, repairs, attempt, level);
}

async function getQuorum(
  ports: CoordinatorPorts,
  repairs: Repairs,
  attempt: Attempt,
  level: 'quorum' | 'all',
): Promise<SealedRecord | undefined> {
  const round = new ReadRound(attempt, level, sourceOf(ports, attempt));
  await round.run();
  const { quorum } = round;
  if (quorum.verdict !== 'met') throw damagedOr(attempt, unavailable(attempt, quorum));

  const newest = await round.newestRecord();
  // The rest of the answers come after the client's; they may name replicas that need repair.
  const finish = (): void => repairs.finishRead(attempt, round);
  if (newest === undefined || quorum.settled) {
    finish();
    return newest;
  }
  ports.counters.add('read_repairs_total');
  const known = await writeBack(attempt, newest, quorum);
  finish();
  if (!known) throw unsettled(attempt, quorum);
  return newest;
}

/** Who sends the value: this node if it keeps a replica, else the most preferred one that answers. */
function sourceOf(ports: CoordinatorPorts, attempt: Attempt): NodeId | undefined {
  if (attempt.nodes.includes(ports.self)) return ports.self;
  return attempt.nodes.find((node) => ports.membership.isReachable(node)) ?? attempt.nodes[0];
}

function unsettled(attempt: Attempt, quorum: ReadQuorum): ClientError {
  const { required, answered } = quorum;
  return new ClientError(
    attempt.expired ? 'timeout' : 'quorum_unavailable',
    `the newest version could not be brought to a quorum of the replicas: ${attempt.troubles}. ` +
      'Returning it could make a later read go back in time; try again',
    { required, acknowledged: answered, replicas: attempt.report },
  );
}
