/**
 * Forming a cluster: the founders listed in `QUORATE_SEEDS` decide the first ring together, once. All
 * of them have to answer and to agree, and the vote needs all: with a majority, one lost disk and a
 * late starter would make two clusters. Any founder may propose, in any order of starting.
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
import { type FoundingTerms, foundersOf } from './founding-terms.ts';
import type { Identity } from './identity.ts';
import type { RingHolder } from './ring-holder.ts';
import { proposeRing } from './ring-proposal.ts';

const TRY_EVERY_MS = 300;
const CALL_TIMEOUT_MS = 2_000;
/** A lone founder waits this long for members of an older cluster that know its address. */
const ALONE_WAITS_MS = 1_500;
/** Founders other than the first leave it this long to propose, so that they seldom collide. */
const LATER_PROPOSER_WAITS_MS = 2_000;

export class Founding {
  readonly #options: FoundingOptions;
  readonly #loop: Loop;
  readonly #startedMs: number;
  #agreedSinceMs: number | undefined;
  #seenBallot: Ballot | undefined;
  #waitingFor = 'asking the founders who they are';

  constructor(options: FoundingOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
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
      partitionCount: terms.partitionCount,
      epoch: rings.ring?.epoch ?? 0,
    };
  }

  async #turn(): Promise<void> {
    const { identity, terms, rings, clock } = this.#options;
    if (rings.ring !== undefined) return;
    const agreement = judgeFounders(terms, identity.nodeId, await this.#ask());
    if (agreement.state !== 'agreed') this.#agreedSinceMs = undefined;
    switch (agreement.state) {
      case 'waiting':
        this.#waitingFor = agreement.why;
        return;
      case 'formed':
        await this.#joinFormed(agreement.member);
        return;
      case 'agreed':
        this.#agreedSinceMs ??= clock.monotonicMs();
        this.#waitingFor = 'the founders agree and decide the first ring';
        if (this.#isOwnTurn(agreement.founders)) await this.#propose(agreement.founders);
        return;
    }
  }

  async #ask(): Promise<ReadonlyMap<Address, AddressAnswer<Introduction>>> {
    const { transport, terms } = this.#options;
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    const asked = foundersOf(terms).map(async (address) => {
      const request = { type: 'membership.introduce' } as const;
      return [address, await transport.callAddress(address, request, options)] as const;
    });
    return new Map(await Promise.all(asked));
  }

  /** A founder belongs to a cluster: it is this node's too if its ring lists this node. */
  async #joinFormed(member: NodeId): Promise<void> {
    const { transport, rings } = this.#options;
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    const answer = await transport.call(member, { type: 'membership.ring' }, options);
    if (answer.ok && answer.reply.ring !== undefined) await rings.adopt(answer.reply.ring);
    if (rings.ring !== undefined) return;
    this.#waitingFor =
      'the founders formed a cluster of which this node is no member, and joining one is not supported yet; ' +
      'if this node lost its data directory, bring the directory back';
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
      epoch: 1 as Epoch,
      acceptors: nodes,
      // Every founder must promise and accept: see the top of this file.
      quorum: allOf(nodes),
      above: this.#seenBallot,
      draw: () => encodeRing(this.#firstRing(founders)),
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
}
