/**
 * Ends a transition: when every wanted replica has pulled, the settled ring is proposed. Anybody may see
 * that, because each member tells how far it is.
 */
import type { NodeId, Partition } from '../ids.ts';
import type { Membership } from '../membership/membership.ts';
import { settledRing } from '../ring/next-ring.ts';
import { inTransition } from '../ring/pulls.ts';
import type { Ring } from '../ring/ring.ts';
import { Gather } from '../rpc/gather.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { Log } from '../telemetry/log.ts';
import { waitsMs } from './turn-taking.ts';

const LOOK_EVERY_MS = 200;
const CALL_TIMEOUT_MS = 1_000;

export class TransitionEnd {
  readonly #self: NodeId;
  readonly #membership: Membership;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #loop: Loop;
  /** Since when this node has seen everybody ready to settle the ring of this epoch. */
  #readySince: { readonly epoch: number; readonly ms: number } | undefined;

  constructor(options: {
    readonly self: NodeId;
    readonly membership: Membership;
    readonly transport: Transport;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    this.#self = options.self;
    this.#membership = options.membership;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#loop = new Loop({
      clock: options.clock,
      random: options.random,
      everyMs: LOOK_EVERY_MS,
      turn: () => this.#turn(),
      onError: (cause) =>
        options.log.error('the end of a transition could not be proposed; it is tried again', {
          err: cause,
        }),
    });
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #turn(): Promise<void> {
    const { ring } = this.#membership;
    if (ring?.next === undefined || ring.member(this.#self) === undefined) return;
    if (!(await this.#haveAllPulled(ring))) return;
    if (this.#readySince?.epoch !== ring.epoch)
      this.#readySince = { epoch: ring.epoch, ms: this.#clock.monotonicMs() };
    const isAlive = (member: NodeId): boolean => this.#membership.isReachable(member);
    const turnMs = this.#readySince.ms + waitsMs(ring, this.#self, isAlive);
    if (this.#clock.monotonicMs() < turnMs) return;
    await this.#membership.decide((now) =>
      now.epoch === ring.epoch && now.next !== undefined ? settledRing(now) : undefined,
    );
  }

  /** All wanted replicas of partitions whose replicas change, by their own word, in this epoch. */
  async #haveAllPulled(ring: Ring): Promise<boolean> {
    const pullers = [...pullersOf(ring)];
    const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
    const call = (to: NodeId) => this.#transport.call(to, { type: 'member.status' }, options);
    for await (const answer of new Gather(pullers, call, this.#clock, CALL_TIMEOUT_MS)) {
      if (!answer.ok || answer.reply.epoch !== ring.epoch) return false;
      if (answer.reply.pulled < answer.reply.toPull) return false;
    }
    return true;
  }
}

function pullersOf(ring: Ring): ReadonlySet<NodeId> {
  const pullers = new Set<NodeId>();
  for (const [number, wanted] of (ring.next ?? []).entries()) {
    if (inTransition(ring, number as Partition)) for (const id of wanted) pullers.add(id);
  }
  return pullers;
}
