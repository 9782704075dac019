/**
 * Assigning partitions to members: replicas stay where they are as far as the limits allow, so the
 * fewest move; every member keeps its share by weight, rounded up or down; a member never keeps two
 * replicas of one partition; zones are shared evenly.
 *
 * All of this at once is a flow of minimum cost (Garage computes its layout by flows too; the model
 * here is our own):
 *
 *     source -> partition -> partition in a zone -> member -> sink
 *
 * A unit is a replica. It costs nothing where the member keeps that partition already, 1 elsewhere. A
 * solution always exists: give every member the same fraction of every partition; that keeps all
 * limits, and whole limits have a whole solution when they have any.
 *
 * The result depends on the previous assignment and on who the members are, not on their order.
 */
import type { NodeId } from '../ids.ts';
import { invariant } from '../invariant.ts';
import { FlowNetwork } from './flow.ts';
import { inOrderOfId, type Member } from './member.ts';
import { inPreferenceOrder } from './preference.ts';
import type { Assignment, ReplicaSet } from './replica-set.ts';
import { sharesOf, zoneLimitOf } from './shares.ts';
import { Shuffle } from './shuffle.ts';

export function assign(options: {
  /** What is kept as far as possible; `undefined`: nothing was assigned before. */
  readonly previous: Assignment | undefined;
  readonly members: readonly Member[];
  readonly partitionCount: number;
  /** With fewer members than this, all of them are replicas of every partition. */
  readonly replicationFactor: number;
}): Assignment {
  const { previous, partitionCount } = options;
  const members = inOrderOfId(options.members);
  const replicas = Math.min(options.replicationFactor, members.length);
  invariant(replicas > 0, 'a member to assign partitions to');
  invariant(previous === undefined || previous.length === partitionCount, 'as many partitions');

  const shuffle = new Shuffle(members);
  const model = new AssignmentModel(members, partitionCount, replicas);
  const partitions = Array.from({ length: partitionCount }, (_, partition) => partition);
  shuffle.mix(partitions);
  for (const partition of partitions) model.addPartition(partition, previous?.[partition], shuffle);
  return inPreferenceOrder(previous, model.solve(), members);
}

const SOURCE = 0;
const SINK = 1;
const FIRST_MEMBER = 2;
const KEPT = 0;
const MOVED = 1;

interface Candidate {
  readonly id: NodeId;
  readonly node: number;
  readonly zone: number;
}

interface Possibility {
  readonly id: NodeId;
  readonly arc: number;
}

class AssignmentModel {
  readonly #network: FlowNetwork;
  readonly #replicas: number;
  readonly #zoneLimit: number;
  readonly #zoneCount: number;
  /** In an order that is mixed anew for each partition. */
  readonly #candidates: Candidate[];
  /** Arcs from members to the sink that hold the rounded-down share, one unit short of the other. */
  readonly #roundedUp: number[] = [];
  readonly #possibilities: Possibility[][];
  #nextNode: number;

  constructor(members: readonly Member[], partitionCount: number, replicas: number) {
    const zones = [...new Set(members.map((member) => member.zone))];
    this.#replicas = replicas;
    this.#zoneCount = zones.length;
    this.#zoneLimit = zoneLimitOf(members, replicas);
    this.#nextNode = FIRST_MEMBER + members.length;
    this.#network = new FlowNetwork(
      this.#nextNode + partitionCount * (1 + zones.length),
      members.length + partitionCount * (1 + zones.length + members.length),
    );
    this.#possibilities = Array.from({ length: partitionCount }, () => []);
    this.#candidates = members.map(({ id, zone }, index) => ({
      id,
      node: FIRST_MEMBER + index,
      zone: zones.indexOf(zone),
    }));
    this.#addShares(members, partitionCount);
  }

  #addShares(members: readonly Member[], partitions: number): void {
    const limits = { partitions, replicas: this.#replicas, zoneLimit: this.#zoneLimit };
    const shares = sharesOf({ members, ...limits });
    for (const [index, member] of members.entries()) {
      const share = shares.get(member);
      invariant(share !== undefined, 'a share for every member');
      const arc = this.#network.addArc(FIRST_MEMBER + index, SINK, share.least, 0);
      if (share.most > share.least) this.#roundedUp.push(arc);
    }
  }

  addPartition(partition: number, kept: ReplicaSet | undefined, shuffle: Shuffle): void {
    const node = this.#nextNode;
    const firstZone = node + 1;
    this.#nextNode += 1 + this.#zoneCount;
    this.#network.addArc(SOURCE, node, this.#replicas, 0);

    const possibilities = this.#possibilities[partition];
    invariant(possibilities !== undefined, 'a partition of this model');
    const zonesMet = new Set<number>(); // in mixed order too
    shuffle.mix(this.#candidates);
    for (const { id, node: member, zone } of this.#candidates) {
      if (!zonesMet.has(zone)) {
        zonesMet.add(zone);
        this.#network.addArc(node, firstZone + zone, this.#zoneLimit, 0);
      }
      const cost = kept?.includes(id) === true ? KEPT : MOVED;
      possibilities.push({ id, arc: this.#network.addArc(firstZone + zone, member, 1, cost) });
    }
  }

  /** The replicas of each partition, in no order that means anything. */
  solve(): Assignment {
    // First everyone's share rounded down, whatever has to move for it; then the one more that some keep.
    let placed = this.#network.fill(SOURCE, SINK);
    for (const arc of this.#roundedUp) this.#network.widen(arc, 1);
    placed += this.#network.fill(SOURCE, SINK);
    invariant(placed === this.#replicas * this.#possibilities.length, 'a place for every replica');
    return this.#possibilities.map((possibilities) =>
      possibilities.filter(({ arc }) => this.#network.flowThrough(arc) > 0).map(({ id }) => id),
    );
  }
}
