/**
 * Ends a transition: when every wanted replica has pulled, the settled ring is proposed. Anybody may see
 * that, because each member tells how far it is.
 */
import type { NodeId } from '../ids.ts';
import type { TransitionStatus } from '../membership/cluster-view.ts';
import { statusesOf } from '../membership/member-statuses.ts';
import type { Membership } from '../membership/membership.ts';
import { allPulled, pullsOf, transitionOf } from '../membership/transition-status.ts';
import { settledRing } from '../ring/next-ring.ts';
import type { Ring } from '../ring/ring.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { ClusterEvents } from '../telemetry/cluster-events.ts';
import type { Log } from '../telemetry/log.ts';
import { waitsMs } from './turn-taking.ts';

const LOOK_EVERY_MS = 200;
/** Progress is told this often at most, so that a long transition does not push out everything else. */
const TELL_EVERY_MS = 1_000;

export class TransitionEnd {
  readonly #self: NodeId;
  readonly #membership: Membership;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #events: ClusterEvents;
  readonly #loop: Loop;
  /** Since when this node has seen everybody ready to settle the ring of this epoch. */
  #readySince: { readonly epoch: number; readonly ms: number } | undefined;
  #told: { readonly task: string; readonly pulled: number; readonly ms: number } | undefined;

  constructor(options: {
    readonly self: NodeId;
    readonly membership: Membership;
    readonly transport: Transport;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly events: ClusterEvents;
  }) {
    this.#self = options.self;
    this.#membership = options.membership;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#events = options.events;
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
    const transition = await this.#look(ring);
    if (transition === undefined) return;
    this.#tell(transition);
    if (!allPulled(transition)) return;
    if (this.#readySince?.epoch !== ring.epoch)
      this.#readySince = { epoch: ring.epoch, ms: this.#clock.monotonicMs() };
    const isAlive = (member: NodeId): boolean => this.#membership.isReachable(member);
    const turnMs = this.#readySince.ms + waitsMs(ring, this.#self, isAlive);
    if (this.#clock.monotonicMs() < turnMs) return;
    // What they said may be old by now: a new replica that died since is to be replaced first, while
    // those that leave can still decide that (simulator seed 1004238).
    const pullers = [...pullsOf(ring).keys()];
    await this.#membership.decide((now) =>
      now.epoch === ring.epoch && now.next !== undefined && pullers.every(isAlive)
        ? settledRing(now)
        : undefined,
    );
  }

  /** How far all wanted replicas of partitions whose replicas change are, by their own word. */
  async #look(ring: Ring): Promise<TransitionStatus | undefined> {
    const pullers = [...pullsOf(ring).keys()];
    return transitionOf(ring, await statusesOf(pullers, this.#transport, this.#clock));
  }

  #tell({ task, toPull, pulled }: TransitionStatus): void {
    const ms = this.#clock.monotonicMs();
    const told = this.#told?.task === task ? this.#told : undefined;
    const isDue = told === undefined || pulled === toPull || ms - told.ms >= TELL_EVERY_MS;
    if (!isDue || told?.pulled === pulled) return;
    this.#told = { task, pulled, ms };
    this.#events.tell({ type: 'transition.progress', task, toPull, pulled });
  }
}
