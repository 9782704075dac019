/**
 * Proposers and acceptors under a random schedule: messages are lost, delivered twice or in any
 * order, proposers lose their memory. The judge sees everything: which values were chosen, and
 * whether every one of them was made from the one chosen before it.
 */
import type { NodeId } from '../../src/ids.ts';
import {
  type AcceptorState,
  type AcceptReply,
  accept,
  FRESH_ACCEPTOR,
  type PrepareReply,
  prepare,
} from '../../src/paxos/acceptor.ts';
import { type AcceptorQuorum, majorityOf } from '../../src/paxos/acceptor-quorum.ts';
import { type Ballot, nextBallot } from '../../src/paxos/ballot.ts';
import { Round } from '../../src/paxos/proposer.ts';

/** Every change ever applied, in order: a later value must begin with every earlier one. */
export type History = readonly string[];

/** The steps under test; a mutant replaces one. */
export interface Protocol {
  readonly prepare: typeof prepare;
  readonly accept: typeof accept;
  readonly quorumOf: (acceptors: readonly NodeId[]) => AcceptorQuorum;
}

export const PROTOCOL: Protocol = { prepare, accept, quorumOf: majorityOf };

export interface Schedule {
  readonly seed: number;
  readonly acceptors: number;
  readonly proposers: number;
  readonly steps: number;
  readonly change: (current: History | undefined, mark: string) => History;
}

export interface Outcome {
  /** Values that were chosen, by rising ballot; two of one ballot if it came to that. */
  readonly chosen: readonly { readonly ballot: Ballot; readonly value: History }[];
  /** Values that a proposer was told are chosen. */
  readonly reported: readonly History[];
}

type Delivery = () => void;

export function runSchedule(schedule: Schedule, protocol: Protocol): Outcome {
  return new Simulation(schedule, protocol).run();
}

class Simulation {
  readonly #schedule: Schedule;
  readonly #protocol: Protocol;
  readonly #quorum: AcceptorQuorum;
  readonly #states: Map<NodeId, AcceptorState<History>>;
  readonly #rounds = new Map<NodeId, Round<History>>();
  readonly #inFlight: Delivery[] = [];
  /** Who accepted what, by ballot and value. */
  readonly #acceptances = new Map<
    string,
    { readonly ballot: Ballot; readonly value: History; readonly by: Set<NodeId> }
  >();
  readonly #reported: History[] = [];
  #random: number;
  #marks = 0;

  constructor(schedule: Schedule, protocol: Protocol) {
    this.#schedule = schedule;
    this.#protocol = protocol;
    this.#random = schedule.seed | 1;
    const acceptors = nodes('a', schedule.acceptors);
    this.#quorum = protocol.quorumOf(acceptors);
    this.#states = new Map(acceptors.map((node) => [node, FRESH_ACCEPTOR]));
  }

  run(): Outcome {
    const proposers = nodes('b', this.#schedule.proposers);
    for (let step = 0; step < this.#schedule.steps; step++) {
      const proposer = proposers[this.#below(proposers.length)];
      const luck = this.#below(100);
      if (proposer !== undefined && luck < 8) this.#startRound(proposer);
      else if (proposer !== undefined && luck < 9)
        this.#rounds.delete(proposer); // forgets its ballots
      else if (luck < 24)
        this.#take(); // lost
      else if (luck < 34)
        this.#pick()?.(); // delivered, and will be again
      else this.#take()?.();
    }
    const chosen = [...this.#acceptances.values()]
      .filter(({ by }) => this.#quorum(by))
      .sort((one, other) => (one.ballot < other.ballot ? -1 : 1));
    return { chosen, reported: this.#reported };
  }

  #startRound(proposer: NodeId): void {
    const ballot = nextBallot(this.#rounds.get(proposer)?.seen, proposer);
    const mark = `${proposer.slice(-2)}.${++this.#marks}`;
    const acceptors = [...this.#states.keys()];
    const change = (current: History | undefined) => this.#schedule.change(current, mark);
    const round = new Round({ ballot, acceptors, quorum: this.#quorum, change });
    this.#rounds.set(proposer, round);
    for (const to of acceptors) this.#inFlight.push(() => this.#prepare(round, to));
  }

  #prepare(round: Round<History>, at: NodeId): void {
    const { state, reply } = this.#protocol.prepare(this.#stateOf(at), round.ballot);
    this.#states.set(at, state);
    this.#inFlight.push(() => this.#promised(round, at, reply));
  }

  #promised(round: Round<History>, from: NodeId, reply: PrepareReply<History>): void {
    const before = round.verdict;
    if (round.promise(from, reply) !== 'accepting' || before === 'accepting') return;
    const { value } = round;
    for (const to of this.#states.keys()) this.#inFlight.push(() => this.#accept(round, to, value));
  }

  #accept(round: Round<History>, at: NodeId, value: History): void {
    const { state, reply } = this.#protocol.accept(this.#stateOf(at), round.ballot, value);
    this.#states.set(at, state);
    if (reply.accepted) this.#noteAcceptance(round.ballot, value, at);
    this.#inFlight.push(() => this.#accepted(round, at, reply));
  }

  #accepted(round: Round<History>, from: NodeId, reply: AcceptReply): void {
    const before = round.verdict;
    if (round.accept(from, reply) === 'chosen' && before !== 'chosen')
      this.#reported.push(round.value);
  }

  #noteAcceptance(ballot: Ballot, value: History, by: NodeId): void {
    const key = `${ballot} ${value.join()}`;
    const known = this.#acceptances.get(key);
    if (known === undefined) this.#acceptances.set(key, { ballot, value, by: new Set([by]) });
    else known.by.add(by);
  }

  /** As found after a restart: nothing but what is kept survives. */
  #stateOf(node: NodeId): AcceptorState<History> {
    const { promised, accepted } = this.#states.get(node) ?? FRESH_ACCEPTOR;
    return { promised, accepted };
  }

  #pick(): Delivery | undefined {
    return this.#inFlight[this.#below(this.#inFlight.length)];
  }

  #take(): Delivery | undefined {
    const [delivery] = this.#inFlight.splice(this.#below(this.#inFlight.length), 1);
    return delivery;
  }

  #below(bound: number): number {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return bound === 0 ? 0 : (this.#random >>> 0) % bound;
  }
}

function nodes(prefix: string, count: number): readonly NodeId[] {
  return Array.from(
    { length: count },
    (_, index) => `${prefix}${index}`.padStart(16, '0') as NodeId,
  );
}
