/**
 * What this node knows of its cluster: the ring in force, who answers, what their clocks say. Hands
 * out immutable snapshots; nobody outside changes anything here.
 */
import type { NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import type { Handlers } from '../rpc/messages.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { Store } from '../storage/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { MemberState } from './cluster-view.ts';
import { Founding } from './founding.ts';
import { type FoundingTerms, foundersOf } from './founding-terms.ts';
import type { Identity } from './identity.ts';
import { PeerClocks } from './peer-clocks.ts';
import { PeerWatch } from './peer-watch.ts';
import { RingAcceptor } from './ring-acceptor.ts';
import { RingHolder } from './ring-holder.ts';

/** How long a question about rings may take, milliseconds. */
const RING_TIMEOUT_MS = 2_000;

export type MembershipHandlers = Pick<
  Handlers,
  | 'membership.ping'
  | 'membership.ring'
  | 'membership.introduce'
  | 'ring.prepare'
  | 'ring.accept'
  | 'ring.decided'
>;

export interface MembershipOptions {
  readonly identity: Identity;
  readonly terms: FoundingTerms;
  readonly store: Store;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** This node's hybrid clock, milliseconds: what it drew or accepted, which never goes back. */
  readonly hybridMs: () => number;
}

export class Membership {
  readonly identity: Identity;
  readonly terms: FoundingTerms;
  readonly handlers: MembershipHandlers;
  readonly #rings: RingHolder;
  readonly #transport: Transport;
  readonly #clocks: PeerClocks;
  readonly #founding: Founding;
  readonly #watch: PeerWatch;
  readonly #hybridMs: () => number;

  private constructor(options: MembershipOptions, rings: RingHolder, acceptor: RingAcceptor) {
    const { identity, terms, transport, clock, random, log } = options;
    this.identity = identity;
    this.terms = terms;
    this.#rings = rings;
    this.#transport = transport;
    this.#clocks = new PeerClocks(clock);
    this.#hybridMs = options.hybridMs;
    const shared = { identity, terms, rings, transport, clock, random, log };
    this.#founding = new Founding(shared);
    this.#watch = new PeerWatch({
      ...shared,
      self: identity.nodeId,
      clocks: this.#clocks,
      onMissing: () => this.#lookForMoved(),
    });
    this.handlers = {
      'membership.ping': async ({ epoch }, { from }) => {
        if (epoch > (rings.ring?.epoch ?? 0)) await this.catchUp(from);
        const reply = { epoch: rings.ring?.epoch ?? 0, wallMs: clock.wallMs() } as const;
        return { ok: true, reply: { ...reply, hybridMs: options.hybridMs() } };
      },
      'membership.ring': async () => ({ ok: true, reply: { ring: rings.encoded } }),
      'membership.introduce': async () => ({ ok: true, reply: this.#founding.introduction }),
      'ring.prepare': (request) => acceptor.prepare(request),
      'ring.accept': (request) => acceptor.accept(request),
      'ring.decided': async ({ ring }) => {
        await rings.adopt(ring);
        return { ok: true, reply: {} };
      },
    };
  }

  /** @throws StartupError when what the store keeps does not fit this node's settings */
  static async open(options: MembershipOptions): Promise<Membership> {
    const { store, log, terms, identity, transport } = options;
    const rings = await RingHolder.open({
      store,
      log,
      terms,
      self: identity.nodeId,
      onRing: (ring) => {
        for (const member of ring.members) {
          if (member.id !== identity.nodeId) transport.learnAddress(member.id, member.address);
        }
      },
    });
    const acceptor = await RingAcceptor.open({ identity, terms, rings, store });
    return new Membership(options, rings, acceptor);
  }

  /** Ends all background work; resolves when none is under way. */
  async close(): Promise<void> {
    await Promise.all([this.#founding.stop(), this.#watch.stop()]);
  }

  /** The ring in force; `undefined` until this node belongs to a cluster. */
  get ring(): Ring | undefined {
    return this.#rings.ring;
  }

  /** Takes a ring that came with a message, if it is newer. */
  adopt(ring: Uint8Array): Promise<void> {
    return this.#rings.adopt(ring);
  }

  /** Somebody knows a newer ring than this node: asks for it and takes it. */
  async catchUp(from: NodeId): Promise<void> {
    if (from === this.identity.nodeId) return;
    const options = { timeoutMs: RING_TIMEOUT_MS, traffic: 'membership' } as const;
    const answer = await this.#transport.call(from, { type: 'membership.ring' }, options);
    if (answer.ok && answer.reply.ring !== undefined) await this.#rings.adopt(answer.reply.ring);
  }

  state(member: NodeId): MemberState {
    return this.#watch.state(member);
  }

  /** Whether a coordinator may expect an answer from it. */
  isReachable(member: NodeId): boolean {
    return this.#watch.state(member) === 'alive';
  }

  /** Members that do not answer now. */
  missing(): readonly NodeId[] {
    return this.#watch.missing();
  }

  get metMajority(): boolean {
    return this.#watch.metMajority;
  }

  /** What this node waits for before it belongs to a cluster, in a sentence. */
  get waitingFor(): string {
    return this.#founding.waitingFor;
  }

  /** How far the own wall clock is ahead of the median of the peers, milliseconds. */
  skewMs(): number {
    return this.#clocks.skewMs();
  }

  /** The time that no sound version is far beyond, milliseconds. */
  latestMs(): number {
    return Math.max(this.#clocks.latestMs(), this.#hybridMs());
  }

  /**
   * Whether the own clock could be compared since the start: a peer's was read, or all were asked and
   * none answered.
   */
  get clockCompared(): boolean {
    return this.#clocks.known || this.#watch.triedAll;
  }

  /** Asks the listed addresses again who lives there: a member may have come back with another one. */
  async #lookForMoved(): Promise<void> {
    const options = { timeoutMs: RING_TIMEOUT_MS, traffic: 'membership' } as const;
    const seeds = foundersOf(this.terms);
    await Promise.all(
      seeds.map((seed) =>
        this.#transport.callAddress(seed, { type: 'membership.introduce' }, options),
      ),
    );
  }
}
