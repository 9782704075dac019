import type { Epoch, NodeId } from '../ids.ts';
import type { PrepareReply } from '../paxos/acceptor.ts';
import type { AcceptorQuorum } from '../paxos/acceptor-quorum.ts';
import { type Ballot, nextBallot } from '../paxos/ballot.ts';
import { Round } from '../paxos/proposer.ts';
import { Gather } from '../rpc/gather.ts';
import type { ClockBound, ReplyOf, RingRegisterName } from '../rpc/messages.ts';
import type { Answer, Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';

const CALL_TIMEOUT_MS = 2_000;

export type Proposed =
  | { readonly state: 'chosen'; readonly ring: Uint8Array }
  /**
   * Another proposer was faster, or somebody did not answer or agree: try again, above `seen`. `ring`
   * is what this round asked to accept, if it came so far.
   */
  | { readonly state: 'undecided'; readonly seen: Ballot; readonly ring: Uint8Array | undefined };

export interface RingProposalOptions {
  readonly self: NodeId;
  readonly register: RingRegisterName;
  readonly epoch: Epoch;
  readonly acceptors: readonly NodeId[];
  readonly quorum: AcceptorQuorum;
  /** The highest ballot met in earlier rounds. */
  readonly above: Ballot | undefined;
  /** From what an earlier round may have got accepted, to be carried on as a rule, to the ring to propose. */
  readonly change: (accepted: Uint8Array | undefined, all: readonly Uint8Array[]) => Uint8Array;
  /** Whether a voter's bound follows upon what it told before; it is remembered. See `RingAcceptor`. */
  readonly follows: (voter: NodeId, told: ClockBound) => boolean;
  readonly transport: Transport;
  readonly clock: Clock;
}

/**
 * One CASPaxos round for the ring of an epoch: both phases, sent to all acceptors at once,
 * this one among them.
 */
export async function proposeRing(options: RingProposalOptions): Promise<Proposed> {
  const { self, register, epoch, acceptors, quorum, change, follows, transport, clock } = options;
  const call = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
  const ballot = nextBallot(options.above, self);
  const counts = <Reply extends ClockBound>(answer: Answer<Reply>): answer is Told<Reply> =>
    answer.ok && (answer.from === self || follows(answer.from, answer.reply));
  const round = new Round<Uint8Array>({ ballot, acceptors, quorum, change });

  const promises = new Gather(
    acceptors,
    (to) => transport.call(to, { type: 'ring.prepare', register, epoch, ballot }, call),
    clock,
    CALL_TIMEOUT_MS,
  );
  let verdict = round.verdict;
  for await (const answer of promises) {
    const decided = decidedRing(answer);
    if (decided !== undefined) return { state: 'chosen', ring: decided };
    verdict = round.promise(answer.from, counts(answer) ? promiseOf(answer.reply) : undefined);
    if (verdict !== 'preparing') break;
  }
  if (verdict !== 'accepting') return { state: 'undecided', seen: round.seen, ring: undefined };

  const { value: ring } = round;
  const acceptances = new Gather(
    acceptors,
    (to) => transport.call(to, { type: 'ring.accept', register, epoch, ballot, ring }, call),
    clock,
    CALL_TIMEOUT_MS,
  );
  for await (const answer of acceptances) {
    const decided = decidedRing(answer);
    if (decided !== undefined) return { state: 'chosen', ring: decided };
    const reply = counts(answer)
      ? { accepted: answer.reply.accepted, ballot: answer.reply.ballot as Ballot }
      : undefined;
    verdict = round.accept(answer.from, reply);
    if (verdict !== 'accepting') break;
  }
  return verdict === 'chosen'
    ? { state: 'chosen', ring }
    : { state: 'undecided', seen: round.seen, ring };
}

type Told<Reply> = Extract<Answer<Reply>, { readonly ok: true }>;

/** Whoever holds the ring of this epoch, or a later one, answers with it: it was decided before. */
function decidedRing(answer: Answer<unknown>): Uint8Array | undefined {
  if (answer.ok || answer.failure !== 'refused') return undefined;
  return answer.refusal.reason === 'stale_epoch' ? answer.refusal.ring : undefined;
}

function promiseOf(reply: ReplyOf<'ring.prepare'>): PrepareReply<Uint8Array> {
  const ballot = reply.ballot as Ballot;
  if (!reply.promised) return { promised: false, ballot };
  const { acceptedBallot, acceptedRing } = reply;
  if (acceptedBallot === undefined || acceptedRing === undefined) {
    return { promised: true, ballot, accepted: undefined };
  }
  const accepted = { ballot: acceptedBallot as Ballot, value: acceptedRing };
  return { promised: true, ballot, accepted };
}
