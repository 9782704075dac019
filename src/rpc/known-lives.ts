import type { NodeId } from '../ids.ts';
import type { PeerCard } from './handshake.ts';
import type { HandshakeRefusal } from './handshake-refusal.ts';

/**
 * The latest life of each node that proved who it is. Two processes of one incarnation are clones, and
 * the later one is refused; an incarnation below the latest is an old process, or a data directory
 * that was put back. A higher one is another start of the node, or of a copy of its directory that was
 * made while it ran: which of them is not to be seen here (see `UpgradeTransport`).
 */
export class KnownLives {
  readonly #latest = new Map<NodeId, PeerCard>();

  objectionTo(peer: PeerCard): HandshakeRefusal | undefined {
    const known = this.#latest.get(peer.nodeId);
    if (known === undefined || known.incarnation < peer.incarnation) return undefined;
    if (known.incarnation > peer.incarnation) return 'older_life';
    return known.nonce === peer.nonce ? undefined : 'clone';
  }

  /** The life that `peer` would follow upon. */
  formerOf(peer: PeerCard): PeerCard | undefined {
    const known = this.#latest.get(peer.nodeId);
    return known !== undefined && known.incarnation < peer.incarnation ? known : undefined;
  }

  /** Takes note of a life; true when it follows upon another one. */
  meet(peer: PeerCard): boolean {
    const known = this.#latest.get(peer.nodeId);
    if (known !== undefined && known.incarnation >= peer.incarnation) return false;
    this.#latest.set(peer.nodeId, peer);
    return known !== undefined;
  }
}
