import type { NodeId } from '../ids.ts';
import type { Membership } from '../membership/membership.ts';
import { WriteQuorum } from '../quorum/write-quorum.ts';
import type { Aside, AsideRecord } from '../replica/aside.ts';
import type { Ring } from '../ring/ring.ts';
import { Gather } from '../rpc/gather.ts';
import type { Replies, RequestOf } from '../rpc/messages.ts';
import type { Answer } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import type { RateLimit } from '../runtime/rate-limit.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import type { SealedRecord } from '../version/record-codec.ts';

/** How long the replicas of one record may take, milliseconds. */
const OFFER_TIMEOUT_MS = 10_000;
/** Records that could not be settled, one after the other: the rest waits for the next turn. */
const MOST_IN_VAIN = 32;
/** Large values are offered one by one. */
const BYTES_AT_ONCE = 1024 * 1024;
/** What a record costs besides its bytes: questions, answers, a sync. */
const BYTES_A_RECORD = 1_024;

type OfferType = 'replica.version' | 'replica.repair';

/** What became of an offer. `unsettled`: too few replicas answered, so it has to be repeated. */
type Offered = 'known' | 'taken' | 'unsettled';

export interface AsideOffersOptions {
  readonly aside: Aside;
  readonly membership: Pick<Membership, 'ring' | 'adopt'>;
  /** Calls a replica, wherever it is: this node may be one of those that the record is for. */
  readonly call: <Type extends OfferType>(
    to: NodeId,
    request: RequestOf<Type>,
    timeoutMs: number,
  ) => Promise<Answer<Replies[Type]>>;
  /** Bytes that may leave; shared with all else that is sent behind client work. */
  readonly rate: RateLimit;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
}

/**
 * A node that was replaced and is a member again offers what it set aside to the present replicas: a
 * write may have reached it alone. Versions decide what lives, so what was overwritten or deleted
 * since stays so. A record is done with when a quorum of each of its replica sets holds it, or something
 * newer; most are known there already, which a question for the version tells without sending them.
 */
export class AsideOffers {
  readonly #options: AsideOffersOptions;
  #begun = false;
  #over = false;
  readonly #total = { offered: 0, taken: 0, damaged: 0 };

  constructor(options: AsideOffersOptions) {
    this.#options = options;
  }

  /**
   * Walks through all that is still set aside. What could not be settled is left for the next turn; so
   * is everything, when `MOST_IN_VAIN` could not, one after the other.
   */
  async turn(signal: AbortSignal): Promise<void> {
    const { membership } = this.#options;
    if (this.#over || membership.ring === undefined) return;
    this.#tellOfBeginning();
    let left = 0;
    let inVain = 0;
    let place: Uint8Array | undefined;
    while (!signal.aborted) {
      const page = await this.#options.aside.after(place);
      if (page === 'unreadable') {
        this.#giveUp();
        return;
      }
      place = page.at(-1)?.place;
      if (place === undefined) {
        if (left === 0) await this.#end();
        return;
      }
      const unsettled = await this.#offerPage(page);
      left += unsettled;
      inVain = unsettled === page.length ? inVain + unsettled : 0;
      if (inVain >= MOST_IN_VAIN) return;
      await this.#options.rate.take(costOf(page), Number.POSITIVE_INFINITY, signal);
    }
  }

  /** How many records of the page are not settled. */
  async #offerPage(page: readonly AsideRecord[]): Promise<number> {
    const { ring } = this.#options.membership;
    if (ring === undefined) return page.length;
    const results: (Offered | 'damaged')[] = [];
    for (const group of inGroups(page)) {
      results.push(...(await Promise.all(group.map(({ record }) => this.#offer(ring, record)))));
    }
    const settled = page.filter((_, index) => results[index] !== 'unsettled');
    await this.#options.aside.remove(settled.map(({ place }) => place));
    this.#count(results);
    return page.length - settled.length;
  }

  /** A damaged record is passed over: those that replaced this node hold it. */
  async #offer(ring: Ring, record: SealedRecord | undefined): Promise<Offered | 'damaged'> {
    if (record === undefined) return 'damaged';
    const partition = ring.partitionOf(record.key);
    const holders = new WriteQuorum(ring.replicaSets(partition), 'quorum');
    const lacking: NodeId[] = [];
    const { epoch } = ring;

    const question = { type: 'replica.version', epoch, key: record.key, level: 'quorum' } as const;
    for await (const answer of this.#ask(ring.replicasOf(partition), question)) {
      if (!answer.ok) await this.#hearRefusal(answer);
      else if ((answer.reply.version ?? '') >= record.version) holders.acknowledge(answer.from);
      else lacking.push(answer.from);
    }
    if (holders.verdict === 'met') return 'known';
    return this.#send(ring, record, lacking, holders);
  }

  async #send(
    { epoch }: Ring,
    { version, bytes }: SealedRecord,
    lacking: readonly NodeId[],
    holders: WriteQuorum,
  ): Promise<Offered> {
    let taken = false;
    const request = { type: 'replica.repair', epoch, record: bytes } as const;
    for await (const answer of this.#ask(lacking, request)) {
      if (!answer.ok) {
        await this.#hearRefusal(answer);
        continue;
      }
      holders.acknowledge(answer.from);
      taken ||= answer.reply.version === version;
    }
    if (holders.verdict !== 'met') return 'unsettled';
    return taken ? 'taken' : 'known';
  }

  #ask<Type extends OfferType>(
    nodes: readonly NodeId[],
    request: RequestOf<Type>,
  ): Gather<Replies[Type]> {
    const { call, clock } = this.#options;
    const ask = (to: NodeId): Promise<Answer<Replies[Type]>> =>
      call<Type>(to, request, OFFER_TIMEOUT_MS);
    return new Gather(nodes, ask, clock, OFFER_TIMEOUT_MS);
  }

  async #hearRefusal(answer: Answer<unknown>): Promise<void> {
    if (answer.ok || answer.failure !== 'refused') return;
    const { reason, ring } = answer.refusal;
    if (reason === 'stale_epoch' && ring !== undefined) await this.#options.membership.adopt(ring);
  }

  #count(results: readonly (Offered | 'damaged')[]): void {
    const { counters } = this.#options;
    for (const result of results) {
      if (result === 'unsettled') continue;
      if (result === 'damaged') {
        this.#total.damaged += 1;
        counters.add('aside_records_damaged_total');
        continue;
      }
      this.#total.offered += 1;
      counters.add('aside_records_offered_total');
      if (result === 'known') continue;
      this.#total.taken += 1;
      counters.add('aside_records_taken_total');
    }
  }

  #tellOfBeginning(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#options.log.info('this node is a member again and offers the data that it set aside');
  }

  /** Until the next start. What cannot be read cannot be removed either. */
  #giveUp(): void {
    this.#over = true;
    this.#options.log.error(
      'the data that was set aside cannot be read on, so the rest of it is not offered; replace this disk',
    );
  }

  async #end(): Promise<void> {
    await this.#options.aside.end();
    this.#over = true;
    const { damaged } = this.#total;
    this.#options.log.info('the data that was set aside is offered and removed', this.#total);
    if (damaged > 0) {
      this.#options.log.warn('some records set aside were damaged and could not be offered', {
        damaged,
      });
    }
  }
}

/** Consecutive records that are offered at once. */
function inGroups(page: readonly AsideRecord[]): readonly (readonly AsideRecord[])[] {
  const groups: AsideRecord[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const each of page) {
    bytes += costOf([each]);
    if (bytes > BYTES_AT_ONCE) {
      groups.push([]);
      bytes = costOf([each]);
    }
    groups.at(-1)?.push(each);
  }
  return groups;
}

function costOf(page: readonly AsideRecord[]): number {
  return page.reduce((sum, { record }) => sum + BYTES_A_RECORD + (record?.bytes.length ?? 0), 0);
}
