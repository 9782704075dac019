import type { NodeId } from '../ids.ts';
import {
  type AcceptorState,
  accept,
  FRESH_ACCEPTOR,
  prepare,
  type Step,
} from '../paxos/acceptor.ts';
import { type Ballot, isBallot } from '../paxos/ballot.ts';
import { flawOfForced } from '../ring/forced-ring.ts';
import type { Ring } from '../ring/ring.ts';
import { decodeRing } from '../ring/ring-codec.ts';
import { flawOfSuccession } from '../ring/succession.ts';
import type {
  ClockBound,
  Refusal,
  ReplyOf,
  RequestOf,
  RingRegisterName,
  Served,
} from '../rpc/messages.ts';
import type { Clock } from '../runtime/clock.ts';
import type { OwnName } from '../storage/keys.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import type { Change, Store } from '../storage/store.ts';
import { type Moment, momentOf } from './contacts.ts';
import { type FoundingTerms, foundersOf } from './founding-terms.ts';
import type { Identity } from './identity.ts';
import { haveSameLeaseTerms } from './quorum-lease.ts';
import type { RingHolder } from './ring-holder.ts';

const OWN_NAME: Readonly<Record<RingRegisterName, OwnName>> = {
  next: 'votes',
  forced: 'forced-votes',
};

/** An answer, without the bound that goes with it. */
type Vote<Type extends 'ring.prepare' | 'ring.accept' | 'ring.consent'> = Omit<
  ReplyOf<Type>,
  keyof ClockBound
>;

/** What this node said about the ring of one epoch. */
interface Votes {
  readonly epoch: number;
  readonly paxos: AcceptorState<Uint8Array>;
  /** Members that it agreed to go on without: their probes stay unanswered until that epoch is decided. */
  readonly silentTo: readonly NodeId[];
}

/** The same as it is kept: the ring in base64. */
interface Kept {
  readonly epoch: number;
  readonly promised: Ballot | undefined;
  readonly accepted: { readonly ballot: Ballot; readonly base64: string } | undefined;
  readonly silentTo: readonly NodeId[];
}

/**
 * This node's vote on the next ring: a CASPaxos acceptor whose state is on disk before an answer leaves.
 * Each epoch is an instance of its own among the members of the ring before, each of which holds that
 * ring as decided; the first one is among the founders. Whoever asks about an epoch that is decided gets
 * the ring in force.
 *
 * A vote moves the bound of this node's clock in the same batch, so that a disk that was put back to before
 * it shows. Pings tell the bound, but not at once; so the answer does, too, and the proposer remembers it
 * before it counts the vote: from the moment that a ring may be acted on, one member at least knows of the
 * vote behind it. In a new life this node votes on a ring only when it has looked for all other members:
 * whoever remembers more than lies on this disk says so, if it can be reached. More is not waited for. A
 * disk that was put back while the one who remembers is cut off, too, are two failures; to outlast them,
 * either every vote or every restart would need all members.
 *
 * A forced ring has a register of its own upon each ring, because its quorum is another one: a vote for it
 * must not push out one that a majority may have decided by.
 */
export class RingAcceptor {
  readonly #options: RingAcceptorOptions;
  #votes: Votes;
  #voting: Promise<unknown> = Promise.resolve();
  /** When this node accepted what it has accepted. */
  #acceptedAt = IN_A_FORMER_LIFE;
  /** Whether that has other lease terms than the ring in force: looked at once. */
  #other: { readonly accepted: Uint8Array; readonly ring: Ring; readonly is: boolean } | undefined;

  private constructor(options: RingAcceptorOptions, votes: Votes) {
    this.#options = options;
    this.#votes = votes;
  }

  /** @throws StartupError when the votes on disk are damaged */
  static async open(options: RingAcceptorOptions): Promise<RingAcceptor> {
    const kept = (await readOwn(options.store, OWN_NAME[options.register])) as Kept | undefined;
    return new RingAcceptor(options, kept === undefined ? freshVotes(1) : votesOf(kept));
  }

  /** Members whose probes this node does not answer: it agreed to go on without them. */
  get silentTo(): readonly NodeId[] {
    return this.#present.silentTo;
  }

  /**
   * When this node accepted a ring with other lease terms than the one in force has, if it did: that may be
   * decided by now, and the leases of the present one end with it.
   */
  get endsLeasesSince(): Moment | undefined {
    const { ring } = this.#options.rings;
    // Who has left serves what is on its way to the disk by the ring that it held.
    if (ring === undefined) return this.#other?.is === true ? this.#acceptedAt : undefined;
    const accepted = this.#present.paxos.accepted?.value;
    if (accepted === undefined) return undefined;
    if (this.#other?.accepted !== accepted || this.#other.ring !== ring) {
      const next = decodeRing(accepted);
      const is = next === undefined || !haveSameLeaseTerms(ring, next);
      this.#other = { accepted, ring, is };
    }
    return this.#other.is ? this.#acceptedAt : undefined;
  }

  /** Whether this node voted for a forced ring that goes on from `ring` and ends it. */
  hasEnded({ lineage }: Ring): boolean {
    const accepted = this.#present.paxos.accepted?.value;
    return accepted !== undefined && decodeRing(accepted)?.formers.includes(lineage) === true;
  }

  prepare(
    { epoch, ballot }: RequestOf<'ring.prepare'>,
    from: NodeId,
  ): Promise<Served<Vote<'ring.prepare'>>> {
    return this.#inTurn(async () => {
      if (!isBallot(ballot)) return refused({ reason: 'not_ready' });
      await this.#reach(epoch, from);
      const refusal = this.#refusalOf(epoch);
      if (refusal !== undefined) return refused(refusal);
      const reply = await this.#take(prepare(this.#present.paxos, ballot));
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

  accept(
    { epoch, ballot, ring: bytes }: RequestOf<'ring.accept'>,
    from: NodeId,
  ): Promise<Served<Vote<'ring.accept'>>> {
    return this.#inTurn(async () => {
      if (!isBallot(ballot)) return refused({ reason: 'not_ready' });
      await this.#reach(epoch, from);
      const refusal = this.#refusalOf(epoch);
      if (refusal !== undefined) return refused(refusal);
      const ring = decodeRing(bytes);
      if (ring === undefined || !this.#fits(ring)) return refused({ reason: 'not_ready' });
      const { paxos } = this.#present;
      const step = accept(paxos, ballot, bytes);
      // The same ring again may have been decided the first time.
      const isAnother = Buffer.compare(paxos.accepted?.value ?? NOTHING, bytes) !== 0;
      if (step.reply.accepted && isAnother) this.#acceptedAt = momentOf(this.#options.clock);
      return { ok: true, reply: await this.#take(step) };
    });
  }

  /**
   * Agrees to go on without `missing`, if `mayAgree` still says so in its turn: from then on it is silent
   * to them until the next epoch is decided, over restarts too. (The model in `docs/model.md` shows what
   * goes wrong when it answers one of their probes in between.)
   */
  agreeToSurvivors(
    { epoch, missing }: RequestOf<'ring.consent'>,
    mayAgree: () => boolean,
    from: NodeId,
  ): Promise<Served<Vote<'ring.consent'>>> {
    return this.#inTurn(async () => {
      await this.#reach(epoch + 1, from);
      const refusal = this.#refusalOf(epoch + 1);
      if (refusal !== undefined) return refused(refusal);
      if (!mayAgree()) return { ok: true, reply: { agrees: false } };
      const silentTo = [...new Set([...this.#present.silentTo, ...missing])].sort();
      // In force before it is on disk: a probe answered meanwhile would be one too many.
      this.#votes = { ...this.#present, silentTo };
      await this.#keep(this.#votes);
      return { ok: true, reply: { agrees: true } };
    });
  }

  /** The votes on the ring that comes next; what was said about decided ones is over. */
  get #present(): Votes {
    const epoch = (this.#options.rings.ring?.epoch ?? 0) + 1;
    return this.#votes.epoch === epoch ? this.#votes : freshVotes(epoch);
  }

  /** A proposer holds the ring before as decided; this node has to hold it, too. */
  async #reach(epoch: number, from: NodeId): Promise<void> {
    const { rings, catchUp } = this.#options;
    if (epoch > (rings.ring?.epoch ?? 0) + 1) await catchUp(from);
  }

  /** Nothing may come between this and the vote: a ring that comes into force opens another instance. */
  #refusalOf(epoch: number): Refusal | undefined {
    const { rings, identity, register, triedAll } = this.#options;
    const { ring, encoded } = rings;
    // A node that was replaced knows of a cluster that goes on: it forms no other.
    if (ring === undefined) {
      const mayFound = epoch === 1 && register === 'next' && rings.former === undefined;
      return mayFound ? undefined : { reason: 'not_ready' };
    }
    if (epoch <= ring.epoch && encoded !== undefined)
      return { reason: 'stale_epoch', ring: encoded };
    const mayVote =
      triedAll() &&
      epoch === ring.epoch + 1 &&
      ring.voters.some(({ id }) => id === identity.nodeId);
    return mayVote ? undefined : { reason: 'not_ready' };
  }

  #fits(ring: Ring): boolean {
    const { rings, register } = this.#options;
    const before = rings.ring;
    if (before === undefined) return this.#fitsTerms(ring);
    const flawOf = register === 'forced' ? flawOfForced : flawOfSuccession;
    return flawOf(before, ring) === undefined;
  }

  /** Whether this is a first ring on the terms of this node. Others may have been restarted with other terms. */
  #fitsTerms(ring: Ring): boolean {
    const { terms, identity } = this.#options;
    const { clusterName, replicationFactor, partitionCount } = terms;
    const listed = [...foundersOf(terms)].sort();
    const founders = ring.members.map((member) => member.address).sort();
    return (
      ring.epoch === 1 &&
      ring.member(identity.nodeId) !== undefined &&
      ring.clusterName === clusterName &&
      ring.replicationFactor === replicationFactor &&
      ring.partitionCount === partitionCount &&
      founders.join() === listed.join()
    );
  }

  async #take<Reply>({ state, reply }: Step<Uint8Array, Reply>): Promise<Reply> {
    const votes = this.#present;
    if (state !== votes.paxos) await this.#keep({ ...votes, paxos: state });
    return reply;
  }

  async #keep(votes: Votes): Promise<void> {
    await this.#options.keep([keepOwn(OWN_NAME[this.#options.register], keptOf(votes))]);
    this.#votes = votes;
  }

  /** One vote after the other: two must not start from the same state. */
  #inTurn<Result>(vote: () => Promise<Result>): Promise<Result> {
    const turn = this.#voting.then(vote);
    this.#voting = turn.catch(() => undefined);
    return turn;
  }
}

const NOTHING = new Uint8Array();
const IN_A_FORMER_LIFE: Moment = {
  monotonicMs: Number.NEGATIVE_INFINITY,
  wallMs: Number.NEGATIVE_INFINITY,
};

interface RingAcceptorOptions {
  readonly register: RingRegisterName;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly terms: FoundingTerms;
  readonly rings: RingHolder;
  readonly store: Store;
  /** Stores changes in one batch with a higher bound of this node's clock. */
  readonly keep: (changes: readonly Change[]) => Promise<void>;
  /** Whether this node has looked for all other members in this life. */
  readonly triedAll: () => boolean;
  /** Takes the ring of a member that knows a newer one. */
  readonly catchUp: (from: NodeId) => Promise<void>;
}

function freshVotes(epoch: number): Votes {
  return { epoch, paxos: FRESH_ACCEPTOR, silentTo: [] };
}

function refused(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal };
}

function keptOf({ epoch, paxos: { promised, accepted }, silentTo }: Votes): Kept {
  if (accepted === undefined) return { epoch, promised, accepted, silentTo };
  const base64 = Buffer.from(accepted.value).toString('base64');
  return { epoch, promised, accepted: { ballot: accepted.ballot, base64 }, silentTo };
}

function votesOf({ epoch, promised, accepted, silentTo }: Kept): Votes {
  if (accepted === undefined) return { epoch, paxos: { promised, accepted }, silentTo };
  const value = Buffer.from(accepted.base64, 'base64');
  return { epoch, paxos: { promised, accepted: { ballot: accepted.ballot, value } }, silentTo };
}
