/**
 * Failure detection: SWIM (Das, Gupta, Motivala, "SWIM: Scalable Weakly-consistent Infection-style
 * Process Group Membership Protocol", DSN 2002) with the extensions of Lifeguard (Dadgar, Phillips,
 * Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection", 2018), as a value:
 * what happens goes in, what is to be done comes out. Time and chance are given by the caller.
 *
 * Deviations:
 * - Who is a member is not gossip's to say: the ring is decided by agreement. Only its members are
 *   tracked, and news of anybody else is ignored.
 * - Dead members are probed like others. They stay members until the ring changes, and both sides of a
 *   split that heals believe each other dead: somebody has to ask first.
 * - An address that refuses connections to this node and to a helper has a process no more; its
 *   suspicion lasts for half a second only. (SWIM's network is UDP and tells no such thing.)
 * - Every message says first that its sender is alive, and under which incarnation; an answer thus
 *   refutes what its ping told (Lifeguard's "buddy system").
 * - News of a death is refuted like a suspicion, by a higher incarnation (in SWIM it is final). But words
 *   alone bring nobody back: a member that this node has found out of reach, helpers included, or that is
 *   dead, stays what it was believed to be until this node or a helper reaches it, and is dead when that
 *   lasts (`unreachedMs`), whatever it refutes. It may open connections where none to it can be opened, and
 *   would be alive and suspect by turns for ever. That is a finding for this node alone: each makes its own.
 * - The pause between probes depends on the number of members: a small ring is probed once a second,
 *   and a large one twice in the grace period of its ring at least, see `#pauseMs`.
 * - A suspicion that no helper had a word on goes to the suspect alone. A node that hears nobody would
 *   make all others suspect each other, in turn, for as long as it is deaf. What it believes then it looks
 *   at again as soon as it hears somebody; and where the direct way stays broken, helpers carry what it
 *   believes of their target to the target, for it to refute, and believe none of it themselves.
 * - A node whose own inputs paused has slept. It blames nobody for what it did not hear meanwhile.
 */
import type { NodeId } from '../ids.ts';
import { Dissemination } from './dissemination.ts';
import { LocalHealth } from './local-health.ts';
import { MemberTable, type StateChange } from './member-table.ts';
import { type MemberState, type News, refutation } from './news.ts';
import { type HelperWord, type PingOutcome, Probe } from './probe.ts';
import { ProbeOrder, sample } from './probe-order.ts';
import type { SwimTiming } from './timing.ts';

/** What the caller is to do. Each message carries news for its receiver: `newsFor`, `newsThrough`. */
export type Effect =
  /** Ping `to`; then call `pinged`. */
  | {
      readonly type: 'ping';
      readonly probe: number;
      readonly to: NodeId;
      readonly timeoutMs: number;
    }
  /** Ask `helper` to ping `target`; then call `helped`. */
  | {
      readonly type: 'ask';
      readonly probe: number;
      readonly helper: NodeId;
      readonly target: NodeId;
      readonly timeoutMs: number;
    }
  /** Exchange whole tables with this member; then call `hear`. */
  | { readonly type: 'exchange'; readonly with: NodeId }
  | ({ readonly type: 'changed' } & StateChange);

export interface SwimOptions {
  readonly self: NodeId;
  /** See `firstIncarnation`. */
  readonly incarnation: number;
  readonly timing: SwimTiming;
  /** Draws from [0, 1). */
  readonly fraction: () => number;
  readonly nowMs: number;
}

/** What the ring in force says of whom to probe, and how often. */
export interface Tracked {
  readonly members: readonly NodeId[];
  /** Within any stretch of this length every member is probed. */
  readonly graceMs: number;
}

interface UnderWay {
  readonly target: NodeId;
  readonly sentMs: number;
  probe: Probe | undefined;
  /** Where it fails, the next one follows at once. */
  isOutdated: boolean;
}

export class Swim {
  readonly #self: NodeId;
  readonly #timing: SwimTiming;
  readonly #fraction: () => number;
  readonly #table: MemberTable;
  readonly #order: ProbeOrder;
  readonly #queue = new Dissemination();
  readonly #health: LocalHealth;
  /** Probes under way, by number; a probe's helpers are asked once its ping has failed. */
  readonly #probes = new Map<number, UnderWay>();
  #lastProbe = 0;
  /** Of the ring in force: whoever comes with another setting of its own counts by this one, too. */
  #graceMs = Number.POSITIVE_INFINITY;
  #incarnation: number;
  #seenMs: number;
  #nextProbeMs: number;
  #nextExchangeMs: number;
  #begun = false;
  #effects: Effect[] = [];

  constructor(options: SwimOptions) {
    const { self, timing, nowMs } = options;
    this.#self = self;
    this.#timing = timing;
    this.#fraction = options.fraction;
    this.#table = new MemberTable(self, timing);
    this.#order = new ProbeOrder(options.fraction);
    this.#health = new LocalHealth(timing.worstHealth);
    this.#incarnation = options.incarnation;
    this.#seenMs = nowMs;
    this.#nextProbeMs = nowMs;
    this.#nextExchangeMs = nowMs + timing.exchangeMs;
  }

  /** The members of the ring in force, this node among them or not. Newcomers are probed at once. */
  track({ members, graceMs }: Tracked, nowMs: number): readonly Effect[] {
    this.#notice(nowMs);
    this.#graceMs = graceMs;
    const wanted = new Set(members);
    wanted.delete(this.#self);
    for (const gone of this.#table.members.filter((member) => !wanted.has(member))) {
      this.#table.remove(gone);
      this.#order.remove(gone);
      this.#queue.forget(gone);
    }
    const newcomers = [...wanted].filter((member) => !this.#table.has(member));
    for (const member of newcomers) {
      this.#table.add(member, nowMs);
      this.#order.add(member);
    }
    // The pause that runs was measured by the ring before, and may be longer than this one allows.
    this.#nextProbeMs = Math.min(this.#nextProbeMs, nowMs + this.#longestPauseMs);
    for (const member of newcomers) this.#probe(member);
    if (!this.#begun) for (const member of newcomers) this.#exchange(member);
    this.#begun ||= newcomers.length > 0;
    return this.#flush();
  }

  /** Time has passed. To be called often, see `TICK_EVERY_MS`. */
  tick(nowMs: number): readonly Effect[] {
    this.#notice(nowMs);
    for (const member of this.#table.overdue(nowMs)) this.#bury(member, nowMs);
    while (this.#nextProbeMs <= nowMs) {
      const member = this.#order.next();
      if (member !== undefined) this.#probe(member);
      this.#nextProbeMs += this.#pauseMs;
    }
    if (this.#nextExchangeMs <= nowMs) {
      const [member] = sample(this.#others('dead'), 1, this.#fraction);
      if (member !== undefined) this.#exchange(member);
      this.#nextExchangeMs = nowMs + this.#timing.exchangeMs * (0.75 + this.#fraction() / 2);
    }
    return this.#flush();
  }

  /** What the ping of a probe came to. */
  pinged(number: number, outcome: PingOutcome, nowMs: number): readonly Effect[] {
    this.#notice(nowMs);
    const underWay = this.#probes.get(number);
    if (underWay === undefined || underWay.probe !== undefined) return this.#flush();
    const { target } = underWay;
    const helpers = outcome === 'answered' ? [] : this.#helpersFor(target);
    underWay.probe = new Probe(target, outcome, helpers);
    for (const helper of helpers) {
      const timeoutMs = this.#pingMs;
      this.#effects.push({ type: 'ask', probe: number, helper, target, timeoutMs });
    }
    this.#judge(number, underWay, nowMs);
    return this.#flush();
  }

  /** What asking a helper came to. */
  helped(number: number, helper: NodeId, word: HelperWord, nowMs: number): readonly Effect[] {
    this.#notice(nowMs);
    const underWay = this.#probes.get(number);
    if (underWay?.probe === undefined) return this.#flush();
    underWay.probe.hear(helper, word);
    this.#judge(number, underWay, nowMs);
    return this.#flush();
  }

  /** News that came with a message. */
  hear(news: readonly News[], nowMs: number): readonly Effect[] {
    this.#notice(nowMs);
    for (const each of news) this.#take(each, nowMs);
    return this.#flush();
  }

  /**
   * What a message to this member carries. First that this node is alive; then, if it believes the
   * receiver is not, that, so that it can refute at once (Lifeguard, section IV-C, "buddy system").
   */
  newsFor(to: NodeId, also?: News): readonly News[] {
    return this.#newsFor(to, also, to);
  }

  /**
   * What is told to a helper who is asked to ping `target`. What this node believes of the target is to be
   * passed on to it, as `also`, and is not for the helper, which may know better: where only the direct way
   * is broken, the target can refute what it could not be told otherwise, and nobody else believes it.
   */
  newsThrough(helper: NodeId, target: NodeId): readonly News[] {
    return this.#newsFor(helper, this.#table.accusationOf(target), target);
  }

  /** What can be told of a member: goes along with the answer of a helper that has reached it. */
  newsOf(member: NodeId): News | undefined {
    return this.#table.newsOf(member);
  }

  /** Everything that can be told, for an exchange of tables. */
  get table(): readonly News[] {
    return [this.#ownNews, ...this.#table.news];
  }

  /** Who is no member is left. */
  state(member: NodeId): MemberState {
    return member === this.#self ? 'alive' : (this.#table.state(member) ?? 'left');
  }

  /** Since when the member is dead here; `undefined` while it is not. */
  deadSinceMs(member: NodeId): number | undefined {
    return this.#table.deadSinceMs(member);
  }

  /**
   * Something came in at `nowMs`. A long time without anything, ticks neither, was a pause of this process:
   * whatever it waited for may have come and gone.
   */
  #notice(nowMs: number): void {
    const sleptMs = nowMs - this.#seenMs;
    this.#seenMs = nowMs;
    if (sleptMs <= this.#timing.lateMs) return;
    this.#table.extend(sleptMs);
    this.#probes.clear();
    this.#nextProbeMs = Math.max(this.#nextProbeMs, nowMs);
  }

  #probe(target: NodeId): void {
    for (const underWay of this.#probes.values()) if (underWay.target === target) return;
    const probe = ++this.#lastProbe;
    this.#probes.set(probe, { target, sentMs: this.#seenMs, probe: undefined, isOutdated: false });
    this.#effects.push({ type: 'ping', probe, to: target, timeoutMs: this.#pingMs });
  }

  /** A probe under way may have been lost before it was back. */
  #probeAnew(target: NodeId): void {
    for (const underWay of this.#probes.values())
      if (underWay.target === target) underWay.isOutdated = true;
    this.#probe(target);
  }

  #exchange(member: NodeId): void {
    this.#effects.push({ type: 'exchange', with: member });
  }

  #judge(number: number, { probe, sentMs, isOutdated }: UnderWay, nowMs: number): void {
    if (probe === undefined || probe.verdict === 'pending') return;
    const { verdict, target } = probe;
    this.#probes.delete(number);
    this.#health.worsen(probe.doubts);
    if (verdict === 'answered') {
      this.#health.improve();
      this.#noting(target, () => this.#table.reach(target, nowMs));
      return;
    }
    this.#suspect(probe, sentMs, nowMs);
    if (isOutdated) this.#probe(target);
    if (verdict === 'refused') this.#table.hurry(target, nowMs + this.#timing.refusedMs);
  }

  #suspect(probe: Probe, sentMs: number, nowMs: number): void {
    const { target: node } = probe;
    const incarnation = this.#table.incarnation(node);
    const news: News = { node, state: 'suspect', incarnation, by: this.#self };
    if (this.#isDoubtful(probe)) {
      if (this.#table.newsOf(node)?.state === 'alive') this.#takeAlone(news, nowMs);
      return;
    }
    this.#noting(node, () => this.#table.miss(node, sentMs, nowMs));
    // Who is out of reach for good and refutes all the same would refute for ever.
    if (this.#table.state(node) !== 'dead') this.#take(news, nowMs);
  }

  /** Whether the failure of a probe may come from the deafness of this node. */
  #isDoubtful(probe: Probe): boolean {
    // Nobody could be asked to help: this node believes of all others that they are gone.
    const heardNobody = probe.isUnchecked && this.#table.size > 1;
    return probe.isDoubtful || heardNobody;
  }

  /** Its suspicion has lasted its time. */
  #bury(node: NodeId, nowMs: number): void {
    const incarnation = this.#table.incarnation(node);
    const news: News = { node, state: 'dead', incarnation, by: undefined };
    if (this.#table.isKept(node)) this.#takeAlone(news, nowMs);
    else {
      this.#take(news, nowMs);
      if (incarnation > 0) this.#spread();
    }
  }

  #take(news: News, nowMs: number): void {
    const { node: member, state, incarnation } = news;
    if (member === this.#self) {
      if (state !== 'alive' && incarnation >= this.#incarnation) this.#refute(incarnation);
      return;
    }
    if (this.#believe(news, nowMs) && incarnation > 0) this.#queue.add(news);
  }

  /** A finding of this node that may come from its own deafness: for itself and the member alone. */
  #takeAlone(news: News, nowMs: number): void {
    if (this.#believe(news, nowMs)) this.#table.keep(news.node);
  }

  /** Whether it was worth knowing. */
  #believe(news: News, nowMs: number): boolean {
    const { node: member } = news;
    const wasUnknown = this.#table.incarnation(member) === 0;
    const isNew = this.#noting(member, () => this.#table.take(news, nowMs));
    // It has come, or says that it is back, perhaps at another address: so the way there is opened before it
    // is needed, and shows whether it is one.
    const isAsked = wasUnknown || this.#table.isUnreached(member);
    if (isNew && news.state === 'alive' && isAsked) this.#probeAnew(member);
    return isNew;
  }

  /** Tells when what is believed of the member has changed by that. */
  #noting<Result>(member: NodeId, change: () => Result): Result {
    const before = this.#table.state(member);
    const result = change();
    const now = this.#table.state(member);
    if (before === undefined || now === undefined || now === before) return result;
    this.#effects.push({ type: 'changed', member, before, now });
    if (now === 'alive') this.#lookAgain();
    return result;
  }

  /** Somebody can be heard again, and asked: what was believed in deafness may be wrong. */
  #lookAgain(): void {
    const kept = this.#table.members.filter((member) => this.#table.isKept(member));
    for (const member of kept) this.#table.suspectAnew(member, this.#seenMs);
    for (const member of sample(kept, this.#timing.helpers, this.#fraction))
      this.#probeAnew(member);
  }

  /** Somebody believes that this node is not alive. It is, and says so at once. */
  #refute(accused: number): void {
    this.#incarnation = refutation(this.#incarnation, accused);
    this.#health.worsen();
    this.#spread();
  }

  /** What is new should not wait for the next probe. */
  #spread(): void {
    const { helpers } = this.#timing;
    for (const member of sample(this.#others('dead'), helpers, this.#fraction)) this.#probe(member);
  }

  #newsFor(to: NodeId, also: News | undefined, about: NodeId): readonly News[] {
    const first = [this.#ownNews, this.#table.accusationOf(to), also].filter(
      (news) => news !== undefined,
    );
    const { mostNews, lambda } = this.#timing;
    const limit = lambda * Math.ceil(Math.log2(this.#table.size + 2));
    return [...first, ...this.#queue.take(mostNews - first.length, limit, to, about)];
  }

  #helpersFor(target: NodeId): readonly NodeId[] {
    const alive = this.#table.members.filter(
      (member) => member !== target && this.#table.state(member) === 'alive',
    );
    return sample(alive, this.#timing.helpers, this.#fraction);
  }

  /** Members but for those in this state. */
  #others(state: MemberState): readonly NodeId[] {
    return this.#table.members.filter((member) => this.#table.state(member) !== state);
  }

  /**
   * Until the next probe. A small ring is probed once in a lap; from five members on the pause stays the
   * same, so a node's cost does too. Only where a lap would then take longer than half of the grace the
   * pause is shorter: whoever has to know that a majority answered lately must have asked it. A sick node
   * probes less (Lifeguard, "LHA-Probe"), but never so much less.
   */
  get #pauseMs(): number {
    const { lapMs, leastPauseMs } = this.#timing;
    const others = Math.max(1, this.#table.size);
    const healthyMs = Math.max(leastPauseMs, lapMs / others);
    return Math.min(healthyMs * this.#health.multiplier, this.#longestPauseMs);
  }

  get #longestPauseMs(): number {
    return this.#graceMs / (2 * Math.max(1, this.#table.size));
  }

  get #pingMs(): number {
    return this.#timing.pingMs * this.#health.multiplier;
  }

  get #ownNews(): News {
    return {
      node: this.#self,
      state: 'alive',
      incarnation: this.#incarnation,
      by: undefined,
    };
  }

  #flush(): readonly Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
