import type { NodeId } from '../ids.ts';
import type { Cancellable, Clock } from '../runtime/clock.ts';
import type { Answer } from './transport.ts';

/**
 * Asks several nodes at once and hands out their answers in order of arrival, one each. It never
 * throws: a node that has not answered by the deadline counts as `timeout`. Leaving the loop early
 * leaves the remaining answers to `rest()`.
 */
export class Gather<Reply> implements AsyncIterable<Answer<Reply>> {
  readonly #waiting: Set<NodeId>;
  readonly #arrived: Answer<Reply>[] = [];
  readonly #deadline: Cancellable;
  #wake: (() => void) | undefined;

  /** `call` asks one node; `timeoutMs` is how long all of them together may take. */
  constructor(
    nodes: readonly NodeId[],
    call: (to: NodeId) => Promise<Answer<Reply>>,
    clock: Clock,
    timeoutMs: number,
  ) {
    this.#waiting = new Set(nodes);
    this.#deadline = clock.schedule(timeoutMs, () => this.#expire());
    if (this.#waiting.size === 0) this.#deadline.cancel();
    for (const node of this.#waiting) {
      call(node).then(
        (answer) => this.#arrive(node, answer),
        () => this.#arrive(node, { ok: false, from: node, failure: 'failed' }),
      );
    }
  }

  /** The nodes that have not answered yet. */
  get waiting(): readonly NodeId[] {
    return [...this.#waiting];
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Answer<Reply>> {
    for (;;) {
      const next = this.#arrived.shift();
      if (next !== undefined) yield next;
      else if (this.#waiting.size === 0) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The answers not yet handed out, when the last one is there or the deadline has passed. */
  async rest(): Promise<readonly Answer<Reply>[]> {
    const answers: Answer<Reply>[] = [];
    for await (const answer of this) answers.push(answer);
    return answers;
  }

  #arrive(node: NodeId, answer: Answer<Reply>): void {
    if (!this.#waiting.delete(node)) return; // its time was up already
    this.#arrived.push(answer);
    if (this.#waiting.size === 0) this.#deadline.cancel();
    this.#wake?.();
  }

  #expire(): void {
    for (const node of this.#waiting) {
      this.#arrived.push({ ok: false, from: node, failure: 'timeout' });
    }
    this.#waiting.clear();
    this.#wake?.();
  }
}
