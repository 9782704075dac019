/**
 * What this node knows of its cluster: the ring in force, who answers, what their clocks say. Hands
 * out immutable snapshots; nobody outside changes anything here.
 */
import type { ClusterId, NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import type { ClockBound, Handlers, ReplyOf, RingRegisterName, Served } from '../rpc/messages.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { Supervisor } from '../runtime/supervisor.ts';
import type { Change, Store } from '../storage/store.ts';
import type { MemberState } from '../swim/news.ts';
import type { ClusterEvents } from '../telemetry/cluster-events.ts';
import type { Log } from '../telemetry/log.ts';
import { Admission } from './admission.ts';
import type { EndedTask } from './cluster-view.ts';
import { Consent } from './consent.ts';
import type { Moment } from './contacts.ts';
import { FailureDetector } from './failure-detector.ts';
import { ForcedRegister } from './forced-register.ts';
import { ringGoneOn } from './former-cluster.ts';
import { Founding } from './founding.ts';
import type { FoundingTerms } from './founding-terms.ts';
import { GivenUp } from './given-up.ts';
import type { Identity } from './identity.ts';
import { MovedMembers } from './moved-members.ts';
import { PeerClocks } from './peer-clocks.ts';
import { QuorumLease } from './quorum-lease.ts';
import { RememberedBounds, withBound } from './remembered-bounds.ts';
import { RingAcceptor } from './ring-acceptor.ts';
import { RingHolder } from './ring-holder.ts';
import { isHeldByMost, takeRingOf } from './ring-inquiry.ts';
import { RingJournal } from './ring-journal.ts';
import { type Decision, RingRegister } from './ring-register.ts';
import type { StartedWith } from './started-with.ts';

/** How often what the members told of their clocks is brought to the disk, milliseconds. */
const KEEP_BOUNDS_EVERY_MS = 5_000;

export type MembershipHandlers = Pick<
  Handlers,
  | 'swim.ping'
  | 'swim.ping-req'
  | 'swim.sync'
  | 'membership.ring'
  | 'membership.introduce'
  | 'membership.confirm'
  | 'ring.prepare'
  | 'ring.accept'
  | 'ring.decided'
  | 'ring.consent'
  | 'membership.join'
>;

export interface MembershipOptions {
  readonly identity: Identity;
  readonly terms: FoundingTerms;
  readonly store: Store;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly supervisor: Supervisor;
  /** Whom to probe and to ask when. */
  readonly probeRandom: Random;
  readonly log: Log;
  readonly events: ClusterEvents;
  /** This node's hybrid clock, milliseconds: what it drew or accepted, which never goes back. */
  readonly hybridMs: () => number;
  /** The bound of that clock on disk. */
  readonly clockBound: () => ClockBound;
  readonly maxSkewMs: number;
  /** Called with each ring that comes into force, the one found on disk included. */
  readonly onRing: (ring: Ring) => void;
  /** Stores changes in one batch with a higher bound. */
  readonly keepWithBound: (changes: readonly Change[]) => Promise<void>;
  /** This node was started in a way in which no cluster takes it in. */
  readonly onRefused: (why: string) => void;
}

export class Membership {
  readonly identity: Identity;
  readonly terms: FoundingTerms;
  readonly handlers: MembershipHandlers;
  /** Who of the members is alive, and since when not. */
  readonly detector: FailureDetector;
  readonly #rings: RingHolder;
  readonly #transport: Transport;
  readonly #clocks: PeerClocks;
  readonly #boundsLoop: Loop;
  readonly #acceptor: RingAcceptor;
  readonly #register: RingRegister;
  readonly #forced: ForcedRegister;
  readonly #givenUp: GivenUp;
  readonly #consent: Consent;
  readonly #lease: QuorumLease;
  readonly #founding: Founding;
  readonly #journal: RingJournal;
  readonly #events: ClusterEvents;
  readonly #hybridMs: () => number;
  readonly #maxSkewMs: number;

  private constructor(
    options: MembershipOptions,
    { rings, acceptor, forcedAcceptor, bounds, journal, onRing }: Opened,
  ) {
    const { identity, terms, transport, clock, random, log, events } = options;
    this.#events = events;
    this.identity = identity;
    this.terms = terms;
    this.#rings = rings;
    this.#journal = journal;
    this.#transport = transport;
    this.#clocks = new PeerClocks(clock);
    this.#hybridMs = options.hybridMs;
    this.#maxSkewMs = options.maxSkewMs;
    const self = identity.nodeId;
    const shared = { self, identity, terms, rings, bounds, transport, clock, random, log };
    this.#founding = new Founding({ ...shared, onRefused: options.onRefused });
    const moved = new MovedMembers({ ...shared, random: options.probeRandom });
    this.detector = new FailureDetector({
      ...shared,
      random: options.probeRandom,
      clocks: this.#clocks,
      hybridMs: options.hybridMs,
      bound: options.clockBound,
      onRolledBack: () => rings.loseDisk(),
      silentTo: () => acceptor.silentTo,
      lends: () => acceptor.endsLeasesSince === undefined,
      catchUp: (from) => this.catchUp(from),
      onMissing: (missing) => moved.look(missing),
      onChange: (member, _before, now) => this.#tellOf(member, now, log),
    });
    this.#boundsLoop = new Loop({
      clock,
      random,
      everyMs: KEEP_BOUNDS_EVERY_MS,
      turn: () => bounds.persist(),
      onError: (cause) =>
        log.error('what the members told of their clocks could not be kept', { err: cause }),
    });
    this.#acceptor = acceptor;
    this.#register = new RingRegister(shared);
    this.#forced = new ForcedRegister({
      ...shared,
      versionsBelowMs: () => this.versionsBelowMs,
    });
    this.#givenUp = new GivenUp(shared);
    this.#consent = new Consent({ ...shared, acceptor, deaths: this.detector });
    this.#lease = new QuorumLease({
      ...shared,
      lastAcked: (member) => this.detector.lastAckedMs(member),
      endedSince: () => acceptor.endsLeasesSince,
      lastStepMs: () => this.detector.lastStepMs(),
    });
    onRing.push(
      () => this.#givenUp.begin(),
      () => this.detector.ringChanged(),
      (ring) => this.#consent.noteRing(ring),
    );
    this.#givenUp.begin();
    const admission = new Admission({
      ...{ rings, transport },
      register: this.#register,
      stateOf: (member) => this.detector.state(member),
      isDeathContradicted: (ring, member) => this.isDeathContradicted(ring, member),
    });
    const acceptorOf = ({ register }: { readonly register: RingRegisterName }): RingAcceptor =>
      register === 'forced' ? forcedAcceptor : acceptor;
    const told = async <Reply>(vote: Promise<Served<Reply>>): Promise<Served<Reply & ClockBound>> =>
      withBound(await vote, options.clockBound());
    this.handlers = {
      ...this.detector.handlers,
      'membership.ring': async () => ({
        ok: true,
        // Whoever was away while the members that it knew left asks them where the cluster went.
        reply: { ring: rings.encoded ?? ringGoneOn(rings.former) },
      }),
      'membership.introduce': async (_request, { from }) => {
        this.#founding.noteAsker(from);
        return { ok: true, reply: this.introduction };
      },
      'membership.confirm': async (request) => ({
        ok: true,
        reply: await transport.confirmLife(request),
      }),
      'membership.join': async (request) => ({ ok: true, reply: await admission.apply(request) }),
      'ring.prepare': (request, { from }) => told(acceptorOf(request).prepare(request, from)),
      'ring.accept': (request, { from }) => told(acceptorOf(request).accept(request, from)),
      'ring.consent': (request, { from }) => told(this.#consent.answer(request, from)),
      'ring.decided': async ({ ring }) => {
        await rings.adopt(ring);
        return { ok: true, reply: {} };
      },
    };
  }

  /** @throws StartupError when what the store keeps does not fit this node's settings */
  static async open(options: MembershipOptions): Promise<Membership> {
    const { store, supervisor, log, terms, identity, transport } = options;
    const journal = new RingJournal(options.events);
    const onRing: ((ring: Ring) => void)[] = [
      options.onRing,
      (ring) => journal.note(ring),
      (ring) => {
        for (const member of ring.members)
          if (member.id !== identity.nodeId) transport.learnAddress(member.id, member.address);
      },
    ];
    let forcedAcceptor: RingAcceptor | undefined;
    const rings = await RingHolder.open({
      store,
      supervisor,
      log,
      terms,
      self: identity.nodeId,
      onDeparture: (ring) => journal.note(ring),
      onRing: (ring) => {
        for (const listener of onRing) listener(ring);
      },
      isHeld: (ring) => isHeldByMost(ring, transport),
      hasEnded: (ring) => forcedAcceptor?.hasEnded(ring) === true,
    });
    const catchUp = (from: NodeId): Promise<void> =>
      takeRingOf(from, { self: identity.nodeId, rings, transport });
    let detector: FailureDetector | undefined;
    const triedAll = (): boolean => detector?.triedAll === true;
    const keep = options.keepWithBound;
    const { clock } = options;
    const voting = { clock, identity, terms, rings, store, keep, triedAll, catchUp };
    const acceptor = await RingAcceptor.open({ ...voting, register: 'next' });
    forcedAcceptor = await RingAcceptor.open({ ...voting, register: 'forced' });
    const bounds = await RememberedBounds.open(store);
    const opened = { rings, acceptor, forcedAcceptor, bounds, journal, onRing };
    const membership = new Membership(options, opened);
    detector = membership.detector;
    return membership;
  }

  /** Ends all background work; resolves when none is under way. */
  async close(): Promise<void> {
    await Promise.all([
      this.#founding.stop(),
      this.detector.stop(),
      this.#register.close(),
      this.#forced.close(),
      this.#givenUp.stop(),
      this.#boundsLoop.stop(),
    ]);
  }

  /** The ring in force; `undefined` until this node belongs to a cluster. */
  get ring(): Ring | undefined {
    return this.#rings.ring;
  }

  /** How this node answers those who ask who it is. */
  get introduction(): ReplyOf<'membership.introduce'> {
    return this.#founding.introduction;
  }

  /** What this start of the node asks of the ring. */
  get startedWith(): StartedWith {
    return this.#rings.startedWith;
  }

  /** The transitions whose end this node saw, latest first. */
  get endedTasks(): readonly EndedTask[] {
    return this.#journal.ended;
  }

  /** The last ring under which partitions went on with what survived of their replicas. */
  get survivorsRing(): Ring | undefined {
    return this.#journal.survivorsRing;
  }

  /** Takes a ring that came with a message, if it is newer. */
  adopt(ring: Uint8Array): Promise<void> {
    return this.#rings.adopt(ring);
  }

  /** Somebody knows a newer ring than this node: asks for it and takes it. */
  catchUp(from: NodeId): Promise<void> {
    const self = this.identity.nodeId;
    return takeRingOf(from, { self, rings: this.#rings, transport: this.#transport });
  }

  /** Has the ring decided that `draw` makes of the one in force: one among the members, once an epoch. */
  decide(draw: (ring: Ring) => Ring | undefined): Promise<Decision> {
    return this.#register.decide(draw);
  }

  /** Has it decided, by all who are left, that the cluster goes on from `ring` without `gone`. */
  force(ring: Ring, gone: ReadonlySet<NodeId>): Promise<Decision> {
    return this.#forced.force(ring, gone);
  }

  /** Who of those that are left does not say that `gone` are dead. */
  againstForcing(ring: Ring, gone: readonly NodeId[]): Promise<readonly NodeId[]> {
    return this.#consent.againstForcing(ring, gone);
  }

  /** Whether others contradict this node, to which `member` is dead. */
  isDeathContradicted(ring: Ring, member: NodeId): Promise<boolean> {
    return this.#consent.isDeathContradicted(ring, member);
  }

  /** Whether a majority of the members of `ring` agrees that `missing` are gone. */
  consent(
    ring: Ring,
    missing: readonly NodeId[],
    to: 'replacement' | 'survivors',
  ): Promise<boolean> {
    return this.#consent.ask(ring, missing, to);
  }

  /** Members that this node agreed to go on without, until the next epoch is decided. */
  get silentTo(): readonly NodeId[] {
    return this.#acceptor.silentTo;
  }

  /** Since when this node has accepted a ring that ends the leases of the present one, and heard no more of it. */
  get inDoubtSince(): Moment | undefined {
    return this.#acceptor.endsLeasesSince;
  }

  /**
   * Whether this node may answer quorum requests as a replica: it has not lost touch with the others, and
   * looked for all of them since it started. Those that come back together may be a majority of a cluster
   * that an operator had go on without them (simulator seed 2887).
   */
  servesQuorum(ring: Ring): boolean {
    return this.detector.lookedForAll && this.#lease.holds(ring);
  }

  /**
   * The same at the end of what was admitted `at` a moment when it was so under `before`. A node that has left
   * meanwhile may have held the ring by which the others went on without it.
   */
  stillServesQuorum(before: Ring, at: Moment): boolean {
    return this.#lease.stillHolds(this.#rings.lastHeld ?? before, before, at);
  }

  /** To be kept with what is admitted. */
  now(): Moment {
    return this.#lease.now();
  }

  /** While this node meets the others, it may serve nobody: see `FailureDetector.nextMeeting`. */
  nextMeeting(): Promise<void> | undefined {
    return this.detector.nextMeeting();
  }

  /** Own monotonic clock: since when a member has been dead here. */
  deadSinceMs(member: NodeId): number | undefined {
    return this.detector.deadSinceMs(member);
  }

  state(member: NodeId): MemberState {
    return this.detector.state(member);
  }

  /** Whether a coordinator may expect an answer from it. */
  isReachable(member: NodeId): boolean {
    return this.detector.state(member) === 'alive';
  }

  /** Members that do not answer now. */
  missing(): readonly NodeId[] {
    return this.detector.missing();
  }

  get metMajority(): boolean {
    return this.detector.metMajority;
  }

  /** The cluster that this node belongs to, or belonged to and is to come back to. */
  get clusterId(): ClusterId | undefined {
    return this.ring?.clusterId ?? this.#rings.former?.clusterId;
  }

  /** What this node waits for before it belongs to a cluster, in a sentence. */
  get waitingFor(): string {
    switch (this.#rings.departure) {
      case 'left':
        return 'this node has left the cluster; it comes back, as a new member, when it is started again';
      case 'replaced':
        return 'this node was replaced while it was away; it starts again as a new member';
      default:
        return this.#founding.waitingFor;
    }
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
   * The time that no version lies beyond that any member may have drawn, milliseconds: of two clocks that
   * are both as wrong as they may be, one way and the other.
   */
  get versionsBelowMs(): number {
    const drawnMs = this.#clocks.wallMs() + 2 * this.#maxSkewMs;
    return Math.ceil(Math.max(this.latestMs(), drawnMs));
  }

  /**
   * Whether the own clock could be compared since the start: a peer's was read, or all were asked and
   * none answered.
   */
  get clockCompared(): boolean {
    return this.#clocks.known || this.detector.triedAll;
  }

  #tellOf(member: NodeId, state: MemberState, log: Log): void {
    const fields = { member: this.ring?.member(member)?.name ?? member };
    if (state === 'alive') log.info('a member is alive', fields);
    else log.warn(`a member is ${state}`, fields);
    if (state !== 'left') this.#events.tell({ type: `member.${state}`, ...fields });
  }
}

interface Opened {
  readonly rings: RingHolder;
  readonly acceptor: RingAcceptor;
  readonly forcedAcceptor: RingAcceptor;
  readonly bounds: RememberedBounds;
  readonly journal: RingJournal;
  /** Called with each ring that comes into force. */
  readonly onRing: ((ring: Ring) => void)[];
}
