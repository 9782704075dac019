import type { Address, ClusterId, Epoch, NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';
import { encodeRing } from '../ring/ring-codec.ts';

/** What a node that is no member any more keeps of the cluster that goes on without it. */
export interface FormerCluster {
  readonly clusterId: ClusterId;
  readonly clusterName: string;
  /** Its own id there. Nothing votes or answers under it again. */
  readonly nodeId: NodeId;
  /** Where members were when it learnt that it is none: the settings may list no other node. */
  readonly contacts: readonly Address[];
  /**
   * The ring by which it learnt that. It was decided, and those who voted for it may all have left with it:
   * then nobody else can tell it to the members that it names (found by the simulator, seed 15642).
   */
  readonly goneOn: { readonly epoch: Epoch; readonly base64: string };
}

/**
 * How a node stopped being a member. `left`: an operator asked it to; it is not to come back by itself.
 * `replaced`: it was away for too long.
 */
export type Departure = 'left' | 'replaced';

/** How `self` departed, by the last ring held that listed it and the one that goes on without it. */
export function departureFrom(held: Ring, goneOn: Ring, self: NodeId): Departure {
  const isAsked = held.member(self)?.leaving === 'asked' || goneOn.sentAway.includes(self);
  return isAsked ? 'left' : 'replaced';
}

/** Whether `ring` is of the same lineage as the ring held, or of one that an operator forced upon that. */
export function goesOnFrom(ring: Ring, held: Ring): boolean {
  const isOfLine = ring.lineage === held.lineage || ring.formers.includes(held.lineage);
  return ring.clusterId === held.clusterId && isOfLine;
}

/** Whether `ring`, a later one, goes on without `self`, a member of the ring held. */
export function goesOnWithout(ring: Ring, held: Ring, self: NodeId): boolean {
  return (
    goesOnFrom(ring, held) &&
    ring.epoch > held.epoch &&
    held.member(self) !== undefined &&
    ring.member(self) === undefined
  );
}

/** The ring that went on without this node, as it is sent. */
export function ringGoneOn(former: FormerCluster | undefined): Uint8Array | undefined {
  return former && Buffer.from(former.goneOn.base64, 'base64');
}

export function formerCluster(ring: Ring, nodeId: NodeId): FormerCluster {
  const { clusterId, clusterName, members, epoch } = ring;
  const goneOn = { epoch, base64: Buffer.from(encodeRing(ring)).toString('base64') };
  return {
    clusterId,
    clusterName,
    nodeId,
    contacts: members.map(({ address }) => address),
    goneOn,
  };
}
