/**
 * Asking the members whether others are gone, before a ring without those is proposed; and answering.
 * The ring register alone would let one node that has lost touch replace healthy members.
 */
import type { NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import { Gather } from '../rpc/gather.ts';
import type { ReplyOf, RequestOf, Served } from '../rpc/messages.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { haveSameLeaseTerms } from './quorum-lease.ts';
import type { RememberedBounds } from './remembered-bounds.ts';
import type { RingAcceptor } from './ring-acceptor.ts';

const CALL_TIMEOUT_MS = 2_000;
/** The last-survivor rule: the missing stop serving after one grace period, the others go on after three. */
export const SURVIVORS_WAIT_GRACES = 3;

/** What the failure detector knows that matters here. */
export interface Deaths {
  /** Own monotonic clock: since when the member has been dead here. */
  deadSinceMs(member: NodeId): number | undefined;
  /** Own clocks when a probe of the member was answered last, in this life. */
  lastAnsweredMs(member: NodeId): { readonly monotonicMs: number } | undefined;
}

export class Consent {
  readonly #rings: { readonly ring: Ring | undefined };
  readonly #acceptor: RingAcceptor;
  readonly #bounds: RememberedBounds;
  readonly #deaths: Deaths;
  readonly #transport: Transport;
  readonly #clock: Clock;
  /** What was answered before is not known in this life: it may have been a moment before its start. */
  readonly #startedMs: number;
  /** Since when leases are lent here on the terms of this ring. Own monotonic clock. */
  #terms: { readonly ring: Ring; readonly sinceMs: number } | undefined;

  constructor(options: {
    readonly rings: { readonly ring: Ring | undefined };
    readonly acceptor: RingAcceptor;
    readonly bounds: RememberedBounds;
    readonly deaths: Deaths;
    readonly transport: Transport;
    readonly clock: Clock;
  }) {
    this.#rings = options.rings;
    this.#acceptor = options.acceptor;
    this.#bounds = options.bounds;
    this.#deaths = options.deaths;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#startedMs = options.clock.monotonicMs();
    if (this.#rings.ring !== undefined) this.noteRing(this.#rings.ring);
  }

  /** A ring has come into force. */
  noteRing(ring: Ring): void {
    const before = this.#terms;
    // Rings that this node never held may have had other terms.
    const goesOn =
      before !== undefined &&
      ring.epoch === before.ring.epoch + 1 &&
      haveSameLeaseTerms(ring, before.ring);
    this.#terms = { ring, sinceMs: goesOn ? before.sinceMs : this.#clock.monotonicMs() };
  }

  /** Whether a majority of the members of `ring` agrees that `missing` are gone. */
  async ask(
    ring: Ring,
    missing: readonly NodeId[],
    to: 'replacement' | 'survivors',
  ): Promise<boolean> {
    const members = votersOf(ring);
    let agreed = 0;
    for await (const answer of this.#asked(members, ring, missing, to)) {
      if (!answer.ok || !this.#bounds.follows(answer.from, answer.reply)) continue;
      if (answer.reply.agrees) agreed += 1;
      if (agreed * 2 > members.length) return true;
    }
    return false;
  }

  /** Which of the other voters of `ring` do not say that the `missing`, given up by an operator, are dead. */
  async againstForcing(ring: Ring, missing: readonly NodeId[]): Promise<readonly NodeId[]> {
    const others = votersOf(ring).filter((id) => !missing.includes(id));
    const against = new Set(others);
    for await (const answer of this.#asked(others, ring, missing, 'forced'))
      if (answer.ok && answer.reply.agrees) against.delete(answer.from);
    return [...against];
  }

  /**
   * Whether members of `ring` contradict, so that no majority finds `member` dead: one node alone may have lost
   * every way to it. Those that do not answer contradict nothing.
   */
  async isDeathContradicted(ring: Ring, member: NodeId): Promise<boolean> {
    const voters = votersOf(ring);
    const others = voters.filter((id) => id !== member);
    let [agreed, against] = [0, 0];
    for await (const answer of this.#asked(others, ring, [member], 'forced')) {
      if (!answer.ok) continue;
      if (answer.reply.agrees) agreed += 1;
      else against += 1;
      if (2 * agreed > voters.length) return false;
    }
    return against > 0;
  }

  #asked(
    nodes: readonly NodeId[],
    { epoch }: Ring,
    missing: readonly NodeId[],
    to: RequestOf<'ring.consent'>['to'],
  ): Gather<ReplyOf<'ring.consent'>> {
    const request = { type: 'ring.consent', epoch, missing, to } as const;
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    const call = (node: NodeId) => this.#transport.call(node, request, options);
    return new Gather(nodes, call, this.#clock, CALL_TIMEOUT_MS);
  }

  async answer(
    request: RequestOf<'ring.consent'>,
    from: NodeId,
  ): Promise<Served<Pick<ReplyOf<'ring.consent'>, 'agrees'>>> {
    if (request.to === 'survivors') {
      const mayAgree = (): boolean => this.#holds(request, (id) => this.#silentForLong(id));
      return this.#acceptor.agreeToSurvivors(request, mayAgree, from);
    }
    const agrees = this.#holds(request, (id, { graceMs }) =>
      request.to === 'forced' ? this.#isDead(id) : this.#deadForMs(id) >= graceMs,
    );
    return { ok: true, reply: { agrees } };
  }

  #holds(
    { epoch, missing }: RequestOf<'ring.consent'>,
    isGone: (member: NodeId, ring: Ring) => boolean,
  ): boolean {
    const { ring } = this.#rings;
    return ring?.epoch === epoch && missing.every((id) => isGone(id, ring));
  }

  #isDead(member: NodeId): boolean {
    return this.#deaths.deadSinceMs(member) !== undefined;
  }

  #deadForMs(member: NodeId): number {
    const sinceMs = this.#deaths.deadSinceMs(member);
    return sinceMs === undefined ? 0 : this.#clock.monotonicMs() - sinceMs;
  }

  /**
   * Dead, and none of its probes answered for three grace periods, in which the terms of leases were the
   * present ones: those on other terms are over one grace period after they ended. By the monotonic clock alone: where
   * that one stands still with a suspended machine, the wait is longer than it has to be.
   */
  #silentForLong(member: NodeId): boolean {
    const graceMs = this.#rings.ring?.graceMs ?? Number.POSITIVE_INFINITY;
    const answeredMs = this.#deaths.lastAnsweredMs(member)?.monotonicMs ?? this.#startedMs;
    const sinceMs = Math.max(answeredMs, this.#terms?.sinceMs ?? Number.POSITIVE_INFINITY);
    const waitedMs = this.#clock.monotonicMs() - sinceMs;
    return this.#deadForMs(member) > 0 && waitedMs > SURVIVORS_WAIT_GRACES * graceMs;
  }
}

function votersOf({ voters }: Ring): readonly NodeId[] {
  return voters.map(({ id }) => id);
}
