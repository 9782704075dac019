import type { Key } from '../ids.ts';
import type { Gather } from '../rpc/gather.ts';
import { Attempt, type CoordinatorPorts, type DamagedCopies } from './attempt.ts';
import { healCopies } from './heal.ts';
import type { ReadRound } from './read-round.ts';

/** Repairs under way at once; beyond it stale replicas wait for the next read. */
const MAX_REPAIRS = 256;
/** How long one may take, milliseconds. A lost message puts off all other repairs of its key by so much. */
const REPAIR_TIMEOUT_MS = 5_000;

/**
 * What follows from a request and the client does not wait for: stale replicas get the newest record,
 * damaged copies are healed. It never fails a request.
 */
export class Repairs {
  readonly #ports: CoordinatorPorts;
  /** Keys whose copies are being repaired. */
  readonly #keys = new Set<Key>();

  constructor(ports: CoordinatorPorts) {
    this.#ports = ports;
  }

  /** Repairs under way. */
  get size(): number {
    return this.#keys.size;
  }

  /** This node's own copy of `key` was found damaged. */
  healOwn(key: Key): void {
    this.#healSoon(key, new Map([[this.#ports.self, this.#ports.damageTicket()]]));
  }

  /**
   * Hears the stragglers of a write. A replica that refused it because its copy is damaged is healed; one
   * that has no copy of an `acknowledged` write is remembered.
   */
  finishWrite(attempt: Attempt, answers: Gather<unknown>, acknowledged: boolean): void {
    this.#hearWrite(attempt, answers, acknowledged).catch((error: unknown) => this.#giveUp(error));
  }

  /** Hears the stragglers of a read and repairs what they show. */
  finishRead(attempt: Attempt, round: ReadRound): void {
    this.#hearRead(attempt, round).catch((error: unknown) => this.#giveUp(error));
  }

  async #hearWrite(
    attempt: Attempt,
    answers: Gather<unknown>,
    acknowledged: boolean,
  ): Promise<void> {
    for await (const answer of answers) {
      await attempt.note(answer);
      if (answer.ok) attempt.acknowledged(answer.from);
    }
    const { nodes, partition, ring } = attempt;
    const holders = nodes.filter((node) => attempt.stateOf(node) === 'acknowledged');
    if (acknowledged && holders.length < nodes.length)
      this.#ports.partialWrites.note(partition, ring.epoch, holders);
    this.#healSoon(attempt.key, attempt.damaged);
  }

  async #hearRead(attempt: Attempt, round: ReadRound): Promise<void> {
    await round.runToEnd();
    this.#healSoon(attempt.key, attempt.damaged);
    const { stale } = round.quorum;
    if (stale.length === 0) return; // the usual case
    this.#start(attempt.key, async () => {
      // A straggler may be ahead of what was returned: a write under way, or one that failed half-way
      // and would stay on that replica alone.
      const newest = await round.newestRecord();
      if (newest === undefined) return;
      this.#ports.counters.add('read_repairs_total', stale.length);
      const { epoch } = attempt.ring;
      const request = { type: 'replica.repair', epoch, record: newest.bytes } as const;
      await attempt.gather<'replica.repair'>(round.quorum.stale, () => request, 'repair').rest();
    });
  }

  #healSoon(key: Key, damaged: DamagedCopies): void {
    const { ring } = this.#ports.membership;
    if (damaged.size === 0 || ring === undefined) return;
    const deadlineMs = this.#ports.clock.monotonicMs() + REPAIR_TIMEOUT_MS;
    const attempt = new Attempt(this.#ports, ring, key, deadlineMs);
    this.#start(key, async () => {
      await healCopies(attempt, damaged);
    });
  }

  #start(key: Key, repair: () => Promise<void>): void {
    if (this.#keys.has(key)) return;
    if (this.#keys.size >= MAX_REPAIRS) {
      this.#ports.counters.add('repairs_put_off_total');
      return;
    }
    this.#keys.add(key);
    repair()
      .catch((error: unknown) => this.#giveUp(error))
      .finally(() => this.#keys.delete(key));
  }

  #giveUp(error: unknown): void {
    this.#ports.log.debug('a repair in the background was given up', { err: error });
  }
}
