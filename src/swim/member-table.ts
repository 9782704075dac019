import type { NodeId } from '../ids.ts';
import { type MemberState, type News, supersedes, worse } from './news.ts';
import { Suspicion } from './suspicion.ts';
import type { SwimTiming } from './timing.ts';

export interface StateChange {
  readonly member: NodeId;
  readonly before: MemberState;
  readonly now: MemberState;
}

interface Tracked {
  /** The latest news of it. */
  known: News;
  /** What is believed of it: what the news says, or worse while it is out of reach. */
  state: MemberState;
  /**
   * Since when it is out of reach: it is dead, or a probe of this node failed then, those who were asked to
   * help included, and nobody has reached it since.
   */
  unreachedSinceMs: number | undefined;
  /** While it is suspect. */
  suspicion: Suspicion | undefined;
  /** Since when it is dead here. */
  deadSinceMs: number | undefined;
  /** Told to nobody but the member itself. */
  kept: boolean;
}

/**
 * What this node believes of every other member. A member of which nothing was heard yet is suspect
 * under incarnation 0, so that any word of it is news, and its silence gets the time of any other.
 *
 * Of a member that is out of reach, news makes worse what is believed, but not better: it may well say that
 * it is alive, over connections that it opened itself, where nobody can open one to it.
 */
export class MemberTable {
  readonly #self: NodeId;
  readonly #timing: SwimTiming;
  readonly #tracked = new Map<NodeId, Tracked>();

  constructor(self: NodeId, timing: SwimTiming) {
    this.#self = self;
    this.#timing = timing;
  }

  get members(): readonly NodeId[] {
    return [...this.#tracked.keys()];
  }

  get size(): number {
    return this.#tracked.size;
  }

  has(member: NodeId): boolean {
    return this.#tracked.has(member);
  }

  add(member: NodeId, nowMs: number): void {
    const known: News = { node: member, state: 'suspect', incarnation: 0, by: this.#self };
    const suspicion = this.#suspicionBy(this.#self, nowMs);
    this.#tracked.set(member, {
      ...{ known, state: known.state, suspicion, kept: false },
      ...{ unreachedSinceMs: undefined, deadSinceMs: undefined },
    });
  }

  remove(member: NodeId): void {
    this.#tracked.delete(member);
  }

  /** Of whom is not tracked nothing is believed: `undefined`. */
  state(member: NodeId): MemberState | undefined {
    return this.#tracked.get(member)?.state;
  }

  isUnreached(member: NodeId): boolean {
    return this.#tracked.get(member)?.unreachedSinceMs !== undefined;
  }

  incarnation(member: NodeId): number {
    return this.#tracked.get(member)?.known.incarnation ?? 0;
  }

  deadSinceMs(member: NodeId): number | undefined {
    return this.#tracked.get(member)?.deadSinceMs;
  }

  /** That it is not alive, if the news says so: for that member to refute. */
  accusationOf(member: NodeId): News | undefined {
    const known = this.#heardOf(member);
    return known?.state === 'alive' ? undefined : known;
  }

  /** What can be told of a member to everybody; `undefined` while nothing was heard of it. */
  newsOf(member: NodeId): News | undefined {
    return this.isKept(member) ? undefined : this.#heardOf(member);
  }

  /** What can be told to everybody. */
  get news(): readonly News[] {
    return this.members.flatMap((member) => this.newsOf(member) ?? []);
  }

  /** From now on what is believed of it is for itself alone, until other news replaces that. */
  keep(member: NodeId): void {
    const tracked = this.#tracked.get(member);
    if (tracked !== undefined) tracked.kept = true;
  }

  isKept(member: NodeId): boolean {
    return this.#tracked.get(member)?.kept === true;
  }

  /** Whether the news is worth passing on: it replaced what was known, or is one more accuser's word. */
  take(news: News, nowMs: number): boolean {
    const tracked = this.#tracked.get(news.node);
    if (tracked === undefined) return false;
    const { known, suspicion } = tracked;
    if (!supersedes(news, known)) {
      const isSame = news.state === 'suspect' && news.incarnation === known.incarnation;
      const confirmed = isSame && news.by !== undefined && suspicion?.confirm(news.by) === true;
      if (confirmed) tracked.kept = false;
      return confirmed;
    }
    tracked.kept = false;
    tracked.known = news;
    tracked.suspicion =
      news.state === 'suspect' ? this.#suspicionBy(news.by ?? news.node, nowMs) : undefined;
    settle(tracked, nowMs);
    return true;
  }

  /** This node has reached it, or a helper has. */
  reach(member: NodeId, nowMs: number): void {
    const tracked = this.#tracked.get(member);
    if (tracked === undefined) return;
    tracked.unreachedSinceMs = undefined;
    settle(tracked, nowMs);
  }

  /** A probe sent at `sentMs` has not reached it, helpers included. Too long without one that has, and it is dead. */
  miss(member: NodeId, sentMs: number, nowMs: number): void {
    const tracked = this.#tracked.get(member);
    if (tracked === undefined) return;
    tracked.unreachedSinceMs ??= sentMs;
    if (nowMs - tracked.unreachedSinceMs >= this.#timing.unreachedMs) tracked.state = 'dead';
    settle(tracked, nowMs);
  }

  /** A suspicion of it, if there is one, ends at `untilMs` at the latest. */
  hurry(member: NodeId, untilMs: number): void {
    this.#tracked.get(member)?.suspicion?.hurry(untilMs);
  }

  /** A suspicion of it, if there is one, has its whole time once more. */
  suspectAnew(member: NodeId, nowMs: number): void {
    const tracked = this.#tracked.get(member);
    if (tracked?.suspicion !== undefined) tracked.suspicion = this.#suspicionBy(this.#self, nowMs);
  }

  /** This node was not there for so long: that time counts against nobody. */
  extend(byMs: number): void {
    for (const tracked of this.#tracked.values()) {
      tracked.suspicion?.extend(byMs);
      if (tracked.unreachedSinceMs !== undefined) tracked.unreachedSinceMs += byMs;
    }
  }

  /** Members whose suspicion has lasted its time. */
  overdue(nowMs: number): readonly NodeId[] {
    const due: NodeId[] = [];
    for (const [member, { suspicion }] of this.#tracked) {
      if (suspicion !== undefined && suspicion.untilMs <= nowMs) due.push(member);
    }
    return due;
  }

  #heardOf(member: NodeId): News | undefined {
    const known = this.#tracked.get(member)?.known;
    return known === undefined || known.incarnation === 0 ? undefined : known;
  }

  #suspicionBy(accuser: NodeId, nowMs: number): Suspicion {
    const { suspicionMs, confirmations } = this.#timing;
    // All others but the accuser and the suspect itself could confirm it.
    const enough = Math.max(0, Math.min(confirmations, this.#tracked.size - 1));
    const terms = { leastMs: suspicionMs.least, mostMs: suspicionMs.most, enough };
    return new Suspicion(terms, accuser, nowMs);
  }
}

/** What is believed after something was heard, or came of a probe. */
function settle(tracked: Tracked, nowMs: number): void {
  const heard = tracked.known.state;
  if (heard === 'dead') tracked.unreachedSinceMs ??= nowMs;
  tracked.state = tracked.unreachedSinceMs === undefined ? heard : worse(tracked.state, heard);
  tracked.deadSinceMs = tracked.state === 'dead' ? (tracked.deadSinceMs ?? nowMs) : undefined;
}
