/** The nodes of `dev` together: started, waited for, watched, stopped. */
import { setTimeout as delay } from 'node:timers/promises';
import type { DevNode } from './dev-nodes.ts';
import { exchange } from './exchange.ts';
import { type Ending, NodeProcess } from './node-process.ts';
import { unreadyChecks } from './readiness.ts';
import { whenAborted } from './stop-request.ts';

/** ctrl-c has taken everything down within 5 s: what is left then is killed before. */
const KILL_AFTER_MS = 4_500;
const PROBE_EVERY_MS = 100;
const PROBE_PATIENCE = { connectMs: 1_000, totalMs: 1_000 };

/** How a start went on: `died` names the first node that did, `late` why each one is not ready. */
export type StartOutcome =
  | { readonly type: 'ready' }
  | { readonly type: 'stopped' }
  | { readonly type: 'died'; readonly process: NodeProcess; readonly ending: Ending }
  | { readonly type: 'late'; readonly reasons: readonly string[] };

export class DevCluster {
  readonly processes: readonly NodeProcess[];

  /** `command` is what `start` is appended to; `insisted` kills the nodes when it is aborted. */
  constructor(nodes: readonly DevNode[], command: readonly string[], insisted: AbortSignal) {
    this.processes = nodes.map((node) => new NodeProcess(node, command));
    void whenAborted(insisted).then(() => this.#kill());
  }

  get running(): number {
    return this.processes.filter((process) => process.running).length;
  }

  /** Resolves when all are ready, one of them died, time is up, or `stopping` was aborted. */
  async started(withinMs: number, stopping: AbortSignal): Promise<StartOutcome> {
    const over = new AbortController();
    const reasons = new Map<string, string>();
    const all = Promise.all(
      this.processes.map(({ node }) => untilReady(node, reasons, over.signal)),
    );
    try {
      return await Promise.race([
        all.then((): StartOutcome => ({ type: 'ready' })),
        whenAborted(stopping).then((): StartOutcome => ({ type: 'stopped' })),
        this.#firstDeath(),
        delay(withinMs, undefined, { signal: over.signal }).then(
          (): StartOutcome => ({ type: 'late', reasons: [...reasons.values()] }),
        ),
      ]);
    } finally {
      over.abort();
    }
  }

  /** Calls `onEnd` for each node that ends. */
  watch(onEnd: (process: NodeProcess, ending: Ending) => void): void {
    for (const process of this.processes) {
      void process.ended.then((ending) => onEnd(process, ending));
    }
  }

  async allEnded(): Promise<void> {
    await Promise.all(this.processes.map(({ ended }) => ended));
  }

  /** Asks all to stop and kills what is left in time. Resolves with those that had to be killed. */
  async stop(): Promise<readonly NodeProcess[]> {
    const killed: NodeProcess[] = [];
    for (const process of this.processes) process.stop();
    const timer = setTimeout(() => {
      killed.push(...this.processes.filter((process) => process.running));
      this.#kill();
    }, KILL_AFTER_MS);
    await this.allEnded();
    clearTimeout(timer);
    return killed;
  }

  #kill(): void {
    for (const process of this.processes) process.kill();
  }

  #firstDeath(): Promise<StartOutcome> {
    return Promise.race(
      this.processes.map(async (process): Promise<StartOutcome> => {
        const ending = await process.ended;
        return { type: 'died', process, ending };
      }),
    );
  }
}

/** Keeps in `reasons`, by name, why it is not ready yet; takes it out when it is. */
async function untilReady(
  { name, url }: DevNode,
  reasons: Map<string, string>,
  over: AbortSignal,
): Promise<void> {
  const base = new URL(url);
  reasons.set(name, `${name} has not been asked yet`);
  while (!over.aborted) {
    try {
      const answer = await exchange(base, { method: 'GET', path: '/readyz' }, PROBE_PATIENCE);
      if (answer.status === 200) {
        reasons.delete(name);
        return;
      }
      reasons.set(name, `${name} is not ready: ${unreadyChecks(answer).join('; ')}`);
    } catch (error) {
      reasons.set(name, `${name} does not answer: ${(error as Error).message}`);
    }
    await delay(PROBE_EVERY_MS, undefined, { signal: over }).catch(() => undefined);
  }
}
