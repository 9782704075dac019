import type { NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import { decodeRing } from '../ring/ring-codec.ts';
import type { Transport } from '../rpc/transport.ts';
import type { FoundingTerms } from './founding-terms.ts';
import type { Identity } from './identity.ts';
import type { RingHolder } from './ring-holder.ts';

const CALL_TIMEOUT_MS = 2_000;
/** Deciding a ring takes a few round trips and syncs, more when members are missing. */
const JOIN_TIMEOUT_MS = 10_000;

/** What came of asking a member; `why` is for people. */
export type Joined =
  | { readonly state: 'member' }
  /** The one that was asked has left the cluster; these are its members. */
  | { readonly state: 'elsewhere'; readonly members: readonly NodeId[] }
  | { readonly state: 'later' | 'never'; readonly why: string };

/** A node that is no member yet asks one to be taken into its cluster. */
export class Joining {
  readonly #identity: Identity;
  readonly #terms: FoundingTerms;
  readonly #rings: RingHolder;
  readonly #transport: Transport;

  constructor(options: {
    readonly identity: Identity;
    readonly terms: FoundingTerms;
    readonly rings: RingHolder;
    readonly transport: Transport;
  }) {
    this.#identity = options.identity;
    this.#terms = options.terms;
    this.#rings = options.rings;
    this.#transport = options.transport;
  }

  async ask(member: NodeId): Promise<Joined> {
    const ring = await this.#takeRingOf(member);
    if (this.#rings.ring !== undefined) return { state: 'member' };
    if (this.#rings.departure !== undefined)
      return { state: 'later', why: 'this node has left while it asked' };
    if (ring !== undefined && ring.member(member) === undefined) {
      for (const { id, address } of ring.members) this.#transport.learnAddress(id, address);
      return { state: 'elsewhere', members: ring.members.map(({ id }) => id) };
    }
    const { nodeName, zone, weight, clusterName } = this.#terms;
    this.#rings.startedWith.noteAsked();
    const answer = await this.#transport.call(
      member,
      {
        type: 'membership.join',
        node: this.#identity.nodeId,
        name: nodeName,
        address: this.#terms.address(),
        ...{ zone, weight, clusterName },
        replicationFactor: this.#rings.startedWith.wish,
      },
      { timeoutMs: JOIN_TIMEOUT_MS, traffic: 'membership' },
    );
    if (!answer.ok) return { state: 'later', why: 'a member was asked and did not answer in time' };
    const { state, why } = answer.reply;
    if (state !== 'member') return { state, why };
    await this.#takeRingOf(member);
    if (this.#rings.ring !== undefined) return { state: 'member' };
    return { state: 'later', why: 'this node was taken in, and fetches the ring' };
  }

  /** Takes its ring, if that lists this node; the ring that it told. */
  async #takeRingOf(member: NodeId): Promise<Ring | undefined> {
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    const answer = await this.#transport.call(member, { type: 'membership.ring' }, options);
    if (!answer.ok || answer.reply.ring === undefined) return undefined;
    await this.#rings.adopt(answer.reply.ring);
    return decodeRing(answer.reply.ring);
  }
}
