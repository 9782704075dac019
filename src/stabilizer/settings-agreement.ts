/**
 * Settings that are part of the ring, and what the members were started with: where all of them ask for
 * the same, and the ring says something else, the ring is changed. So a new value comes into force by
 * restarting all members with it. A single member that comes with another replication factor is refused,
 * before anybody takes it for changed. A factor that was given before the ring was changed is no such
 * request (`started-with.ts`): what is changed while the members run stays, and ends none of them.
 */
import type { NodeId } from '../ids.ts';
import type { Membership } from '../membership/membership.ts';
import { changedRing, type RingWish } from '../ring/next-ring.ts';
import type { Ring } from '../ring/ring.ts';
import { nextTerms } from '../ring/succession.ts';
import { Gather } from '../rpc/gather.ts';
import type { ReplyOf } from '../rpc/messages.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { Log } from '../telemetry/log.ts';
import { waitsMs } from './turn-taking.ts';

type Introduction = ReplyOf<'membership.introduce'>;

const LOOK_EVERY_MS = 1_000;
const CALL_TIMEOUT_MS = 1_000;

export class SettingsAgreement {
  readonly #self: NodeId;
  readonly #membership: Membership;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #onRefused: (why: string) => void;
  readonly #log: Log;
  readonly #loop: Loop;
  /** Since when the members have agreed on something other than the ring of this epoch. */
  #agreedSince: { readonly epoch: number; readonly ms: number } | undefined;
  /** The factor of the ring of which it was said that this node was started with another one. */
  #toldOf: number | undefined;

  constructor(options: {
    readonly self: NodeId;
    readonly membership: Membership;
    readonly transport: Transport;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    /** This node was started with a value that the others do not have. */
    readonly onRefused: (why: string) => void;
  }) {
    this.#self = options.self;
    this.#membership = options.membership;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#onRefused = options.onRefused;
    this.#log = options.log;
    this.#loop = new Loop({
      clock: options.clock,
      random: options.random,
      everyMs: LOOK_EVERY_MS,
      turn: () => this.#turn(),
      onError: (cause) =>
        options.log.error('the settings of the members could not be compared', { err: cause }),
    });
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #turn(): Promise<void> {
    const { ring, introduction: own, startedWith } = this.#membership;
    if (ring === undefined) return;
    this.#tellOfOther(ring);
    if (differences(ring, own).length === 0 && !startedWith.isSettledBy(ring, ring)) return;
    const others = await this.#peersOf(ring);
    if (others === undefined) return;
    startedWith.noteAsked();
    if (startedWith.isSettledBy(ring, ring)) await startedWith.settle();
    const refusal = refusalBy(ring, own, others);
    if (refusal !== undefined) {
      this.#onRefused(refusal);
      return;
    }
    if (others.length + 1 < ring.members.length) return;
    const common = commonWish(ring, own, others);
    const wish = { ...common, ...nextTerms(ring, common) };
    if (Object.keys(wish).length === 0 || !this.#isDue(ring)) return;
    await this.#membership.decide((now) =>
      now.epoch === ring.epoch ? changedRing(now, wish) : undefined,
    );
  }

  /** What was given at the start is not what is in force, and does not ask to be. */
  #tellOfOther(ring: Ring): void {
    const { replicationFactor, wish } = this.#membership.startedWith;
    const isOther = replicationFactor !== undefined && replicationFactor !== ring.replicationFactor;
    if (!isOther || wish !== undefined || this.#toldOf === ring.replicationFactor) return;
    this.#toldOf = ring.replicationFactor;
    this.#log.warn(
      'the replication factor of the ring was changed and is in force; QUORATE_REPLICATION_FACTOR of this ' +
        'node is another one, and asks for nothing until it is given a new value',
      { replicationFactor: ring.replicationFactor, startedWith: replicationFactor },
    );
  }

  /**
   * The other members that hold this ring, too. `undefined` unless it is known to be the present one, by
   * a majority that holds it and nobody who knows a newer one: a node that was away holds an old one at
   * first, by which it would be judged wrongly.
   */
  async #peersOf(ring: Ring): Promise<readonly Introduction[] | undefined> {
    const others = ring.members.map(({ id }) => id).filter((id) => id !== this.#self);
    const introductions = await this.#ask(others);
    const ahead = introductions.find(({ epoch }) => epoch > ring.epoch);
    if (ahead !== undefined) await this.#membership.catchUp(ahead.node);
    if (ahead !== undefined || this.#membership.ring !== ring) return undefined;
    const peers = introductions.filter(({ epoch }) => epoch === ring.epoch);
    return 2 * (peers.length + 1) > ring.members.length ? peers : undefined;
  }

  async #ask(members: readonly NodeId[]): Promise<readonly Introduction[]> {
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    const call = (to: NodeId) =>
      this.#transport.call(to, { type: 'membership.introduce' }, options);
    const answers = await new Gather(members, call, this.#clock, CALL_TIMEOUT_MS).rest();
    return answers.flatMap((answer) => (answer.ok ? [answer.reply] : []));
  }

  #isDue(ring: Ring): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#agreedSince?.epoch !== ring.epoch)
      this.#agreedSince = { epoch: ring.epoch, ms: nowMs };
    const isAlive = (member: NodeId): boolean => this.#membership.isReachable(member);
    return nowMs >= this.#agreedSince.ms + waitsMs(ring, this.#self, isAlive);
  }
}

/** What a node was started with, as far as it belongs into the ring. */
type Started = Pick<
  Introduction,
  'replicationFactor' | 'replicationFactorWished' | 'graceMs' | 'lastSurvivor'
>;

type Setting = 'replicationFactor' | 'graceMs' | 'lastSurvivor';

const SETTINGS: readonly Setting[] = ['replicationFactor', 'graceMs', 'lastSurvivor'];

/** In which settings the ring differs from what a node asks for. */
function differences(ring: Ring, started: Started): readonly Setting[] {
  return SETTINGS.filter((name) => {
    if (name === 'replicationFactor' && !started.replicationFactorWished) return false;
    return ring[name] !== started[name];
  });
}

/** Why this node is not to run: somebody else asks for no other replication factor than the ring's. */
function refusalBy(ring: Ring, own: Started, others: readonly Introduction[]): string | undefined {
  if (!differences(ring, own).includes('replicationFactor')) return undefined;
  const content = others.find((one) => !differences(ring, one).includes('replicationFactor'));
  if (content === undefined) return undefined;
  return (
    `the cluster keeps ${ring.replicationFactor} copies of each key, as ${content.name} does, and this node was ` +
    `started with QUORATE_REPLICATION_FACTOR=${own.replicationFactor}; start it with ${ring.replicationFactor}, ` +
    `restart all members with ${own.replicationFactor}, or change it while they run: ` +
    `quorate replication-factor ${own.replicationFactor}`
  );
}

/** The settings in which all nodes agree with each other and not with the ring. */
function commonWish(ring: Ring, own: Started, others: readonly Introduction[]): RingWish {
  const common = differences(ring, own).filter((name) =>
    others.every((other) => other[name] === own[name] && differences(ring, other).includes(name)),
  );
  return Object.fromEntries(common.map((name) => [name, own[name]]));
}
