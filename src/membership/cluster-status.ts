import type { Partition } from '../ids.ts';
import type { Member } from '../ring/member.ts';
import type { Ring } from '../ring/ring.ts';
import type { Transport } from '../rpc/transport.ts';
import type {
  ClusterStatus,
  ClusterView,
  MemberStatus,
  ReadinessCheck,
  RingStatus,
} from './cluster-view.ts';
import type { Membership } from './membership.ts';

/** What this node tells of its cluster to those who ask over HTTP. */
export class ClusterStatusReader implements ClusterView {
  readonly #membership: Membership;
  readonly #transport: Transport;
  readonly #maxSkewMs: number;
  readonly #ownKeys: () => number;

  constructor(options: {
    readonly membership: Membership;
    readonly transport: Transport;
    readonly maxSkewMs: number;
    /** Values that this node keeps. */
    readonly ownKeys: () => number;
  }) {
    this.#membership = options.membership;
    this.#transport = options.transport;
    this.#maxSkewMs = options.maxSkewMs;
    this.#ownKeys = options.ownKeys;
  }

  readiness(): readonly ReadinessCheck[] {
    return [this.#ringCheck(), this.#membersCheck(), this.#clockCheck()];
  }

  async cluster(timeoutMs: number): Promise<ClusterStatus> {
    const { ring, terms } = this.#membership;
    if (ring === undefined) {
      return {
        name: terms.clusterName,
        id: undefined,
        epoch: 0,
        replicationFactor: terms.replicationFactor,
        members: [],
      };
    }
    return {
      name: ring.clusterName,
      id: ring.clusterId,
      epoch: ring.epoch,
      replicationFactor: ring.replicationFactor,
      members: await Promise.all(
        ring.members
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
          .map((member) => this.#memberStatus(ring, member, timeoutMs)),
      ),
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

  async #memberStatus(ring: Ring, member: Member, timeoutMs: number): Promise<MemberStatus> {
    const { id, name, zone, weight } = member;
    return {
      name,
      id,
      url: `http://${member.address}`,
      state: this.#membership.state(id),
      zone,
      weight,
      partitions: ring.partitionsOf(id),
      keys: await this.#keysOf(member, timeoutMs),
    };
  }

  async #keysOf(member: Member, timeoutMs: number): Promise<number | undefined> {
    if (member.id === this.#membership.identity.nodeId) return this.#ownKeys();
    const options = { timeoutMs, traffic: 'membership' } as const;
    const answer = await this.#transport.call(member.id, { type: 'member.status' }, options);
    return answer.ok ? answer.reply.keys : undefined;
  }

  #ringCheck(): ReadinessCheck {
    const { ring } = this.#membership;
    if (ring === undefined) return { name: 'ring', ok: false, detail: this.#membership.waitingFor };
    const { epoch, members, replicationFactor } = ring;
    const few =
      members.length < replicationFactor
        ? `; fewer members (${members.length}) than the replication factor (${replicationFactor}): each keeps all keys`
        : '';
    return { name: 'ring', ok: true, detail: `epoch ${epoch}, ${members.length} members${few}` };
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
