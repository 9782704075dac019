/**
 * Finds two processes that run as one node where each of two members is connected to another of them, so
 * that neither member sees both: members tell each other to which life of each node they are connected.
 *
 * Most differences are a node that was started again, which not all have noticed yet. What is told may be
 * old, so it proves nothing; three moments one after the other do. The other member had met its life when
 * it told so; then the own one answers a question that is put now; then the other one's answers a question
 * that is put after that. A nonce is of one process, which begins once and ends once: the other life was
 * there before and after the own one was seen alive, so both run. No clock has a part in it.
 */
import type { NodeId } from '../ids.ts';
import type { PeerCard } from './handshake.ts';
import { type Clones, judge } from './proven-clones.ts';

/** Further differences are told again. */
const MOST_AT_ONCE = 8;

export interface LifeComparisonPorts {
  /** The life of a node that this one is connected to. */
  readonly connectedTo: (node: NodeId) => PeerCard | undefined;
  /** Whether it answers a question that is put now. */
  readonly answers: (life: PeerCard) => Promise<boolean>;
  /** Has `member` put one to that life of the node, `own` having answered: who that is, if it answers. */
  readonly confirmedBy: (
    member: NodeId,
    life: string,
    own: PeerCard,
  ) => Promise<PeerCard | undefined>;
  readonly onProven: (clones: Clones) => void;
}

export class LifeComparison {
  readonly #ports: LifeComparisonPorts;
  readonly #underWay = new Set<NodeId>();

  constructor(ports: LifeComparisonPorts) {
    this.#ports = ports;
  }

  /** `member` is connected to this life of `node`. */
  hear(member: NodeId, node: NodeId, life: string): void {
    const own = this.#ports.connectedTo(node);
    if (own === undefined || own.nonce === life) return;
    if (this.#underWay.has(node) || this.#underWay.size >= MOST_AT_ONCE) return;
    this.#underWay.add(node);
    void this.#compare(own, member, life).finally(() => this.#underWay.delete(node));
  }

  async #compare(own: PeerCard, member: NodeId, life: string): Promise<void> {
    const { answers, confirmedBy, onProven } = this.#ports;
    if (!(await answers(own))) return;
    // Only now: an answer from before would be one of a life that has ended since.
    const other = await confirmedBy(member, life, own);
    if (other !== undefined) onProven(judge(own, other));
  }

  /**
   * A member compares: `other` answered it after this node had told of `life`. Should that one answer now,
   * both run, which is proven here as well.
   */
  async confirm(life: string, other: PeerCard): Promise<PeerCard | undefined> {
    const { connectedTo, answers, onProven } = this.#ports;
    const own = connectedTo(other.nodeId);
    if (own?.nonce !== life || other.nonce === life) return undefined;
    if (!(await answers(own))) return undefined;
    onProven(judge(own, other));
    return own;
  }
}
