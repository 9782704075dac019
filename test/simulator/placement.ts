/**
 * Who keeps what (the judge `placement`): a record is stored only on a node that some ring it held names
 * as a replica, and a copy is removed only when the ring at rest gave the partition to others that have
 * all of it. What was set aside goes when the replicas have it. When a transition ends, every replica has
 * what was acknowledged before it; and nobody answers for a partition that survivors took over.
 */
import type { Key, NodeId, Partition } from '../../src/ids.ts';
import { inTransition } from '../../src/ring/pulls.ts';
import type { ReplicaSet } from '../../src/ring/replica-set.ts';
import type { Ring } from '../../src/ring/ring.ts';
import type { Version } from '../../src/version/version.ts';
import { Findings, type Flaw } from './flaw.ts';

/** Rings that may be decided, in quick succession, while a record is offered and removed. */
const RINGS_MEANWHILE = 4;

/** The rings that a node held under its present id, oldest first. */
type RingsOf = (name: string) => readonly Ring[];

export class Placement {
  readonly #findings = new Findings('placement');
  readonly #ringsOf: RingsOf;

  constructor(ringsOf: RingsOf) {
    this.#ringsOf = ringsOf;
  }

  stored(name: string, id: NodeId, partition: Partition, key: string): void {
    const rings = this.#ringsOf(name);
    // From behind: as a rule it is the newest one.
    for (let at = rings.length - 1; at >= 0; at--) if (rings[at]?.keeps(id, partition)) return;
    this.#findings.add(`${name} stored ${key}, and never was a replica of partition ${partition}`);
  }

  /**
   * Whether the node is to keep the partition. What it began to remove under a ring that gave it to others
   * may reach the disk when it holds the next one.
   */
  keeps(name: string, id: NodeId, partition: Partition): boolean {
    const [newest, before] = this.#ringsOf(name).slice(-2).toReversed();
    if (newest?.keeps(id, partition) !== true) return false;
    return before === undefined || before.next !== undefined || before.keeps(id, partition);
  }

  /** `holders`: nodes on whose disks the removed version, or a newer one, has been. */
  removed(
    { name, id }: { readonly name: string; readonly id: NodeId },
    removed: { readonly partition: Partition; readonly key: string; readonly version: Version },
    holders: ReadonlySet<NodeId>,
  ): void {
    const { partition, key, version } = removed;
    const ring = this.#ringsOf(name).findLast(({ next }) => next === undefined);
    const replicas = ring?.assignment[partition] ?? [];
    if (ring === undefined || replicas.includes(id))
      this.#findings.add(`${name} removed ${key} before the transition was over`);
    else if (!isQuorum(replicas, holders))
      this.#findings.add(`${name} removed ${key} at ${version}, which its replicas do not have`);
  }

  /**
   * The transition of the ring `joint` is over. `version` was acknowledged before it began, and is, or
   * something newer, with the `holders`.
   */
  settled(joint: Ring, key: string, version: Version, holders: ReadonlySet<NodeId>): void {
    const partition = joint.partitionOf(key as Key);
    if (!inTransition(joint, partition) || joint.recovering.includes(partition)) return;
    const without = joint.next?.[partition]?.filter((id) => !holders.has(id)) ?? [];
    if (without.length === 0) return;
    const names = without.map((id) => joint.member(id)?.name);
    this.#findings.add(
      `the transition of epoch ${joint.epoch} is over, and ${names} does not have ${key} at ${version}`,
    );
  }

  /** It answered a request that counts with others, for a partition that the others took from it. */
  served(name: string, type: string): void {
    this.#findings.add(`${name} served a ${type} when others had gone on without it`);
  }

  wroteAside(name: string): void {
    this.#findings.add(`${name} wrote a record where what was set aside lies`);
  }

  /** The same of a record that had been set aside. */
  offered(
    name: string,
    removed: { readonly partition: Partition; readonly key: string; readonly version: Version },
    holders: ReadonlySet<NodeId>,
  ): void {
    const { partition, key, version } = removed;
    // What it offered under one ring may be gone from its disk when it holds a later one, whose new
    // replicas have yet to pull (seed 17232).
    const rings = this.#ringsOf(name).slice(-RINGS_MEANWHILE);
    const isKept = (ring: Ring): boolean =>
      ring.replicaSets(partition).every((set) => isQuorum(set, holders));
    if (rings.some(isKept)) return;
    this.#findings.add(`${name} gave up ${key} at ${version}, which the replicas do not have`);
  }

  get flaws(): readonly Flaw[] {
    return this.#findings.flaws;
  }
}

function isQuorum(replicas: ReplicaSet, holders: ReadonlySet<NodeId>): boolean {
  return 2 * replicas.filter((id) => holders.has(id)).length > replicas.length;
}
