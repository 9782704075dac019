import type { Key, NodeId } from '../ids.ts';
import type { Gather } from '../rpc/gather.ts';
import type { SealedRecord } from '../version/record-codec.ts';
import type { Attempt, CoordinatorPorts } from './attempt.ts';
import type { ReadRound } from './get.ts';
import { isEnoughToHeal } from './replica-side.ts';

/** Repairs under way at once; beyond it stale replicas wait for the next read. */
const MAX_REPAIRS = 256;

/**
 * Read repair that the client does not wait for: stale replicas get the newest record, damaged ones
 * are healed. It never fails a request.
 */
export class Repairs {
  readonly #ports: CoordinatorPorts;
  readonly #read: (key: Key) => Promise<unknown>;
  /** Keys whose stale and damaged copies are being repaired. */
  readonly #repairs = new Set<Key>();
  /** Keys that are read again because a write met a damaged copy. */
  readonly #rereads = new Set<Key>();

  /** `read` does a quorum read of a key, with the repairs that follow from it. */
  constructor(ports: CoordinatorPorts, read: (key: Key) => Promise<unknown>) {
    this.#ports = ports;
    this.#read = read;
  }

  /**
   * Hears the stragglers of a write. A replica that refused it because its copy is damaged is healed by
   * a read of the key.
   */
  finishWrite(attempt: Attempt, answers: Gather<unknown>): void {
    this.#hear(attempt, answers).catch((error: unknown) => this.#giveUp(error));
  }

  /** Hears the stragglers of a read and repairs what they show. */
  finishRead(attempt: Attempt, round: ReadRound, newest: SealedRecord | undefined): void {
    const heard = round.quorum.respondents.length === attempt.nodes.length;
    if (heard && round.quorum.stale.length === 0) return; // the usual case: all agree
    this.#start(this.#repairs, attempt.key, () => this.#finish(attempt, round, newest));
  }

  async #hear(attempt: Attempt, answers: Gather<unknown>): Promise<void> {
    for await (const answer of answers) await attempt.note(answer);
    const damaged = attempt.nodes.some((node) => attempt.stateOf(node) === 'damaged');
    if (!damaged) return;
    this.#start(this.#rereads, attempt.key, async () => {
      await this.#read(attempt.key);
    });
  }

  async #finish(
    attempt: Attempt,
    round: ReadRound,
    newest: SealedRecord | undefined,
  ): Promise<void> {
    await round.runToEnd();
    const { quorum } = round;
    // Someone is ahead of what this read returned: a write is under way, and repairs by itself.
    if (quorum.newest !== newest?.version) return;
    if (newest !== undefined) await this.#repairStale(attempt, newest, quorum.stale);
    await this.#healDamaged(attempt, round, newest);
  }

  async #repairStale(
    attempt: Attempt,
    newest: SealedRecord,
    stale: readonly NodeId[],
  ): Promise<void> {
    if (stale.length === 0) return;
    this.#ports.counters.add('read_repairs_total', stale.length);
    const { ring } = attempt;
    const request = { type: 'replica.repair', epoch: ring.epoch, record: newest.bytes } as const;
    await attempt.gather<'replica.repair'>(stale, () => request, 'repair').rest();
  }

  async #healDamaged(
    attempt: Attempt,
    round: ReadRound,
    newest: SealedRecord | undefined,
  ): Promise<void> {
    const { ring, partition, key } = attempt;
    const sources = round.quorum.respondents;
    const healable = round.damaged.filter((node) => isEnoughToHeal(ring, partition, node, sources));
    if (healable.length === 0) return;
    const request = {
      type: 'replica.heal',
      epoch: ring.epoch,
      key,
      record: newest?.bytes,
      sources,
    } as const;
    await attempt.gather<'replica.heal'>(healable, () => request, 'repair').rest();
  }

  #start(keys: Set<Key>, key: Key, repair: () => Promise<void>): void {
    if (keys.size >= MAX_REPAIRS || keys.has(key)) return;
    keys.add(key);
    repair()
      .catch((error: unknown) =>
        this.#ports.log.debug('a read repair was given up', { err: error }),
      )
      .finally(() => keys.delete(key));
  }

  #giveUp(error: unknown): void {
    this.#ports.log.debug('a repair in the background was given up', { err: error });
  }
}
