/**
 * One round of CASPaxos's proposer (Rystsov, section 2.2): ask for promises; with enough of them apply
 * the change to the value of the highest accepted ballot; have the result accepted; with enough
 * acceptances it is chosen.
 *
 * Whoever sends the messages reads `verdict` after every answer: `preparing`, then `accepting`, then
 * one of the three ends. Another round needs another ballot: `nextBallot(round.seen, node)`.
 */
import type { NodeId } from '../ids.ts';
import { invariant } from '../invariant.ts';
import type { Accepted, AcceptReply, PrepareReply } from './acceptor.ts';
import type { AcceptorQuorum } from './acceptor-quorum.ts';
import { type Ballot, higherBallot } from './ballot.ts';

/**
 * `chosen`: `value` is decided. `refused`: another round came between. `unavailable`: too few
 * acceptors answered. After a round that ended so in its second half it is unknown whether its value
 * is chosen: a later round may find it accepted and carry it on.
 */
export type RoundVerdict = 'preparing' | 'accepting' | 'chosen' | 'refused' | 'unavailable';

export interface RoundOptions<Value> {
  readonly ballot: Ballot;
  readonly acceptors: readonly NodeId[];
  readonly quorum: AcceptorQuorum;
  /**
   * From the register's value (`undefined`: none yet) to the one to propose. Called once at most. `all`: what
   * else was found accepted, which matters where not all quorums of the register meet.
   */
  readonly change: (current: Value | undefined, all: readonly Value[]) => Value;
}

export class Round<Value> {
  readonly ballot: Ballot;
  readonly #options: RoundOptions<Value>;
  readonly #said = new Map<NodeId, 'yes' | 'no'>();
  #verdict: RoundVerdict = 'preparing';
  #highest: Accepted<Value> | undefined;
  readonly #found: Value[] = [];
  #proposed: { readonly value: Value } | undefined;
  #seen: Ballot;
  #wasRefused = false;

  constructor(options: RoundOptions<Value>) {
    this.ballot = options.ballot;
    this.#options = options;
    this.#seen = options.ballot;
  }

  get verdict(): RoundVerdict {
    return this.#verdict;
  }

  /** What to send in the accepts. Known once the verdict is `accepting`. */
  get value(): Value {
    invariant(this.#proposed !== undefined, 'a round with enough promises');
    return this.#proposed.value;
  }

  /** The highest ballot met: this round's own, or one that it was refused for. */
  get seen(): Ballot {
    return this.#seen;
  }

  /** What an acceptor said to the prepare; `undefined`: it did not answer. Its first word counts. */
  promise(from: NodeId, reply: PrepareReply<Value> | undefined): RoundVerdict {
    if (this.#verdict !== 'preparing' || !this.#isNews(from)) return this.#verdict;
    if (reply?.promised === true) this.#remember(reply.accepted);
    else this.#noteRefusal(reply?.ballot);
    this.#said.set(from, reply?.promised === true ? 'yes' : 'no');

    if (this.#isMet()) this.#propose();
    else this.#endIfHopeless();
    return this.#verdict;
  }

  /** What an acceptor said to the accept; `undefined`: it did not answer. Its first word counts. */
  accept(from: NodeId, reply: AcceptReply | undefined): RoundVerdict {
    if (this.#verdict !== 'accepting' || !this.#isNews(from)) return this.#verdict;
    if (reply?.accepted !== true) this.#noteRefusal(reply?.ballot);
    this.#said.set(from, reply?.accepted === true ? 'yes' : 'no');

    if (this.#isMet()) this.#verdict = 'chosen';
    else this.#endIfHopeless();
    return this.#verdict;
  }

  #isNews(from: NodeId): boolean {
    return this.#options.acceptors.includes(from) && !this.#said.has(from);
  }

  #remember(accepted: Accepted<Value> | undefined): void {
    if (accepted === undefined) return;
    this.#found.push(accepted.value);
    if (this.#highest === undefined || accepted.ballot > this.#highest.ballot) {
      this.#highest = accepted;
    }
  }

  #noteRefusal(ballot: Ballot | undefined): void {
    if (ballot === undefined) return;
    this.#wasRefused = true;
    this.#seen = higherBallot(this.#seen, ballot) ?? this.#seen;
  }

  #propose(): void {
    this.#proposed = { value: this.#options.change(this.#highest?.value, this.#found) };
    this.#verdict = 'accepting';
    this.#said.clear();
    this.#wasRefused = false;
  }

  #isMet(): boolean {
    return this.#options.quorum(this.#acceptorsWhere((said) => said === 'yes'));
  }

  #endIfHopeless(): void {
    if (this.#options.quorum(this.#acceptorsWhere((said) => said !== 'no'))) return;
    this.#verdict = this.#wasRefused ? 'refused' : 'unavailable';
  }

  #acceptorsWhere(holds: (said: 'yes' | 'no' | undefined) => boolean): ReadonlySet<NodeId> {
    return new Set(this.#options.acceptors.filter((node) => holds(this.#said.get(node))));
  }
}
