/**
 * The node-down policy: a member that was dead for the grace period is replaced, if a majority of the
 * members agrees; where too few replicas of a partition survive, what survives goes on after three. When
 * many are dead at once it is probably the network, and nothing is replaced until some are back or an
 * operator removes them.
 */
import type { NodeId } from '../ids.ts';
import type { Frozen } from '../membership/alarms.ts';
import { SURVIVORS_WAIT_GRACES } from '../membership/consent.ts';
import type { Membership } from '../membership/membership.ts';
import type { PartialWrites } from '../quorum/partial-writes.ts';
import {
  changedRing,
  partitionsLost,
  renewedRing,
  survivorsRing,
  withoutMissing,
} from '../ring/next-ring.ts';
import type { Ring } from '../ring/ring.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { Loop } from '../runtime/loop.ts';
import type { Random } from '../runtime/random.ts';
import type { ClusterEvents } from '../telemetry/cluster-events.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import { BlockedPartitions } from './blocked-partitions.ts';
import { LossReport } from './loss-report.ts';
import { SurvivorsCount } from './survivors-count.ts';
import { waitsMs } from './turn-taking.ts';

const LOOK_EVERY_MS = 500;
const NOT_FROZEN: Frozen = { replacement: false, survivors: false };

export class Replacement {
  readonly #self: NodeId;
  readonly #membership: Membership;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: ClusterEvents;
  readonly #losses: LossReport;
  readonly #survivors: SurvivorsCount;
  readonly #blocked: BlockedPartitions;
  readonly #loop: Loop;
  #frozen = NOT_FROZEN;
  /** When this node first saw the ring of the present epoch while it was silent to members. */
  #silentSince: { readonly epoch: number; readonly ms: number } | undefined;

  constructor(options: {
    readonly self: NodeId;
    readonly membership: Membership;
    readonly transport: Pick<Transport, 'call'>;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly events: ClusterEvents;
    readonly counters: Counters;
    readonly partialWrites: PartialWrites;
  }) {
    this.#self = options.self;
    this.#membership = options.membership;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#events = options.events;
    this.#losses = new LossReport(options);
    this.#survivors = new SurvivorsCount(options);
    this.#blocked = new BlockedPartitions(options);
    this.#loop = new Loop({
      clock: options.clock,
      random: options.random,
      everyMs: LOOK_EVERY_MS,
      turn: () => this.#turn(),
      onError: (cause) =>
        options.log.error('a replacement failed; it is tried again', { err: cause }),
    });
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** What has stopped because too many members are dead at once. */
  get frozen(): Frozen {
    return this.#frozen;
  }

  async #turn(): Promise<void> {
    this.#losses.look();
    this.#survivors.look();
    const { ring } = this.#membership;
    if (ring?.member(this.#self) === undefined) {
      this.#frozen = NOT_FROZEN; // whoever has left replaces nobody
      return;
    }
    this.#lookAtFreeze(ring);
    if (await this.#endDoubt(ring)) return;
    if (!this.#frozen.replacement && (await this.#replace(ring))) return;
    if (!this.#frozen.survivors && (await this.#goOnWithSurvivors(ring))) return;
    await this.#endSilence(ring);
  }

  /** True when something was proposed, whatever came of it. */
  async #replace(ring: Ring): Promise<boolean> {
    const staying = ring.members.filter(({ leaving }) => leaving === 'no').map(({ id }) => id);
    const gone = this.#deadFor(ring, ring.graceMs).filter((id) => staying.includes(id));
    if (gone.length === 0 || gone.length === staying.length) return false;
    if (!(await this.#membership.consent(ring, gone, 'replacement'))) return false;
    const missing = new Set(gone);
    const decision = await this.#membership.decide((now) =>
      changedRing(now, { members: withoutMissing(now.members, missing) }),
    );
    if (decision.state === 'decided')
      this.#log.warn('dead members are replaced', { members: this.#names(ring, gone) });
    return true;
  }

  async #goOnWithSurvivors(ring: Ring): Promise<boolean> {
    if (ring.lastSurvivor !== 'use') return false;
    const silent = new Set(this.#deadFor(ring, SURVIVORS_WAIT_GRACES * ring.graceMs));
    const blocked = await this.#blocked.of(ring, silent);
    const lost = [...new Set([...partitionsLost(ring, silent), ...blocked])];
    if (lost.length === 0) return false;
    const gone = [...silent].filter((id) => lost.some((p) => ring.assignment[p]?.includes(id)));
    if (!(await this.#membership.consent(ring, gone, 'survivors'))) return false;
    const decision = await this.#membership.decide((now) =>
      // What the members agreed to holds for this epoch only.
      now.epoch === ring.epoch
        ? survivorsRing(now, new Set(gone), this.#membership.versionsBelowMs, blocked)
        : undefined,
    );
    if (decision.state === 'decided') {
      this.#log.error(
        'partitions go on with fewer replicas than it takes to know of every acknowledged write; ' +
          'start the missing nodes with their old disks to get back what only they hold',
        { partitions: lost.length, damaged: blocked.length, missing: this.#names(ring, gone) },
      );
    }
    return true;
  }

  /**
   * This node accepted a ring with other voters, or other terms of leases, and never heard what became of it.
   * Until then it lends nobody a lease. True when something was proposed.
   */
  async #endDoubt(ring: Ring): Promise<boolean> {
    const since = this.#membership.inDoubtSince;
    const isThere = (id: NodeId): boolean => id === this.#self || this.#membership.isReachable(id);
    const there = ring.voters.filter(({ id }) => isThere(id));
    if (since === undefined || 2 * there.length <= ring.voters.length) return false;
    // Those whose turn it were may not be in doubt themselves, so it is not left to them for long.
    const quarterMs = ring.graceMs / 4;
    const turnMs = Math.min(waitsMs(ring, this.#self, isThere), quarterMs);
    if (this.#clock.monotonicMs() < since.monotonicMs + quarterMs + turnMs) return false;
    await this.#membership.decide((now) =>
      now.epoch === ring.epoch ? renewedRing(now) : undefined,
    );
    return true;
  }

  /**
   * Members that this node agreed to go on without, and no ring came of it (they came back, or whoever
   * asked died): another epoch sets it free to answer them again.
   */
  async #endSilence(ring: Ring): Promise<void> {
    if (this.#membership.silentTo.length === 0) {
      this.#silentSince = undefined;
      return;
    }
    if (this.#silentSince?.epoch !== ring.epoch)
      this.#silentSince = { epoch: ring.epoch, ms: this.#clock.monotonicMs() };
    if (!this.#isDue(ring, this.#silentSince.ms + ring.graceMs)) return;
    await this.#membership.decide((now) =>
      now.epoch === ring.epoch ? renewedRing(now) : undefined,
    );
  }

  #lookAtFreeze(ring: Ring): void {
    const isStaying = (id: NodeId): boolean => ring.member(id)?.leaving === 'no';
    const all = this.#deadFor(ring, 0);
    // Those on their way out already only have to be carried out.
    const dead = all.filter(isStaying).length;
    const most = Math.max(2, Math.floor(ring.voters.length / 4));
    const frozen = dead > most;
    const before = this.#frozen.replacement;
    this.#frozen = { replacement: frozen, survivors: all.length > most };
    if (frozen === before) return;
    const type = frozen ? 'replacement.frozen' : 'replacement.thawed';
    this.#events.tell({ type, dead, members: ring.members.length });
    if (frozen) {
      this.#log.error(
        'too many members are dead at once; nothing is replaced until some are back, or an operator removes them',
        { dead, members: ring.members.length },
      );
    } else this.#log.info('few enough members are dead; replacement goes on', { dead });
  }

  /** Members dead for `durationMs`, when it is this node's turn to do something about it. */
  #deadFor(ring: Ring, durationMs: number): readonly NodeId[] {
    return ring.members.flatMap(({ id }) => {
      const sinceMs = this.#membership.deadSinceMs(id);
      const isDue = sinceMs !== undefined && this.#isDue(ring, sinceMs + durationMs, durationMs);
      return isDue ? [id] : [];
    });
  }

  #isDue(ring: Ring, atMs: number, durationMs = 1): boolean {
    const isAlive = (member: NodeId): boolean => this.#membership.isReachable(member);
    const turnMs = durationMs === 0 ? 0 : waitsMs(ring, this.#self, isAlive);
    return this.#clock.monotonicMs() >= atMs + turnMs;
  }

  #names(ring: Ring, ids: readonly NodeId[]): string {
    return ids.map((id) => ring.member(id)?.name ?? id).join(', ');
  }
}
