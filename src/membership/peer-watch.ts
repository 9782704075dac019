import type { NodeId } from '../ids.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { Log } from '../telemetry/log.ts';
import type { MemberState } from './cluster-view.ts';
import type { PeerClocks } from './peer-clocks.ts';
import type { RingHolder } from './ring-holder.ts';

const PING_EVERY_MS = 1_000;
const PING_TIMEOUT_MS = 1_000;
/** A member that answered nothing for this long is dead, until it answers again. */
const DEAD_AFTER_MS = 5_000;

interface Watched {
  /** Of the own monotonic clock. */
  lastAnswerMs: number;
  failing: boolean;
}

/**
 * Pings every other member once a second: who answers, and what time it is there. It only observes;
 * placement never depends on it.
 */
export class PeerWatch {
  readonly #self: NodeId;
  readonly #rings: RingHolder;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #clocks: PeerClocks;
  readonly #log: Log;
  readonly #watched = new Map<NodeId, Watched>();
  readonly #startedMs: number;
  readonly #loop: Loop;
  #metMajority = false;
  #triedAll = false;

  constructor(options: {
    readonly self: NodeId;
    readonly rings: RingHolder;
    readonly transport: Transport;
    readonly clock: Clock;
    readonly random: Random;
    readonly clocks: PeerClocks;
    readonly log: Log;
    /** Called after a round in which members were missing: they may have moved. */
    readonly onMissing: () => Promise<void>;
  }) {
    this.#self = options.self;
    this.#rings = options.rings;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#clocks = options.clocks;
    this.#log = options.log;
    this.#startedMs = this.#clock.monotonicMs();
    this.#loop = new Loop({
      clock: options.clock,
      random: options.random,
      everyMs: PING_EVERY_MS,
      turn: async () => {
        await this.#round();
        if (this.missing().length > 0) await options.onMissing();
      },
      onError: (cause) => options.log.error('a round of pings failed', { err: cause }),
    });
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  state(member: NodeId): MemberState {
    if (member === this.#self) return 'alive';
    const watched = this.#watched.get(member);
    const lastAnswerMs = watched?.lastAnswerMs ?? this.#startedMs;
    if (this.#clock.monotonicMs() - lastAnswerMs > DEAD_AFTER_MS) return 'dead';
    return watched === undefined || watched.failing ? 'suspect' : 'alive';
  }

  /** Members of the ring in force that do not answer now. */
  missing(): readonly NodeId[] {
    return this.#others().filter((member) => this.state(member) !== 'alive');
  }

  /**
   * Whether this node has met a majority of the members since it started. All of them are waited for
   * a moment first: after a common start, requests should not fail for want of a connection.
   */
  get metMajority(): boolean {
    if (this.#metMajority) return true;
    const members = this.#rings.ring?.members.length ?? 0;
    const missing = this.missing().length;
    const waited = this.#clock.monotonicMs() - this.#startedMs > 2 * PING_EVERY_MS;
    this.#metMajority = missing === 0 || (waited && (members - missing) * 2 > members);
    return this.#metMajority;
  }

  #others(): readonly NodeId[] {
    const members = this.#rings.ring?.members ?? [];
    return members.map((member) => member.id).filter((id) => id !== this.#self);
  }

  /** Whether every other member was asked at least once since this node started. */
  get triedAll(): boolean {
    return this.#triedAll || this.#others().length === 0;
  }

  async #round(): Promise<void> {
    if (this.#rings.ring === undefined) return;
    await Promise.all(this.#others().map((member) => this.#ping(member)));
    this.#triedAll = true;
  }

  async #ping(member: NodeId): Promise<void> {
    const sentMs = this.#clock.monotonicMs();
    const answer = await this.#transport.call(
      member,
      { type: 'membership.ping', epoch: this.#rings.ring?.epoch ?? 0 },
      { timeoutMs: PING_TIMEOUT_MS, traffic: 'membership' },
    );
    const receivedMs = this.#clock.monotonicMs();
    const before = this.state(member);
    if (answer.ok) {
      this.#watched.set(member, { lastAnswerMs: receivedMs, failing: false });
      this.#clocks.record(member, answer.reply, sentMs, receivedMs);
    } else {
      const lastAnswerMs = this.#watched.get(member)?.lastAnswerMs ?? this.#startedMs;
      this.#watched.set(member, { lastAnswerMs, failing: true });
    }
    this.#tell(member, before, this.state(member));
  }

  #tell(member: NodeId, before: MemberState, now: MemberState): void {
    if (before === now) return;
    const name = this.#rings.ring?.member(member)?.name ?? member;
    if (now === 'alive') this.#log.info('a member answers', { member: name });
    else this.#log.warn('a member does not answer', { member: name, state: now });
  }
}
