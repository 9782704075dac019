import { ClientError } from '../errors.ts';
import type { Key, NodeId } from '../ids.ts';
import { ReadQuorum } from '../quorum/read-quorum.ts';
import type { Gather } from '../rpc/gather.ts';
import type { Replies } from '../rpc/messages.ts';
import { openSealed, type SealedRecord } from '../version/record-codec.ts';
import {
  type Attempt,
  type CoordinatorPorts,
  RingChangedError,
  underCurrentRing,
} from './attempt.ts';
import { getOne } from './get-one.ts';
import type { OperationOptions } from './operations.ts';
import type { Repairs } from './repairs.ts';
import { writeBack } from './write-back.ts';

/** What a replica said of a key: the version, and the whole record from the one asked for it. */
export type ReadReply = Replies['replica.read'] | Replies['replica.version'];

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
    options.consistency === 'one'
      ? getOne(ports, attempt)
      : getQuorum(ports, repairs, attempt, options.consistency),
  );
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
  if (quorum.verdict !== 'met') throw unavailable(attempt, quorum);

  const newest = await newestRecord(attempt, round);
  // The rest of the answers come after the client's; they may name replicas that need repair.
  const finish = (): void => repairs.finishRead(attempt, round, newest);
  if (newest === undefined || quorum.settled) {
    finish();
    return newest;
  }
  ports.counters.add('read_repairs_total');
  const known = await writeBack(attempt, newest, quorum.holders);
  finish();
  if (!known) throw unsettled(attempt, quorum);
  return newest;
}

/** One question to all replicas of a key, and what has come back so far. */
export class ReadRound {
  readonly quorum: ReadQuorum;
  readonly #attempt: Attempt;
  readonly #answers: Gather<ReadReply>;
  readonly #damaged: NodeId[] = [];
  #record: SealedRecord | undefined;

  constructor(attempt: Attempt, level: 'quorum' | 'all', source: NodeId | undefined) {
    const { ring, key, sets, nodes } = attempt;
    this.#attempt = attempt;
    this.quorum = new ReadQuorum(sets, level);
    const epoch = ring.epoch;
    this.#answers = attempt.gather<'replica.read' | 'replica.version'>(nodes, (to) =>
      to === source
        ? { type: 'replica.read', epoch, key }
        : { type: 'replica.version', epoch, key },
    );
  }

  /** The highest record received whole. */
  get record(): SealedRecord | undefined {
    return this.#record;
  }

  get damaged(): readonly NodeId[] {
    return this.#damaged;
  }

  /** Takes answers until there are enough, or too few can come. @throws RingChangedError */
  async run(): Promise<void> {
    for await (const answer of this.#answers) {
      await this.#take(answer);
      if (this.#attempt.overtaken) throw new RingChangedError();
      if (this.quorum.verdict !== 'pending') return;
    }
  }

  /** Takes all answers that are still to come, up to the deadline. */
  async runToEnd(): Promise<void> {
    for await (const answer of this.#answers) await this.#take(answer);
  }

  /** A record that another message brought: its replica holds at least this version. */
  learn(from: NodeId, record: SealedRecord): void {
    this.quorum.answer(from, record.version);
    if (this.#record === undefined || record.version > this.#record.version) this.#record = record;
  }

  async #take(answer: Awaited<ReturnType<Gather<ReadReply>['rest']>>[number]): Promise<void> {
    await this.#attempt.note(answer);
    const { from } = answer;
    if (!answer.ok) {
      if (this.#attempt.stateOf(from) === 'damaged') this.#damaged.push(from);
      this.quorum.fail(from);
      return;
    }
    if (!('record' in answer.reply)) {
      this.quorum.answer(from, answer.reply.version);
      return;
    }
    const { record: bytes } = answer.reply;
    if (bytes === undefined) {
      this.quorum.answer(from, undefined);
      return;
    }
    const record = openSealed(bytes);
    // The replica verified it before sending; what arrives otherwise is no answer.
    if (record === undefined || record.key !== this.#attempt.key) this.quorum.fail(from);
    else this.learn(from, record);
  }
}

/**
 * The record of the newest version known. It was received already, or is fetched in a second round
 * from those that showed it; a newer one that this brings counts as well.
 */
async function newestRecord(attempt: Attempt, round: ReadRound): Promise<SealedRecord | undefined> {
  const { quorum } = round;
  while (quorum.newest !== undefined && round.record?.version !== quorum.newest) {
    const wanted = quorum.newest;
    await fetchFrom(attempt, round, quorum.holders);
    if (round.record === undefined || round.record.version < wanted)
      throw unavailable(attempt, quorum);
  }
  return round.record;
}

async function fetchFrom(
  attempt: Attempt,
  round: ReadRound,
  holders: readonly NodeId[],
): Promise<void> {
  const { ring, key } = attempt;
  const request = { type: 'replica.read', epoch: ring.epoch, key } as const;
  for await (const answer of attempt.gather<'replica.read'>(holders, () => request)) {
    await attempt.note(answer);
    if (attempt.overtaken) throw new RingChangedError();
    const bytes = answer.ok ? answer.reply.record : undefined;
    const record = bytes === undefined ? undefined : openSealed(bytes);
    if (record === undefined || record.key !== key) continue;
    round.learn(answer.from, record);
    return;
  }
}

/** Who sends the value: this node if it keeps a replica, else the most preferred one that answers. */
function sourceOf(ports: CoordinatorPorts, attempt: Attempt): NodeId | undefined {
  if (attempt.nodes.includes(ports.self)) return ports.self;
  return attempt.nodes.find((node) => ports.membership.isReachable(node)) ?? attempt.nodes[0];
}

function unavailable(attempt: Attempt, quorum: ReadQuorum): ClientError {
  const { required, answered } = quorum;
  const timedOut =
    attempt.expired && attempt.nodes.some((node) => attempt.stateOf(node) === 'timeout');
  return new ClientError(
    timedOut ? 'timeout' : 'quorum_unavailable',
    `${answered} of the ${required} replicas needed answered: ${attempt.troubles}. ` +
      'Start the missing nodes, or read with consistency=one',
    { required, acknowledged: answered, replicas: attempt.report },
  );
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
