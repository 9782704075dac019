/**
 * Sends what the detector (`swim/`) wants sent and tells it what came back: who of the members is alive.
 * It only observes; placement never depends on what one node believes.
 */
import type { NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import type {
  ClockBound,
  Handlers,
  LifeLine,
  NewsLine,
  RequestOf,
  Served,
} from '../rpc/messages.ts';
import type { Answer, Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import { firstIncarnation, type MemberState, type News } from '../swim/news.ts';
import type { HelperWord, PingOutcome } from '../swim/probe.ts';
import { type Effect, Swim } from '../swim/swim.ts';
import { SWIM_TIMING, TICK_EVERY_MS } from '../swim/timing.ts';
import type { Log } from '../telemetry/log.ts';
import { Contacts, type Moment, momentOf } from './contacts.ts';
import type { Identity } from './identity.ts';
import { linesOf, newsIn } from './news-lines.ts';
import type { PeerClocks } from './peer-clocks.ts';
import type { RememberedBounds } from './remembered-bounds.ts';
import type { RingHolder } from './ring-holder.ts';

/** How long a member may take to answer when it is first met, milliseconds. */
const MEETING_MS = 500;
const EXCHANGE_TIMEOUT_MS = 1_000;
const LOOK_FOR_MISSING_EVERY_MS = 1_000;
/** After its start a node waits for all members for so long before a majority is enough. */
const WAIT_FOR_ALL_MS = 2_000;
/** A first look for the members is not waited for any longer: an address may swallow what is sent to it. */
const WAIT_FOR_LOOK_MS = 1_000;
/** A helper answers in good time also when its own ping is not answered (Lifeguard's "nack"). */
const HELPER_SHARE = 0.8;
/**
 * A wall clock that goes so far ahead of the monotonic one, or behind it, between two looks was stepped; two
 * looks that are so far apart had a pause of the process between them. Milliseconds.
 */
const STEP_MS = 1_000;
/** Lives of other members that are told with each ping: its size does not grow with the ring. */
const LIVES_TOLD = 4;

type EffectOf<Type extends Effect['type']> = Extract<Effect, { readonly type: Type }>;
type SwimHandlers = Pick<Handlers, 'swim.ping' | 'swim.ping-req' | 'swim.sync'>;

export interface FailureDetectorOptions {
  readonly identity: Identity;
  readonly rings: RingHolder;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly clocks: PeerClocks;
  readonly log: Log;
  /** This node's hybrid clock, milliseconds. */
  readonly hybridMs: () => number;
  /** The bound of its clock. */
  readonly bound: () => ClockBound;
  /** What the members told of theirs. */
  readonly bounds: RememberedBounds;
  /** A member remembers more of this node than is on its disk. */
  readonly onRolledBack: () => Promise<void>;
  /** These are answered nothing that would tell them that this node is there. */
  readonly silentTo: () => readonly NodeId[];
  /** Whether its answers count for the leases of others: see `QuorumLease`. */
  readonly lends: () => boolean;
  /** Asks a member that knows a newer ring for it. */
  readonly catchUp: (from: NodeId) => Promise<void>;
  /** Called now and then while members are missing: they may have moved. */
  readonly onMissing: (missing: readonly NodeId[]) => Promise<void>;
  readonly onChange: (member: NodeId, before: MemberState, now: MemberState) => void;
}

export class FailureDetector {
  readonly handlers: SwimHandlers;
  readonly #options: FailureDetectorOptions;
  readonly #self: NodeId;
  readonly #swim: Swim;
  readonly #contacts = new Contacts();
  readonly #loops: readonly Loop[];
  readonly #startedMs: number;
  /** Calls under way, and what follows from their answers. */
  readonly #underWay = new Set<Promise<void>>();
  /** Members that were pinged in this life, whatever came of it. */
  readonly #tried = new Set<NodeId>();
  #tracked: Ring | undefined;
  #metMajority = false;
  #triedAll = false;
  /** Members that were asked out of turn and have not answered yet, and since when. */
  readonly #meeting = new Map<NodeId, number>();
  /** Who waits for the next of them. */
  readonly #onMeeting: (() => void)[] = [];
  #lookedOnce = false;
  /** When the clocks were looked at last. */
  #looked: Moment;
  #steppedMs = Number.NEGATIVE_INFINITY;
  #catchingUp = false;
  /** Whose life is told next. */
  #nextLife = 0;
  #stopped = false;

  constructor(options: FailureDetectorOptions) {
    const { identity, clock, random, log } = options;
    this.#options = options;
    this.#self = identity.nodeId;
    this.#startedMs = clock.monotonicMs();
    this.#looked = momentOf(clock);
    this.#swim = new Swim({
      self: identity.nodeId,
      incarnation: firstIncarnation(identity.incarnation),
      timing: SWIM_TIMING,
      fraction: () => random.fraction(),
      nowMs: this.#startedMs,
    });
    this.handlers = {
      'swim.ping': (request, { from }) => this.#answerPing(request, from),
      'swim.ping-req': (request, context) => this.#help(request, context),
      'swim.sync': (request, { from }) => this.#answerSync(request, from),
    };
    const onError = (cause: unknown): void =>
      log.error('looking for failed members was interrupted; it goes on', { err: cause });
    this.#loops = [
      new Loop({ clock, random, everyMs: TICK_EVERY_MS, turn: () => this.#turn(), onError }),
      new Loop({
        clock,
        random,
        everyMs: LOOK_FOR_MISSING_EVERY_MS,
        turn: async () => {
          const missing = this.missing();
          if (missing.length > 0) await options.onMissing(missing);
          this.#lookedOnce = true;
        },
        onError,
      }),
    ];
  }

  /** Starts nothing any more; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#endMeeting();
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    await Promise.all(this.#underWay);
  }

  state(member: NodeId): MemberState {
    const state = this.#swim.state(member);
    // A ring that has just come into force: its new members are probed with the next turn.
    return state === 'left' && this.#others().includes(member) ? 'suspect' : state;
  }

  /**
   * Members of the ring in force that are not alive, or that this node has not reached itself in this
   * life: others may know that they are, and where.
   */
  missing(): readonly NodeId[] {
    return this.#others().filter(
      (member) => this.state(member) !== 'alive' || this.#contacts.lastAcked(member) === undefined,
    );
  }

  /**
   * Whether this node has met a majority of the members since it started. All of them are waited for
   * a moment first: after a common start, requests should not fail for want of a connection.
   */
  get metMajority(): boolean {
    if (this.#metMajority) return true;
    const voters = this.#options.rings.ring?.voters ?? [];
    const missing = this.missing();
    const met = voters.filter(({ id }) => !missing.includes(id)).length;
    const waited = this.#nowMs - this.#startedMs > WAIT_FOR_ALL_MS;
    this.#metMajority = missing.length === 0 || (waited && met * 2 > voters.length);
    return this.#metMajority;
  }

  /**
   * Whether all members of a ring that was on the disk were looked for since this node started, where they
   * lived, or a second has passed: if the cluster went on without this node meanwhile, whoever answered there
   * has said so.
   */
  get lookedForAll(): boolean {
    this.#lookedOnce ||=
      this.#nowMs - this.#startedMs > WAIT_FOR_LOOK_MS || this.missing().length === 0;
    return this.#lookedOnce;
  }

  /** Whether every other member was pinged at least once since this node started. */
  get triedAll(): boolean {
    return this.#triedAll || this.#others().length === 0;
  }

  /**
   * Resolves when one more of the members that are met answered, or was silent for as long as a ping may
   * take; `undefined` when no such answer is awaited. Those of a new ring are met that were not yet in this
   * life, and all of them when this machine was suspended, its time was set, or this process stood still.
   */
  nextMeeting(): Promise<void> | undefined {
    this.#lookAtClocks();
    if (this.#meeting.size === 0 || this.#stopped) return undefined;
    return new Promise((resolve) => this.#onMeeting.push(resolve));
  }

  /** A ring has come into force: its new members are asked at once, and answer for this node's lease. */
  ringChanged(): void {
    if (!this.#stopped) this.#followRing();
  }

  /** Since when the member is dead here, by the own monotonic clock; `undefined` while it is not. */
  deadSinceMs(member: NodeId): number | undefined {
    return this.#swim.deadSinceMs(member);
  }

  /** When this node sent the latest ping, in this life, that the member itself answered. */
  lastAckedMs(member: NodeId): Moment | undefined {
    return this.#contacts.lastAcked(member);
  }

  /** When this node last answered a ping of the member itself, in this life. */
  lastAnsweredMs(member: NodeId): Moment | undefined {
    return this.#contacts.lastAnswered(member);
  }

  /**
   * When the wall clock was last found stepped, by the monotonic one. How long ago anything before that was is
   * not known: the monotonic clock stands still in a suspended machine, and a wall clock that was set back
   * hides such a time.
   */
  lastStepMs(): number {
    this.#lookAtClocks();
    return this.#steppedMs;
  }

  async #turn(): Promise<void> {
    this.#followRing();
    this.#lookAtClocks();
    this.#perform(this.#swim.tick(this.#nowMs));
  }

  #followRing(): void {
    const { ring } = this.#options.rings;
    if (ring === undefined || ring === this.#tracked) return;
    this.#tracked = ring;
    const members = ring.members.map(({ id }) => id);
    const known = new Set(members.filter((member) => this.#swim.state(member) !== 'left'));
    const sinceMs = this.#nowMs;
    this.#contacts.keepOnly(new Set(members));
    this.#options.bounds.keepOnly(new Set(members));
    this.#perform(this.#swim.track({ members, graceMs: ring.graceMs }, this.#nowMs));
    for (const member of this.#others()) {
      if (this.#contacts.lastAcked(member) === undefined)
        this.#meet(member, sinceMs, known.has(member));
    }
  }

  /**
   * After a step or a pause what others lent may be over, and what was read of their clocks is not sure. All
   * are asked anew at once: in the lap that it takes to probe them, requests would fail.
   */
  #lookAtClocks(): void {
    const { monotonicMs, wallMs } = this.#looked;
    this.#looked = momentOf(this.#options.clock);
    const passedMs = this.#looked.monotonicMs - monotonicMs;
    const isStep = Math.abs(this.#looked.wallMs - wallMs - passedMs) >= STEP_MS;
    if (isStep) this.#steppedMs = this.#looked.monotonicMs;
    if ((!isStep && passedMs < STEP_MS) || this.#stopped) return;
    for (const member of this.#others()) this.#meet(member, this.#looked.monotonicMs, true);
  }

  /** What it answered before counts for nothing, so it is asked again, unless it was just now. */
  #meet(member: NodeId, sinceMs: number, askNow: boolean): void {
    this.#meeting.set(member, sinceMs);
    if (askNow) this.#inBackground(async () => void (await this.#ping(member, MEETING_MS)));
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'ping':
          this.#inBackground(() => this.#probe(effect));
          break;
        case 'ask':
          this.#inBackground(() => this.#askForHelp(effect));
          break;
        case 'exchange':
          this.#inBackground(() => this.#exchange(effect.with));
          break;
        case 'changed':
          this.#options.onChange(effect.member, effect.before, effect.now);
          break;
      }
    }
  }

  async #probe({ probe, to, timeoutMs }: EffectOf<'ping'>): Promise<void> {
    const outcome = await this.#ping(to, timeoutMs);
    this.#perform(this.#swim.pinged(probe, outcome, this.#nowMs));
  }

  async #askForHelp({ probe, helper, target, timeoutMs }: EffectOf<'ask'>): Promise<void> {
    const word = await this.#ask(helper, target, timeoutMs);
    this.#perform(this.#swim.helped(probe, helper, word, this.#nowMs));
  }

  /** `passedOn`: what another one believes of the member, for it to refute. */
  async #ping(to: NodeId, timeoutMs: number, passedOn?: News): Promise<PingOutcome> {
    const startedMs = this.#nowMs;
    const outcome = await this.#pingTwice(to, timeoutMs, passedOn);
    this.#noteTried(to, startedMs);
    return outcome;
  }

  async #pingTwice(
    to: NodeId,
    timeoutMs: number,
    passedOn: News | undefined,
  ): Promise<PingOutcome> {
    const untilMs = this.#nowMs + timeoutMs;
    const outcome = await this.#pingOnce(to, timeoutMs, passedOn);
    if (outcome === 'answered' || outcome === 'silent') return outcome;
    // A process that ends takes its connections along; whether it did shows when another one is opened.
    // And whoever is gone from one address may have shown another.
    const leftMs = untilMs - this.#nowMs;
    const again = leftMs > 0 ? await this.#pingOnce(to, leftMs, passedOn) : outcome;
    return again === 'lost' ? 'silent' : again;
  }

  async #pingOnce(
    to: NodeId,
    timeoutMs: number,
    passedOn: News | undefined,
  ): Promise<PingOutcome | 'lost'> {
    const { transport, clock, clocks } = this.#options;
    const sent = momentOf(clock);
    const answer = await transport.call(
      to,
      {
        type: 'swim.ping',
        epoch: this.#epoch,
        ...this.#options.bound(),
        lives: this.#livesFor(to),
        gossip: linesOf(this.#swim.newsFor(to, passedOn)),
      },
      { timeoutMs, traffic: 'membership' },
    );
    if (!answer.ok) {
      this.#hearRefusal(answer);
      return outcomeOf(answer);
    }
    const { epoch, lends, gossip } = answer.reply;
    clocks.record(to, answer.reply, sent.monotonicMs, this.#nowMs);
    // One who holds a newer ring may have agreed to go on without this node, and be free of its promise of
    // silence since: its answer says nothing for the ring held here (simulator seed 1000340).
    if (epoch <= this.#epoch && lends) this.#contacts.recordAcked(to, sent);
    this.#hear(gossip);
    this.#noteEpoch(epoch, to);
    return 'answered';
  }

  #hearRefusal(answer: Failed): void {
    if (answer.failure === 'refused' && answer.refusal.reason === 'rolled_back')
      this.#inBackground(() => this.#options.onRolledBack());
  }

  async #ask(helper: NodeId, target: NodeId, timeoutMs: number): Promise<HelperWord> {
    const told = linesOf(this.#swim.newsThrough(helper, target));
    const answer = await this.#options.transport.call(
      helper,
      { type: 'swim.ping-req', target, gossip: told },
      { timeoutMs, traffic: 'membership' },
    );
    if (!answer.ok) return answer.failure === 'refused' || isGone(answer) ? 'no_help' : 'no_word';
    const { outcome, address, gossip } = answer.reply;
    this.#hear(gossip);
    // Of two members that both moved while the other one was up neither knows where to look.
    if (address !== undefined) this.#options.transport.hearAddress(target, address);
    return outcome;
  }

  async #exchange(member: NodeId): Promise<void> {
    const answer = await this.#options.transport.call(
      member,
      { type: 'swim.sync', members: linesOf(this.#swim.table) },
      { timeoutMs: EXCHANGE_TIMEOUT_MS, traffic: 'membership' },
    );
    if (answer.ok) this.#hear(answer.reply.members);
  }

  async #answerPing(
    request: RequestOf<'swim.ping'>,
    from: NodeId,
  ): ReturnType<SwimHandlers['swim.ping']> {
    if (!this.#options.bounds.follows(from, request)) return ROLLED_BACK;
    const { epoch, lives, gossip } = request;
    if (this.#keepsSilentTo(from)) return SILENCE;
    for (const life of lives) this.#options.transport.hearLife(from, life);
    const { clock, hybridMs, lends } = this.#options;
    this.#hear(gossip);
    // The answer does not wait for it: whether a process is there should not depend on its disk.
    this.#noteEpoch(epoch, from);
    const at = momentOf(clock);
    this.#contacts.recordAnswered(from, at);
    return {
      ok: true,
      reply: {
        epoch: this.#epoch,
        lends: lends(),
        wallMs: at.wallMs,
        hybridMs: hybridMs(),
        gossip: this.#gossipFor(from),
      },
    };
  }

  async #help(
    { target, gossip }: { readonly target: NodeId; readonly gossip: readonly NewsLine[] },
    { from, deadlineMs }: { readonly from: NodeId; readonly deadlineMs: number },
  ): ReturnType<SwimHandlers['swim.ping-req']> {
    const { transport } = this.#options;
    if (this.#keepsSilentTo(from) || !this.#others().includes(target)) return SILENCE;
    const [ofTarget] = newsIn(gossip).filter(({ node }) => node === target);
    this.#hear(gossip.filter(([node]) => node !== target));
    const timeoutMs = (deadlineMs - this.#nowMs) * HELPER_SHARE;
    const outcome = await this.#ping(target, timeoutMs, ofTarget);
    const isReached = outcome === 'answered';
    const address = isReached ? transport.addressOf(target) : undefined;
    // What it refuted is told at once: without that, one who asked would take it for what it was before.
    const refuted = isReached ? this.#swim.newsOf(target) : undefined;
    const told = linesOf(this.#swim.newsFor(from, refuted));
    return { ok: true, reply: { outcome, address, gossip: told } };
  }

  async #answerSync(
    { members }: { readonly members: readonly NewsLine[] },
    from: NodeId,
  ): ReturnType<SwimHandlers['swim.sync']> {
    if (this.#keepsSilentTo(from)) return SILENCE;
    this.#hear(members);
    return { ok: true, reply: { members: linesOf(this.#swim.table) } };
  }

  /**
   * Besides those without whom the others go on: a node that is no member any more is silent to all. Should
   * a ring name it again all the same, it is found dead and replaced (simulator seed 5048).
   */
  #keepsSilentTo(from: NodeId): boolean {
    const { rings, silentTo } = this.#options;
    return rings.departure !== undefined || silentTo().includes(from);
  }

  #hear(lines: readonly NewsLine[]): void {
    this.#perform(this.#swim.hear(newsIn(lines), this.#nowMs));
  }

  #gossipFor(to: NodeId): readonly NewsLine[] {
    return linesOf(this.#swim.newsFor(to));
  }

  /** To which lives of a few other members this node is connected; of all, in some pings. */
  #livesFor(to: NodeId): readonly LifeLine[] {
    const others = this.#others().filter((member) => member !== to);
    const lines: LifeLine[] = [];
    for (let told = 0; told < Math.min(LIVES_TOLD, others.length); told++) {
      const member = others[this.#nextLife++ % others.length];
      const life = member && this.#options.transport.lifeOf(member);
      if (member !== undefined && life !== undefined) lines.push([member, life]);
    }
    return lines;
  }

  /** A ping that was begun at `startedMs` is over. */
  #noteTried(member: NodeId, startedMs: number): void {
    if (!this.#triedAll) {
      const others = this.#others();
      this.#tried.add(member);
      this.#triedAll = others.length > 0 && others.every((other) => this.#tried.has(other));
      if (this.#triedAll) this.#tried.clear();
    }
    // One that was under way already tells nothing of what came since.
    const metSinceMs = this.#meeting.get(member);
    if (metSinceMs === undefined || startedMs < metSinceMs) return;
    this.#meeting.delete(member);
    this.#endMeeting();
  }

  #endMeeting(): void {
    for (const resolve of this.#onMeeting.splice(0)) resolve();
  }

  #noteEpoch(epoch: number, from: NodeId): void {
    if (epoch <= this.#epoch || this.#catchingUp) return;
    this.#catchingUp = true;
    this.#inBackground(async () => {
      try {
        await this.#options.catchUp(from);
      } finally {
        this.#catchingUp = false;
      }
    });
  }

  #inBackground(work: () => Promise<void>): void {
    if (this.#stopped) return;
    const working = work()
      .catch((cause: unknown) =>
        this.#options.log.error('a message between members broke', { err: cause }),
      )
      .finally(() => this.#underWay.delete(working));
    this.#underWay.add(working);
  }

  #others(): readonly NodeId[] {
    const members = this.#options.rings.ring?.members ?? [];
    return members.map((member) => member.id).filter((id) => id !== this.#self);
  }

  get #epoch() {
    return this.#options.rings.ring?.epoch ?? 0;
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}

const ROLLED_BACK: Served<never> = { ok: false, refusal: { reason: 'rolled_back' } };
/** Certain that nothing was done; it does not say why. */
const SILENCE: Served<never> = { ok: false, refusal: { reason: 'not_ready' } };

type Failed = Extract<Answer<unknown>, { readonly ok: false }>;

function outcomeOf(answer: Failed): PingOutcome | 'lost' {
  if (answer.failure === 'lost') return 'lost';
  return isGone(answer) ? 'refused' : 'silent';
}

/** No process listens at its address. */
function isGone(answer: Failed): boolean {
  return answer.failure === 'unreachable' && answer.nobodyListens === true;
}
