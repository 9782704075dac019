/**
 * How a node comes to a cluster: it forms one with the other founders, or is taken into theirs.
 *
 * Forming: the founders listed in `QUORATE_SEEDS` decide the first ring together, once. All of them have
 * to answer and to agree, and the vote needs all: with a majority, one lost disk and a late starter would
 * make two clusters. Any founder may propose, in any order of starting. As soon as one of those listed
 * belongs to a cluster, and for a node that is not in its own list, there is only joining.
 */
import type { Address, ClusterId, Epoch, Lineage, NodeId } from '../ids.ts';
import { allOf } from '../paxos/acceptor-quorum.ts';
import type { Ballot } from '../paxos/ballot.ts';
import type { Member } from '../ring/member.ts';
import { formRing, type Ring } from '../ring/ring.ts';
import { decodeRing, encodeRing } from '../ring/ring-codec.ts';
import type { AddressAnswer, Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import { type Random, randomHex } from '../runtime/random.ts';
import type { Log } from '../telemetry/log.ts';
import { type Founder, type Introduction, judgeFounders } from './agreement.ts';
import type { FormerCluster } from './former-cluster.ts';
import { type FoundingTerms, foundersOf } from './founding-terms.ts';
import type { Identity } from './identity.ts';
import { Joining } from './joining.ts';
import type { RingHolder } from './ring-holder.ts';
import { proposeRing } from './ring-proposal.ts';

const TRY_EVERY_MS = 300;
const CALL_TIMEOUT_MS = 2_000;
/** A lone founder waits this long for members of an older cluster that know its address. */
const ALONE_WAITS_MS = 2_000;
/** Nodes remembered that asked who this one is. */
const MAX_ASKERS = 16;
/** Nodes asked in one attempt to be taken in. */
const MAX_ASKED = 64;
/** Founders other than the first leave it this long to propose, so that they seldom collide. */
const LATER_PROPOSER_WAITS_MS = 2_000;

export class Founding {
  readonly #options: FoundingOptions;
  readonly #loop: Loop;
  readonly #startedMs: number;
  #agreedSinceMs: number | undefined;
  #seenBallot: Ballot | undefined;
  readonly #joining: Joining;
  /** Nodes that asked who lives here; one that belongs to a cluster knows this address as a member's. */
  readonly #askers = new Set<NodeId>();
  #waitingFor = 'asking the founders who they are';

  constructor(options: FoundingOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.#joining = new Joining(options);
    this.#loop = new Loop({
      clock: options.clock,
      random: options.random,
      everyMs: TRY_EVERY_MS,
      turn: () => this.#turn(),
      onError: (cause) =>
        options.log.error('an attempt to form the cluster failed', { err: cause }),
    });
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** What is missing before this node belongs to a cluster, in a sentence. */
  get waitingFor(): string {
    return this.#waitingFor;
  }

  /** Somebody asked who this node is. */
  noteAsker(from: NodeId): void {
    if (this.#options.rings.ring === undefined && this.#askers.size < MAX_ASKERS)
      this.#askers.add(from);
  }

  /** How this node answers those who ask who it is. */
  get introduction(): Introduction {
    const { identity, terms, rings } = this.#options;
    return {
      node: identity.nodeId,
      name: terms.nodeName,
      address: terms.address(),
      zone: terms.zone,
      weight: terms.weight,
      nonce: identity.nonce,
      founders: [...foundersOf(terms)].sort(),
      clusterName: terms.clusterName,
      replicationFactor: terms.replicationFactor,
      replicationFactorWished: rings.startedWith.wish !== undefined,
      partitionCount: terms.partitionCount,
      graceMs: terms.graceMs,
      lastSurvivor: terms.lastSurvivor,
      epoch: rings.ring?.epoch ?? rings.former?.goneOn.epoch ?? 0,
    };
  }

  async #turn(): Promise<void> {
    const { identity, terms, rings, clock } = this.#options;
    if (rings.ring !== undefined || rings.departure !== undefined) return;
    if (rings.former !== undefined) {
      await this.#lookFor(rings.former);
      return;
    }
    const answers = await this.#ask(foundersOf(terms));
    const agreement = judgeFounders(terms, identity.nodeId, answers);
    if (agreement.state !== 'agreed') this.#agreedSinceMs = undefined;
    switch (agreement.state) {
      case 'waiting':
        this.#waitingFor = agreement.why;
        return;
      case 'formed':
        await this.#join(agreement.members);
        return;
      case 'agreed':
        this.#agreedSinceMs ??= clock.monotonicMs();
        this.#waitingFor = 'the founders agree and decide the first ring';
        if (agreement.founders.length === 1 && (await this.#joinAskers())) return;
        if (this.#isOwnTurn(agreement.founders)) await this.#propose(agreement.founders);
        return;
    }
  }

  /** A node that was a member looks for its cluster, and never forms another one. */
  async #lookFor({ clusterName, contacts }: FormerCluster): Promise<void> {
    const { terms } = this.#options;
    this.#waitingFor = `this node was replaced, and looks for members of its cluster "${clusterName}"`;
    const answers = await this.#ask([...new Set([...contacts, ...foundersOf(terms)])]);
    const members = [...answers.values()].flatMap((answer) =>
      answer.ok && answer.reply.epoch > 0 ? [answer.from] : [],
    );
    await this.#join(members);
  }

  async #ask(
    addresses: readonly Address[],
  ): Promise<ReadonlyMap<Address, AddressAnswer<Introduction>>> {
    const { transport } = this.#options;
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    const asked = addresses.map(async (address) => {
      const request = { type: 'membership.introduce' } as const;
      return [address, await transport.callAddress(address, request, options)] as const;
    });
    return new Map(await Promise.all(asked));
  }

  /** Whether somebody belongs to a cluster who takes this address for a member's: then that is where to go. */
  async #joinAskers(): Promise<boolean> {
    const { identity, transport } = this.#options;
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    for (const asker of this.#askers) {
      if (asker === identity.nodeId) continue;
      const answer = await transport.call(asker, { type: 'membership.introduce' }, options);
      if (!answer.ok || answer.reply.epoch === 0) continue;
      await this.#join([asker]);
      return true;
    }
    return false;
  }

  /**
   * One of those listed belongs to a cluster: they are asked until one of them takes this node in. Those
   * that have left say who is a member now.
   */
  async #join(members: readonly NodeId[]): Promise<void> {
    const { rings } = this.#options;
    const toAsk = new Set(members);
    for (const member of toAsk) {
      // An answer may take so long that this node was taken in meanwhile, and has left again: whoever is
      // asked then would take it in once more (simulator seed 5048).
      if (rings.ring !== undefined || rings.departure !== undefined) return;
      const joined = await this.#joining.ask(member);
      if (joined.state === 'member') return;
      if (joined.state === 'elsewhere') {
        // A set goes on with what is added while it is walked through.
        for (const other of joined.members) if (toAsk.size < MAX_ASKED) toAsk.add(other);
        continue;
      }
      this.#waitingFor = joined.why;
      if (joined.state === 'never') this.#options.onRefused(joined.why);
    }
  }

  /** The founder with the lowest id proposes first; the others when it has had its time. */
  #isOwnTurn(founders: readonly Founder[]): boolean {
    const { identity, clock, random } = this.#options;
    const now = clock.monotonicMs();
    if (founders.length === 1) return now - this.#startedMs >= ALONE_WAITS_MS;
    const lowest = founders.map(({ introduction }) => introduction.node).sort()[0];
    if (lowest === identity.nodeId) return true;
    const waitedMs = now - (this.#agreedSinceMs ?? now);
    return waitedMs > LATER_PROPOSER_WAITS_MS * (1 + random.fraction());
  }

  async #propose(founders: readonly Founder[]): Promise<void> {
    const { identity, transport, rings, clock } = this.#options;
    const nodes = founders.map(({ introduction }) => introduction.node);
    const proposed = await proposeRing({
      self: identity.nodeId,
      register: 'next',
      epoch: 1 as Epoch,
      acceptors: nodes,
      // Every founder must promise and accept: see the top of this file.
      quorum: allOf(nodes),
      above: this.#seenBallot,
      change: (accepted) => accepted ?? encodeRing(this.#firstRing(founders)),
      // Whose vote is not remembered by its own disk is remembered by all others', and all have to vote.
      follows: () => true,
      transport,
      clock,
    });
    if (proposed.state !== 'chosen') {
      this.#seenBallot = proposed.seen;
      if (proposed.ring !== undefined && !listsAll(proposed.ring, nodes)) {
        this.#waitingFor =
          'the founders agreed on a ring with a node that has lost its data directory since; bring that ' +
          'directory back, or empty the directories of all founders (nothing was stored yet)';
      }
      return;
    }
    await rings.adopt(proposed.ring);
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    await Promise.all(
      nodes.map((node) =>
        transport.call(node, { type: 'ring.decided', ring: proposed.ring }, options),
      ),
    );
  }

  #firstRing(founders: readonly Founder[]): Ring {
    const { terms, random } = this.#options;
    const members = founders.map(
      ({ address, introduction }): Member => ({
        id: introduction.node,
        name: introduction.name,
        address,
        zone: introduction.zone,
        weight: introduction.weight,
        joining: false,
        leaving: 'no',
      }),
    );
    return formRing({
      clusterId: randomHex(random, 16) as ClusterId,
      lineage: randomHex(random, 8) as Lineage,
      clusterName: terms.clusterName,
      hashSeed: BigInt(`0x${randomHex(random, 8)}`),
      replicationFactor: terms.replicationFactor,
      partitionCount: terms.partitionCount,
      lastSurvivor: terms.lastSurvivor,
      graceMs: terms.graceMs,
      founders: members,
    });
  }
}

/** Whether a ring that was accepted in an earlier round has all of the founders that are here. */
function listsAll(encoded: Uint8Array, nodes: readonly NodeId[]): boolean {
  const ring = decodeRing(encoded);
  return nodes.every((node) => ring?.member(node) !== undefined);
}

interface FoundingOptions {
  readonly identity: Identity;
  readonly terms: FoundingTerms;
  readonly rings: RingHolder;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** This node was started in a way in which no cluster takes it in. */
  readonly onRefused: (why: string) => void;
}
