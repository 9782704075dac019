import type { NodeId } from '../ids.ts';
import type { Clock } from '../runtime/clock.ts';

/** A moment by both clocks of this node: who must be sure how long ago it was takes the longer answer. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function momentOf(clock: Clock): Moment {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
}

/** When this node and each other one last heard of each other directly, in this life. */
export class Contacts {
  readonly #acked = new Map<NodeId, Moment>();
  readonly #answered = new Map<NodeId, Moment>();

  /** A ping that was sent to `member` at `sent` was answered. */
  recordAcked(member: NodeId, sent: Moment): void {
    const before = this.#acked.get(member);
    // Answers may overtake each other.
    if (before === undefined || sent.monotonicMs > before.monotonicMs)
      this.#acked.set(member, sent);
  }

  /** A ping of `member` is answered. */
  recordAnswered(member: NodeId, at: Moment): void {
    this.#answered.set(member, at);
  }

  lastAcked(member: NodeId): Moment | undefined {
    return this.#acked.get(member);
  }

  lastAnswered(member: NodeId): Moment | undefined {
    return this.#answered.get(member);
  }

  /** Forgets everybody else. */
  keepOnly(members: ReadonlySet<NodeId>): void {
    for (const contacts of [this.#acked, this.#answered]) {
      for (const node of contacts.keys()) if (!members.has(node)) contacts.delete(node);
    }
  }
}
