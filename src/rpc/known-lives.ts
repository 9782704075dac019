import type { NodeId } from '../ids.ts';
import type { PeerCard } from './handshake.ts';
import type { HandshakeRefusal } from './handshake-refusal.ts';

/** More nodes are not remembered, those that were let in first are forgotten: four times the largest ring. */
const MOST_NODES = 4_096;

/**
 * The life of each node that was let in last, of those that proved who they are. Another one, told by
 * its nonce, may be the next start of the node, an old process, a copy of its data directory or one that
 * was put back to an older state. Incarnations do not say which: a snapshot that was put back begins
 * below what is known, and so does the original after its copy was started more often. So the known one
 * is asked for (see `UpgradeTransport`), and only while it answers the other is refused. Whether a disk is
 * behind its node is then seen by the bound of the first ping (`RememberedBounds`).
 */
export class KnownLives {
  /** In the order in which they were let in. */
  readonly #known = new Map<NodeId, PeerCard>();
  readonly #mostNodes: number;

  constructor(mostNodes = MOST_NODES) {
    this.#mostNodes = mostNodes;
  }

  of(node: NodeId): PeerCard | undefined {
    return this.#known.get(node);
  }

  /** The life whose place `peer` would take. */
  besides({ nodeId, nonce }: PeerCard): PeerCard | undefined {
    const known = this.#known.get(nodeId);
    return known?.nonce === nonce ? undefined : known;
  }

  meet(peer: PeerCard): void {
    this.#known.delete(peer.nodeId);
    this.#known.set(peer.nodeId, peer);
    const [first] = this.#known.keys();
    if (this.#known.size > this.#mostNodes && first !== undefined) this.#known.delete(first);
  }

  /** It does not answer any more. */
  end({ nodeId, nonce }: PeerCard): void {
    if (this.#known.get(nodeId)?.nonce === nonce) this.#known.delete(nodeId);
  }
}

/** Why `peer` is not to be talked to while the process of `known` is there. */
export function objectionTo(peer: PeerCard, known: PeerCard): HandshakeRefusal {
  return known.incarnation > peer.incarnation ? 'older_life' : 'clone';
}
