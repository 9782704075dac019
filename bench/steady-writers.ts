/**
 * One writer at each of some nodes, which puts one key after the other without a pause, to see for how long
 * writes do not get through.
 */
import type { FaultNode } from '../test/faults/fault-cluster.ts';

/** After a refusal, which comes much faster than an answer. */
const RETRY_AFTER_MS = 1;

export class SteadyWriters {
  readonly #writers: readonly Promise<void>[];
  readonly #put: (node: FaultNode, count: number) => Promise<string | undefined>;
  readonly #failures: string[] = [];
  #longestMs = 0;
  #written = 0;
  #stopped = false;

  /** `put`: what went wrong; `undefined` when it was acknowledged. */
  constructor(
    nodes: readonly FaultNode[],
    put: (node: FaultNode, count: number) => Promise<string | undefined>,
  ) {
    this.#put = put;
    this.#writers = nodes.map((node) => this.#write(node));
  }

  /** The longest time between two acknowledged writes of one writer, since the start or the last call. */
  takeLongestMs(): number {
    const longestMs = this.#longestMs;
    this.#longestMs = 0;
    return longestMs;
  }

  get written(): number {
    return this.#written;
  }

  /** What went wrong, in words. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#writers);
  }

  async #write(node: FaultNode): Promise<void> {
    let lastMs = performance.now();
    for (let count = 0; !this.#stopped; count++) {
      let failure: string | undefined;
      try {
        failure = await this.#put(node, count);
      } catch (error) {
        failure = String(error);
      }
      const nowMs = performance.now();
      this.#longestMs = Math.max(this.#longestMs, nowMs - lastMs);
      if (failure === undefined) {
        lastMs = nowMs;
        this.#written += 1;
      } else {
        this.#failures.push(`${node.name}: ${failure}`);
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
    }
  }
}
