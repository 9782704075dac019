import { ClientError } from '../errors.ts';
import type { NodeId } from '../ids.ts';
import type { ReadQuorum } from '../quorum/read-quorum.ts';
import type { Gather } from '../rpc/gather.ts';
import type { Replies } from '../rpc/messages.ts';
import { openSealed, type SealedRecord } from '../version/record-codec.ts';
import { type Attempt, RingChangedError } from './attempt.ts';

/** What a replica said of a key: the version, and the whole record from the one asked for it. */
type ReadReply = Replies['replica.read'] | Replies['replica.version'];

/** One question to all replicas of a key, and what has come back so far. */
export class ReadRound {
  readonly quorum: ReadQuorum;
  readonly #attempt: Attempt;
  readonly #answers: Gather<ReadReply>;
  #record: SealedRecord | undefined;

  constructor(attempt: Attempt, level: 'quorum' | 'all', source: NodeId | undefined) {
    const { ring, key, nodes } = attempt;
    this.#attempt = attempt;
    this.quorum = attempt.readQuorum(level);
    const epoch = ring.epoch;
    this.#answers = attempt.gather<'replica.read' | 'replica.version'>(nodes, (to) =>
      to === source
        ? { type: 'replica.read', epoch, key, level: 'quorum' }
        : { type: 'replica.version', epoch, key, level: 'quorum' },
    );
  }

  /** The highest record received whole. */
  get record(): SealedRecord | undefined {
    return this.#record;
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

  /**
   * The record of the newest version known; `undefined` when nothing is stored. It was received
   * already, or is fetched from those that showed it; a newer one that this brings counts as well.
   * When all that showed it fail, the answers still to come may name others.
   * @throws RingChangedError, ClientError
   */
  async newestRecord(): Promise<SealedRecord | undefined> {
    let heardAll = false;
    while (this.quorum.newest !== undefined && this.#record?.version !== this.quorum.newest) {
      const wanted = this.quorum.newest;
      await this.#fetchFrom(this.quorum.holders);
      if (this.#record !== undefined && this.#record.version >= wanted) continue;
      if (heardAll) throw unavailable(this.#attempt, this.quorum);
      await this.runToEnd();
      heardAll = true;
    }
    return this.#record;
  }

  /** A record that another message brought: its replica holds at least this version. */
  learn(from: NodeId, record: SealedRecord): void {
    this.quorum.answer(from, record.version);
    if (this.#record === undefined || record.version > this.#record.version) this.#record = record;
  }

  async #fetchFrom(holders: readonly NodeId[]): Promise<void> {
    const { ring, key } = this.#attempt;
    const request = { type: 'replica.read', epoch: ring.epoch, key, level: 'quorum' } as const;
    for await (const answer of this.#attempt.gather<'replica.read'>(holders, () => request)) {
      await this.#attempt.note(answer);
      if (this.#attempt.overtaken) throw new RingChangedError();
      const bytes = answer.ok ? answer.reply.record : undefined;
      const record = bytes === undefined ? undefined : openSealed(bytes);
      if (record === undefined || record.key !== key) continue;
      this.learn(answer.from, record);
      return;
    }
  }

  async #take(answer: Awaited<ReturnType<Gather<ReadReply>['rest']>>[number]): Promise<void> {
    await this.#attempt.note(answer);
    const { from } = answer;
    if (!answer.ok) {
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

/** Too few replicas answered a read. */
export function unavailable(attempt: Attempt, quorum: ReadQuorum): ClientError {
  const { required, answered } = quorum;
  const timedOut =
    attempt.expired && attempt.nodes.some((node) => attempt.stateOf(node) === 'timeout');
  return new ClientError(
    timedOut ? 'timeout' : 'quorum_unavailable',
    `${quorum.shortfall} answered: ${attempt.troubles}. ` +
      'Start the missing nodes, or read with consistency=one',
    { required, acknowledged: answered, replicas: attempt.report },
  );
}
