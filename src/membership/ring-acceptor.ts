import {
  type AcceptorState,
  accept,
  FRESH_ACCEPTOR,
  prepare,
  type Step,
} from '../paxos/acceptor.ts';
import { type Ballot, isBallot } from '../paxos/ballot.ts';
import type { Ring } from '../ring/ring.ts';
import { decodeRing } from '../ring/ring-codec.ts';
import type { Refusal, ReplyOf, RequestOf, Served } from '../rpc/messages.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import type { Store } from '../storage/store.ts';
import { type FoundingTerms, foundersOf } from './founding-terms.ts';
import type { Identity } from './identity.ts';
import type { RingHolder } from './ring-holder.ts';

/** A vote as it is kept: the ring in base64. */
interface Kept {
  readonly promised: Ballot | undefined;
  readonly accepted: { readonly ballot: Ballot; readonly base64: string } | undefined;
}

/**
 * This node's vote on the first ring of its cluster: a CASPaxos acceptor whose state is on disk before
 * an answer leaves. Once a ring is in force there is nothing to vote on, and whoever asks gets the ring.
 */
export class RingAcceptor {
  readonly #identity: Identity;
  readonly #terms: FoundingTerms;
  readonly #rings: RingHolder;
  readonly #store: Store;
  #state: AcceptorState<Uint8Array>;
  #voting: Promise<unknown> = Promise.resolve();

  private constructor(options: RingAcceptorOptions, state: AcceptorState<Uint8Array>) {
    this.#identity = options.identity;
    this.#terms = options.terms;
    this.#rings = options.rings;
    this.#store = options.store;
    this.#state = state;
  }

  /** @throws StartupError when the votes on disk are damaged */
  static async open(options: RingAcceptorOptions): Promise<RingAcceptor> {
    const kept = (await readOwn(options.store, 'votes')) as Kept | undefined;
    return new RingAcceptor(options, kept === undefined ? FRESH_ACCEPTOR : stateOf(kept));
  }

  prepare({ epoch, ballot }: RequestOf<'ring.prepare'>): Promise<Served<ReplyOf<'ring.prepare'>>> {
    return this.#inTurn(async () => {
      if (!isBallot(ballot)) return refused({ reason: 'not_ready' });
      const refusal = this.#refusalOf(epoch);
      if (refusal !== undefined) return refused(refusal);
      const reply = await this.#take(prepare(this.#state, ballot));
      const accepted = reply.promised ? reply.accepted : undefined;
      return {
        ok: true,
        reply: {
          promised: reply.promised,
          ballot: reply.ballot,
          acceptedBallot: accepted?.ballot,
          acceptedRing: accepted?.value,
        },
      };
    });
  }

  accept({
    epoch,
    ballot,
    ring: bytes,
  }: RequestOf<'ring.accept'>): Promise<Served<ReplyOf<'ring.accept'>>> {
    return this.#inTurn(async () => {
      if (!isBallot(ballot)) return refused({ reason: 'not_ready' });
      const refusal = this.#refusalOf(epoch);
      if (refusal !== undefined) return refused(refusal);
      const ring = decodeRing(bytes);
      if (ring === undefined || !this.#fits(ring)) return refused({ reason: 'not_ready' });
      return { ok: true, reply: await this.#take(accept(this.#state, ballot, bytes)) };
    });
  }

  #refusalOf(epoch: number): Refusal | undefined {
    const { encoded } = this.#rings;
    if (encoded !== undefined) return { reason: 'stale_epoch', ring: encoded };
    return epoch === 1 ? undefined : { reason: 'not_ready' };
  }

  /** Whether this is a first ring on the terms of this node. Others may have been restarted with other terms. */
  #fits(ring: Ring): boolean {
    const { clusterName, replicationFactor, partitionCount } = this.#terms;
    const listed = [...foundersOf(this.#terms)].sort();
    const founders = ring.members.map((member) => member.address).sort();
    return (
      ring.epoch === 1 &&
      ring.member(this.#identity.nodeId) !== undefined &&
      ring.clusterName === clusterName &&
      ring.replicationFactor === replicationFactor &&
      ring.partitionCount === partitionCount &&
      founders.join() === listed.join()
    );
  }

  async #take<Reply>({ state, reply }: Step<Uint8Array, Reply>): Promise<Reply> {
    if (state === this.#state) return reply;
    await this.#store.batch([keepOwn('votes', keptOf(state))]);
    this.#state = state;
    return reply;
  }

  /** One vote after the other: two must not start from the same state. */
  #inTurn<Result>(vote: () => Promise<Result>): Promise<Result> {
    const turn = this.#voting.then(vote);
    this.#voting = turn.catch(() => undefined);
    return turn;
  }
}

interface RingAcceptorOptions {
  readonly identity: Identity;
  readonly terms: FoundingTerms;
  readonly rings: RingHolder;
  readonly store: Store;
}

function refused(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal };
}

function keptOf({ promised, accepted }: AcceptorState<Uint8Array>): Kept {
  if (accepted === undefined) return { promised, accepted };
  const base64 = Buffer.from(accepted.value).toString('base64');
  return { promised, accepted: { ballot: accepted.ballot, base64 } };
}

function stateOf({ promised, accepted }: Kept): AcceptorState<Uint8Array> {
  if (accepted === undefined) return { promised, accepted };
  const value = Buffer.from(accepted.base64, 'base64');
  return { promised, accepted: { ballot: accepted.ballot, value } };
}
