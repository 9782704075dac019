/**
 * What an operator may ask of the cluster through any member: sending members away, giving up dead ones,
 * another replication factor. Each is one decision of the ring register; of two that are asked at once
 * exactly one wins, and the other is told.
 */
import { ClientError } from '../errors.ts';
import type { NodeId } from '../ids.ts';
import type { Kept } from '../membership/cluster-status.ts';
import type { Membership } from '../membership/membership.ts';
import { taskOf } from '../membership/transition-status.ts';
import type { Leaving, Member } from '../ring/member.ts';
import { changedRing, type RingWish } from '../ring/next-ring.ts';
import type { Ring } from '../ring/ring.ts';
import { MAX_REPLICATION_FACTOR } from '../ring/ring-parts.ts';
import { type Clock, sleep } from '../runtime/clock.ts';
import { overtaken, refuse, ringToChange, undecided, withoutRoom } from './change-errors.ts';
import { type ChangePlan, planOf } from './change-plan.ts';
import { ForcedRemoval, type RemovalPlan } from './forced-removal.ts';

/** Seconds until a death that one member sees is known to the others, as a rule. */
const DEATH_KNOWN_IN_S = 3;

export type MemberChange = 'leave' | 'remove' | 'replace';

/** A change that was decided. */
export interface Started {
  /** Name of the task that carries it out; absent when nothing has to move. */
  readonly task: string | undefined;
  readonly epoch: number;
}

/** What the HTTP edge needs of it. */
export type Operator = Pick<ClusterOperator, keyof ClusterOperator>;

export class ClusterOperator {
  readonly #membership: Membership;
  readonly #clock: Clock;
  readonly #closing: AbortSignal;
  /** Mean size of a record kept here, bytes, for estimates. */
  readonly #recordBytes: () => Promise<number>;
  /** What is kept by the members that answer, together. */
  readonly #kept: () => Promise<Kept>;
  readonly #transferRateBytes: number;
  readonly #forcedRemoval: ForcedRemoval;

  constructor(options: {
    readonly membership: Membership;
    readonly clock: Clock;
    /** The node closes: nobody waits any longer. */
    readonly closing: AbortSignal;
    readonly recordBytes: () => Promise<number>;
    readonly kept: () => Promise<Kept>;
    readonly transferRateBytes: number;
  }) {
    this.#membership = options.membership;
    this.#clock = options.clock;
    this.#closing = options.closing;
    this.#recordBytes = options.recordBytes;
    this.#kept = options.kept;
    this.#transferRateBytes = options.transferRateBytes;
    this.#forcedRemoval = new ForcedRemoval(options.membership);
  }

  /** @throws ClientError */
  async changeMember(change: MemberChange, name: string): Promise<Started> {
    const wishOf = (ring: Ring): RingWish => this.#memberWish(ring, change, name);
    wishOf(this.#ring()); // what is wrong with it is said before anybody is asked
    if (change !== 'leave') await this.#confirmDeath(name);
    return this.#decide(wishOf);
  }

  /** This node alone may have lost the way to it. A death takes a moment to be known to all. @throws ClientError */
  async #confirmDeath(name: string): Promise<void> {
    for (let asked = 0; asked < DEATH_KNOWN_IN_S; asked++) {
      const ring = this.#ring();
      const { id } = memberToChange(ring, name);
      if (!(await this.#membership.isDeathContradicted(ring, id))) return;
      await sleep(this.#clock, 1_000, this.#closing);
    }
    throw refuse(
      `${name} is dead to this node only, most of the members reach it; stop it first, or let it leave ` +
        'through another one',
    );
  }

  /** @throws ClientError */
  changeReplicationFactor(replicationFactor: number): Promise<Started> {
    return this.#decide(() => factorWish(replicationFactor));
  }

  /** Gives members up for good, whatever is lost with them. @throws ClientError */
  forceRemoval(names: readonly string[]): Promise<Started> {
    return this.#forcedRemoval.carryOut(names);
  }

  /** @throws ClientError */
  async planForcedRemoval(names: readonly string[]): Promise<RemovalPlan> {
    const { after, lost } = this.#forcedRemoval.draw(names);
    return { ...(await this.#planned(after)), lost };
  }

  /** What it would move, without doing it. @throws ClientError */
  planMember(change: MemberChange, name: string): Promise<ChangePlan> {
    return this.#plan((ring) => this.#memberWish(ring, change, name));
  }

  /** @throws ClientError */
  planReplicationFactor(replicationFactor: number): Promise<ChangePlan> {
    return this.#plan(() => factorWish(replicationFactor));
  }

  async #decide(wishOf: (ring: Ring) => RingWish): Promise<Started> {
    const before = this.#ring();
    const wish = wishOf(before); // what is wrong with it is said before anything is tried
    const draw = (ring: Ring) =>
      ring.epoch === before.epoch ? changedRing(ring, wish) : undefined;
    const decision = await this.#membership.decide(draw).catch(withoutRoom);
    switch (decision.state) {
      case 'decided': {
        const { epoch, next } = decision.ring;
        return { epoch, task: next === undefined ? undefined : taskOf(epoch) };
      }
      case 'nothing':
        if (this.#ring().epoch === before.epoch) return { epoch: before.epoch, task: undefined };
        return this.#decideAgain(before, wishOf);
      case 'overtaken':
        return this.#decideAgain(before, wishOf);
      case 'undecided':
        throw undecided('a majority of them is needed', {
          ring: before,
          dead: before.members.map(({ id }) => id).filter((id) => this.#isDead(id)),
        });
    }
  }

  /**
   * Another ring was decided first. If it only ended the transition that was under way, nobody else
   * asked for anything, and what is wanted now is asked of that ring. At rest there is no such end, so
   * this happens once.
   */
  #decideAgain(before: Ring, wishOf: (ring: Ring) => RingWish): Promise<Started> {
    const now = this.#ring();
    const isEnd =
      before.next !== undefined && now.next === undefined && now.epoch === before.epoch + 1;
    if (isEnd) return this.#decide(wishOf);
    throw overtaken();
  }

  async #plan(wishOf: (ring: Ring) => RingWish): Promise<ChangePlan> {
    const ring = this.#ring();
    return this.#planned(changedRing(ring, wishOf(ring)));
  }

  async #planned(after: Ring | undefined): Promise<ChangePlan> {
    const [{ keys, replicas }, recordBytes] = await Promise.all([
      this.#kept(),
      this.#recordBytes(),
    ]);
    const bytesPerReplica = (keys * recordBytes) / Math.max(1, replicas);
    return planOf(after, bytesPerReplica, this.#transferRateBytes);
  }

  #ring(): Ring {
    return ringToChange(this.#membership);
  }

  #memberWish(ring: Ring, change: MemberChange, name: string): RingWish {
    const member = memberToChange(ring, name);
    const isDead = this.#isDead(member.id);
    if (change === 'leave') {
      if (isDead) throw refuse(`${name} is dead and cannot hand over its data; remove it instead`);
      this.#refuseTooFew(ring, name);
      return { members: marked(ring, member, 'asked') };
    }
    if (!isDead) {
      throw refuse(
        `${name} is ${this.#membership.state(member.id)}, not dead; stop it first, or let it leave`,
      );
    }
    return { members: marked(ring, member, 'replaced') };
  }

  #isDead(member: NodeId): boolean {
    return this.#membership.state(member) === 'dead';
  }

  /** The dead do not count: they keep nothing, and are replaced in the end. */
  #refuseTooFew({ members, replicationFactor }: Ring, name: string): void {
    const others = members.filter((each) => each.leaving === 'no' && each.name !== name);
    const dead = others.filter(({ id }) => this.#isDead(id));
    const staying = others.length - dead.length;
    if (staying >= replicationFactor) return;
    const living = dead.length === 0 ? '' : ' living';
    const start = dead.length === 0 ? '' : `start ${dead.map((each) => each.name).join(', ')}, `;
    throw refuse(
      `without ${name} there would be ${staying}${living} members, fewer than the replication factor ` +
        `(${replicationFactor}); ${start}lower that first, or add a member`,
    );
  }
}

/** One that came back with an empty disk may have the name of the one that it replaces. */
function memberToChange(ring: Ring, name: string): Member {
  const members = ring.members.filter((each) => each.name === name);
  const member = members.find(({ leaving }) => leaving === 'no');
  if (member !== undefined) return member;
  const [leaver] = members;
  if (leaver === undefined) throw refuse(`there is no member named ${name}; /cluster lists them`);
  const what = leaver.leaving === 'asked' ? 'is leaving' : 'is being replaced';
  throw refuse(`${name} ${what} already; see how far that is: quorate tasks`);
}

function factorWish(replicationFactor: number): RingWish {
  const isFactor = Number.isInteger(replicationFactor) && replicationFactor >= 1;
  if (isFactor && replicationFactor <= MAX_REPLICATION_FACTOR) return { replicationFactor };
  throw new ClientError(
    'invalid_parameter',
    `the replication factor is a whole number from 1 to ${MAX_REPLICATION_FACTOR}`,
    { outcome: 'not_applied' },
  );
}

function marked(ring: Ring, member: Member, leaving: Leaving): readonly Member[] {
  return ring.members.map((each) => (each.id === member.id ? { ...each, leaving } : each));
}
