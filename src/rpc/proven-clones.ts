import type { NodeId } from '../ids.ts';
import type { PeerCard } from './handshake.ts';

/** Two processes that run as one node at the same time. */
export interface Clones {
  /** The one that the cluster goes on with. */
  readonly stays: PeerCard;
  /** The one that nobody talks to any more. */
  readonly goes: PeerCard;
}

/**
 * Which of two is which, the same at every member: a copy that was made while the original ran was started
 * later. Between two that began with the same incarnation nothing tells the original, so any order will do.
 */
export function judge(a: PeerCard, b: PeerCard): Clones {
  const isFirst =
    a.incarnation === b.incarnation ? a.nonce < b.nonce : a.incarnation < b.incarnation;
  return isFirst ? { stays: a, goes: b } : { stays: b, goes: a };
}

/** More are not remembered: each takes a process of its own. */
const MOST_REMEMBERED = 64;
/** How long what a member told counts: with 100 members each is told of every few seconds. */
const WORD_COUNTS_MS = 30_000;

interface Remembered {
  readonly clones: Clones;
  /** When a member told last that it is connected to another life than the one that goes. */
  toldMs: number;
}

/** The clones that were found in this life of the process, by the nonce of the one that goes. */
export class ProvenClones {
  readonly #remembered = new Map<string, Remembered>();

  /** Whether that is new. */
  add(clones: Clones, nowMs: number): boolean {
    const { nonce } = clones.goes;
    const isNew = !this.#remembered.delete(nonce);
    this.#remembered.set(nonce, { clones, toldMs: nowMs });
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > MOST_REMEMBERED && oldest !== undefined) {
      this.#remembered.delete(oldest);
    }
    return isNew;
  }

  /** Who stays in the place of the life with this nonce, if that one is to go. */
  keptInsteadOf(nonce: string): PeerCard | undefined {
    return this.#remembered.get(nonce)?.clones.stays;
  }

  /** A member is connected to that life of `node`. */
  hear(node: NodeId, life: string, nowMs: number): void {
    for (const [goes, remembered] of this.#remembered) {
      if (remembered.clones.goes.nodeId === node && goes !== life) remembered.toldMs = nowMs;
    }
  }

  /** Whether others were connected lately to the one that stays, or to a later life of it. */
  isKeptElsewhere(nonce: string, nowMs: number): boolean {
    const remembered = this.#remembered.get(nonce);
    return remembered !== undefined && nowMs - remembered.toldMs < WORD_COUNTS_MS;
  }

  /** The other one is gone: this one may be talked to. */
  forget(nonce: string): void {
    this.#remembered.delete(nonce);
  }
}
