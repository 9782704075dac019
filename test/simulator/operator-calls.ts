import { ClientError } from '../../src/errors.ts';
import { StoreFailedError } from '../../src/storage/store.ts';
import type { SimulatedNode } from './simulated-cluster.ts';

/** What operators asked of nodes, and wait for an answer to. */
export class OperatorCalls {
  readonly #open = new Set<symbol>();

  /** Whether something may come about yet that was asked for. */
  get underWay(): boolean {
    return this.#open.size > 0;
  }

  /** Through `node`, which may refuse, or not live to answer; `done` when it did as it was asked. */
  follow({ life }: SimulatedNode, call: Promise<unknown>, done: () => void): void {
    const asking = Symbol('an operator');
    this.#open.add(asking);
    const end = (): void => void this.#open.delete(asking);
    life.atEnd(end); // nobody answers any more
    void call.then(done, refused).finally(end);
  }
}

/** What an operator is told is no flaw, nor that a node stops whose disk failed; anything else is. */
function refused(error: unknown): void {
  if (!(error instanceof ClientError || error instanceof StoreFailedError)) throw error;
}
