import type { TrafficClass } from './transport.ts';

/**
 * How much of a bound each class may fill, all classes counted together: transfers are shed first, then
 * repair, and what keeps the cluster together last.
 */
export const SHARE: Readonly<Record<TrafficClass, number>> = {
  membership: 1,
  client: 0.9,
  repair: 0.5,
  transfer: 0.25,
};

interface Queued {
  readonly traffic: TrafficClass;
  readonly bytes: number;
}

/** What waits for being sent: membership first, then clients' requests, repair, transfers. */
export class Outbox<Entry extends Queued> {
  readonly #queues: Readonly<Record<TrafficClass, Set<Entry>>> = {
    membership: new Set(),
    client: new Set(),
    repair: new Set(),
    transfer: new Set(),
  };
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    const { membership, client, repair, transfer } = this.#queues;
    return membership.size + client.size + repair.size + transfer.size;
  }

  add(entry: Entry): void {
    this.#queues[entry.traffic].add(entry);
    this.#bytes += entry.bytes;
  }

  delete(entry: Entry): void {
    if (this.#queues[entry.traffic].delete(entry)) this.#bytes -= entry.bytes;
  }

  /** In the order of sending. Entries may be deleted on the way. */
  *[Symbol.iterator](): Iterator<Entry> {
    yield* this.#queues.membership;
    yield* this.#queues.client;
    yield* this.#queues.repair;
    yield* this.#queues.transfer;
  }
}
