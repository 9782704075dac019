/**
 * Taking newcomers in: a node that is no member asks any member, which judges it and has a ring decided
 * that lists it. Several that ask at once share a ring. Before, it is called where it says that the others
 * reach it: as a member that nobody can connect to it would be believed dead, and replaced.
 */
import type { NodeId } from '../ids.ts';
import { inOrderOfId, type Member } from '../ring/member.ts';
import { changedRing, withoutMissing } from '../ring/next-ring.ts';
import type { Ring } from '../ring/ring.ts';
import { MAX_MEMBERS } from '../ring/ring-parts.ts';
import type { ReplyOf, RequestOf } from '../rpc/messages.ts';
import type { Transport } from '../rpc/transport.ts';
import type { MemberState } from '../swim/news.ts';
import type { RingRegister } from './ring-register.ts';

type Application = RequestOf<'membership.join'>;
type Verdict = ReplyOf<'membership.join'>;

/** Newcomers that wait to be taken in at once; more have to ask again. */
const MAX_WAITING = 64;
/** A newcomer whose answer takes longer asks again, and is called again. */
const CALL_TIMEOUT_MS = 1_000;

export class Admission {
  readonly #rings: { readonly ring: Ring | undefined };
  readonly #register: Pick<RingRegister, 'decide'>;
  readonly #transport: Pick<Transport, 'callAddress'>;
  readonly #stateOf: (member: NodeId) => MemberState;
  readonly #isDeathContradicted: (ring: Ring, member: NodeId) => Promise<boolean>;
  /** Newcomers that are being called. */
  #called = 0;
  readonly #waiting = new Map<NodeId, Application>();
  #admitting: Promise<void> | undefined;

  constructor(options: {
    readonly rings: { readonly ring: Ring | undefined };
    readonly register: Pick<RingRegister, 'decide'>;
    readonly transport: Pick<Transport, 'callAddress'>;
    readonly stateOf: (member: NodeId) => MemberState;
    readonly isDeathContradicted: (ring: Ring, member: NodeId) => Promise<boolean>;
  }) {
    this.#rings = options.rings;
    this.#register = options.register;
    this.#transport = options.transport;
    this.#stateOf = options.stateOf;
    this.#isDeathContradicted = options.isDeathContradicted;
  }

  /** Answers when the application was judged, and where it was found good, tried. It may be made again. */
  async apply(application: Application): Promise<Verdict> {
    const { ring } = this.#rings;
    if (ring === undefined) return later('the member asked has no ring itself yet');
    if (ring.member(application.node) !== undefined) return { state: 'member', why: '' };
    const objection = this.#objectionTo(ring, application);
    if (objection !== undefined) return objection;
    if (this.#called + this.#waiting.size >= MAX_WAITING)
      return later('too many nodes are joining; it asks again');
    const unreached = await this.#call(application);
    if (unreached !== undefined) return unreached;
    const namesake = namesakeOf(ring, application);
    if (namesake !== undefined && (await this.#isDeathContradicted(ring, namesake.id)))
      return notDead(application, namesake);
    this.#waiting.set(application.node, application);
    this.#admitting ??= this.#admitAll().finally(() => {
      this.#admitting = undefined;
    });
    try {
      await this.#admitting;
    } finally {
      // One that came too late for that ring asks again; kept, it would be taken in after it has left.
      this.#waiting.delete(application.node);
    }
    const isMember = this.#rings.ring?.member(application.node) !== undefined;
    if (isMember) return { state: 'member', why: '' };
    return later('the members have not decided on it yet; it needs a majority of them');
  }

  /** What is wrong with the address of a newcomer; nothing when it answers there. */
  async #call({ node, address }: Application): Promise<Verdict | undefined> {
    this.#called++;
    try {
      const answer = await this.#transport.callAddress(
        address,
        { type: 'membership.introduce' },
        { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' },
      );
      if (answer.ok && answer.from === node) return undefined;
      const found = answer.ok
        ? `another node answers at ${address}`
        : `this node cannot be reached at ${address} (${answer.reason})`;
      return later(
        `${found}: its QUORATE_ADVERTISE, or without that its host and port, has to be an address ` +
          'at which the members reach it; it asks again',
      );
    } finally {
      this.#called--;
    }
  }

  async #admitAll(): Promise<void> {
    await this.#register.decide((ring) => {
      const newcomers = [...this.#waiting.values()].filter(
        (one) => this.#objectionTo(ring, one) === undefined,
      );
      this.#waiting.clear();
      return ringWith(ring, newcomers);
    });
  }

  #objectionTo(ring: Ring, application: Application): Verdict | undefined {
    const difference = differenceFrom(ring, application);
    if (difference !== undefined) return { state: 'never', why: difference };
    if (ring.members.length >= MAX_MEMBERS)
      return later(`a cluster has ${MAX_MEMBERS} members at most`);
    // Who lost its disk comes back under its name, with another id, and takes the place of the old one
    // at once. Who is only slow to die is not to be pushed out.
    const namesake = namesakeOf(ring, application);
    if (namesake === undefined || this.#stateOf(namesake.id) === 'dead') return undefined;
    return notDead(application, namesake);
  }
}

function notDead({ name }: Application, { address }: Member): Verdict {
  return later(
    `${name} is the name of a member at ${address} that is not dead; ` +
      'give this node another QUORATE_NODE_NAME, or stop that one',
  );
}

/** The next ring with the newcomers in it, and without members of their names. */
function ringWith(ring: Ring, newcomers: readonly Application[]): Ring | undefined {
  const taken = newcomers
    .filter(
      ({ node, name }, index) =>
        ring.member(node) === undefined &&
        newcomers.findIndex((other) => other.name === name) === index,
    )
    .slice(0, MAX_MEMBERS - ring.members.length);
  if (taken.length === 0) return undefined;
  const displaced = taken.flatMap((one) => namesakeOf(ring, one)?.id ?? []);
  const staying = withoutMissing(ring.members, new Set(displaced));
  const members = inOrderOfId([...staying, ...taken.map(memberOf)]);
  return changedRing(ring, { members });
}

function namesakeOf(ring: Ring, { name }: Application): Member | undefined {
  return ring.members.find((member) => member.name === name && member.leaving === 'no');
}

function memberOf({ node, name, address, zone, weight }: Application): Member {
  return { id: node, name, address, zone, weight, joining: true, leaving: 'no' };
}

/** What keeps a node out for as long as it is started like this. */
function differenceFrom(ring: Ring, application: Application): string | undefined {
  const { clusterName, replicationFactor } = application;
  if (clusterName !== ring.clusterName) {
    return (
      `the cluster is called ${ring.clusterName}, and this node was started with ` +
      `QUORATE_CLUSTER_NAME=${clusterName}; correct the one or QUORATE_SEEDS`
    );
  }
  if (replicationFactor !== undefined && replicationFactor !== ring.replicationFactor) {
    return (
      `the cluster keeps ${ring.replicationFactor} copies of each key, and this node was started with ` +
      `QUORATE_REPLICATION_FACTOR=${replicationFactor}; start it with ${ring.replicationFactor} or without, or change all: ` +
      `quorate replication-factor ${replicationFactor}`
    );
  }
  return undefined;
}

function later(why: string): Verdict {
  return { state: 'later', why };
}
