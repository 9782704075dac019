import type { NodeId, Partition } from '../ids.ts';
import type { Member } from '../ring/member.ts';
import type { Ring } from '../ring/ring.ts';
import type { ReplyOf } from '../rpc/messages.ts';
import type { Transport } from '../rpc/transport.ts';
import { alarmsOf, damagedCopies, FROZEN, type Frozen, tooFewMembers } from './alarms.ts';
import type {
  ClusterStatus,
  ClusterView,
  MemberStatus,
  ReadinessCheck,
  RingStatus,
  TasksStatus,
} from './cluster-view.ts';
import type { Membership } from './membership.ts';
import { transitionOf } from './transition-status.ts';

type StatusReply = ReplyOf<'member.status'>;

/** Every copy counted. */
export interface Kept {
  /** Values. */
  readonly keys: number;
  /** Replicas of partitions. */
  readonly replicas: number;
}

/** What this node tells of its cluster to those who ask over HTTP. */
export class ClusterStatusReader implements ClusterView {
  readonly #membership: Membership;
  readonly #transport: Transport;
  readonly #maxSkewMs: number;
  readonly #ownStatus: () => StatusReply;
  readonly #frozen: () => Frozen;

  constructor(options: {
    readonly membership: Membership;
    readonly transport: Transport;
    readonly maxSkewMs: number;
    /** What this node answers when it is asked the same. */
    readonly ownStatus: () => StatusReply;
    readonly frozen: () => Frozen;
  }) {
    this.#membership = options.membership;
    this.#transport = options.transport;
    this.#maxSkewMs = options.maxSkewMs;
    this.#ownStatus = options.ownStatus;
    this.#frozen = options.frozen;
  }

  readiness(): readonly ReadinessCheck[] {
    return [this.#ringCheck(), this.#membersCheck(), this.#clockCheck(), this.#replacementCheck()];
  }

  async cluster(timeoutMs: number): Promise<ClusterStatus> {
    const { ring, terms } = this.#membership;
    if (ring === undefined) {
      return {
        name: terms.clusterName,
        id: undefined,
        epoch: 0,
        replicationFactor: terms.replicationFactor,
        replaceAfterMs: terms.graceMs,
        lastSurvivor: terms.lastSurvivor,
        members: [],
        transition: undefined,
        alarms: [],
      };
    }
    const said = await this.#askMembers(ring, timeoutMs);
    return {
      name: ring.clusterName,
      id: ring.clusterId,
      epoch: ring.epoch,
      replicationFactor: ring.replicationFactor,
      replaceAfterMs: ring.graceMs,
      lastSurvivor: ring.lastSurvivor,
      members: ring.members
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map((member) => this.#memberStatus(ring, member, said.get(member.id))),
      transition: transitionOf(ring, said),
      alarms: [...this.#alarms(ring), ...damagedCopies(ring, unsoundIn(said))],
    };
  }

  async tasks(timeoutMs: number): Promise<TasksStatus> {
    const { ring, endedTasks: ended } = this.#membership;
    if (ring?.next === undefined) return { epoch: ring?.epoch ?? 0, running: undefined, ended };
    const said = await this.#askMembers(ring, timeoutMs);
    return { epoch: ring.epoch, running: transitionOf(ring, said), ended };
  }

  /** What is kept by the members that answer; of the others nobody knows. */
  async kept(timeoutMs: number): Promise<Kept> {
    const { ring } = this.#membership;
    if (ring === undefined) return { keys: 0, replicas: 0 };
    const said = await this.#askMembers(ring, timeoutMs);
    return {
      keys: [...said.values()].reduce((sum, { keys }) => sum + keys, 0),
      replicas: ring.assignment.flat().filter((id) => said.has(id)).length,
    };
  }

  ring(): RingStatus | undefined {
    const { ring } = this.#membership;
    if (ring === undefined) return undefined;
    const { epoch, partitionCount, replicationFactor } = ring;
    const partitions = Array.from({ length: partitionCount }, (_, number) => {
      const partition = number as Partition;
      const replicas = ring.replicasOf(partition).map((id) => ring.member(id)?.name ?? id);
      return { partition, replicas };
    });
    return { epoch, partitionCount, replicationFactor, partitions };
  }

  #memberStatus(ring: Ring, member: Member, said: StatusReply | undefined): MemberStatus {
    const { id, name, leaving, zone, weight } = member;
    return {
      name,
      id,
      url: `http://${member.address}`,
      state: this.#membership.state(id),
      leaving,
      zone,
      weight,
      partitions: ring.partitionsOf(id),
      keys: said?.keys,
    };
  }

  /** What the members say of themselves; those that are silent are left out. */
  async #askMembers(ring: Ring, timeoutMs: number): Promise<ReadonlyMap<NodeId, StatusReply>> {
    const said = new Map<NodeId, StatusReply>();
    const options = { timeoutMs, traffic: 'membership' } as const;
    const asked = ring.members.map(async ({ id }) => {
      if (id === this.#membership.identity.nodeId) {
        said.set(id, this.#ownStatus());
        return;
      }
      const answer = await this.#transport.call(id, { type: 'member.status' }, options);
      if (answer.ok) said.set(id, answer.reply);
    });
    await Promise.all(asked);
    return said;
  }

  #alarms(ring: Ring): readonly string[] {
    const ids = ring.members.map(({ id }) => id);
    const dead = new Set(ids.filter((id) => this.#membership.state(id) === 'dead'));
    return alarmsOf({ ring, dead, frozen: this.#frozen() });
  }

  /** Never in the way of requests: it is here so that who looks at the checks sees the alarm. */
  #replacementCheck(): ReadinessCheck {
    const detail = this.#frozen().replacement ? FROZEN : 'dead members are replaced';
    return { name: 'replacement', ok: true, detail };
  }

  #ringCheck(): ReadinessCheck {
    const { ring } = this.#membership;
    if (ring === undefined) return { name: 'ring', ok: false, detail: this.#membership.waitingFor };
    const few = tooFewMembers(ring);
    const detail = `epoch ${ring.epoch}, ${ring.members.length} members`;
    return { name: 'ring', ok: true, detail: few === undefined ? detail : `${detail}; ${few}` };
  }

  #membersCheck(): ReadinessCheck {
    const { ring } = this.#membership;
    if (ring === undefined) {
      return { name: 'members', ok: false, detail: 'there is no cluster yet' };
    }
    const names = this.#membership.missing().map((id) => ring.member(id)?.name ?? id);
    const detail = names.length === 0 ? 'all answer' : `not answering: ${names.join(', ')}`;
    return { name: 'members', ok: this.#membership.metMajority, detail };
  }

  #clockCheck(): ReadinessCheck {
    if (!this.#membership.clockCompared) {
      return { name: 'clock', ok: false, detail: 'not yet compared with those of the peers' };
    }
    const skewMs = this.#membership.skewMs();
    const ok = Math.abs(skewMs) <= this.#maxSkewMs;
    const detail = `${(skewMs / 1000).toFixed(1)} s from the median of the peers`;
    return {
      name: 'clock',
      ok,
      detail: ok ? detail : `${detail}, more than allowed; set the clock`,
    };
  }
}

function unsoundIn(said: ReadonlyMap<NodeId, StatusReply>): ReadonlyMap<NodeId, number> {
  return new Map([...said].map(([id, { unsound }]) => [id, unsound.length]));
}
