/** What all nodes of a cluster tell on `/cluster/events`, and when it came, by the clock of this process. */
import type { FaultNode } from '../test/faults/fault-cluster.ts';
import { pause } from '../test/faults/pause.ts';

export interface SeenEvent {
  /** Name of the node that told it. */
  readonly by: string;
  readonly atMs: number;
  readonly type: string;
  /** Name of the member that it is about. */
  readonly member?: string;
  readonly epoch?: number;
}

const CONNECT_EVERY_MS = 20;
const LOOK_EVERY_MS = 10;

export class EventWatch {
  readonly #closing = new AbortController();
  readonly #seen: SeenEvent[] = [];
  readonly #listening = new Set<string>();

  /** Resolves when all of them are listened to. */
  static async over(nodes: readonly FaultNode[]): Promise<EventWatch> {
    const watch = new EventWatch();
    for (const node of nodes) void watch.#follow(node);
    await watch.until('a stream of events from each node', 60_000, () =>
      watch.#listening.size === nodes.length ? true : undefined,
    );
    return watch;
  }

  /** All events since `sinceMs`, in the order in which they came. */
  since(sinceMs: number): readonly SeenEvent[] {
    return this.#seen.filter(({ atMs }) => atMs >= sinceMs);
  }

  /** What `find` finds, as soon as it does. @throws when it takes too long */
  async until<Found>(
    what: string,
    withinMs: number,
    find: () => Found | undefined,
  ): Promise<Found> {
    const deadlineMs = performance.now() + withinMs;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (performance.now() > deadlineMs) throw new Error(`waited ${withinMs} ms for ${what}`);
      await pause(LOOK_EVERY_MS);
    }
  }

  close(): void {
    this.#closing.abort();
  }

  /** A node that was killed is listened to again in its next life. */
  async #follow(node: FaultNode): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const answer = await fetch(`${node.url}/cluster/events`, { signal });
        if (answer.ok && answer.body !== null) {
          this.#listening.add(node.name);
          await this.#read(node.name, answer.body);
        }
      } catch {
        // it is down
      }
      this.#listening.delete(node.name);
      await pause(CONNECT_EVERY_MS);
    }
  }

  async #read(by: string, body: AsyncIterable<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of body) {
      const atMs = performance.now();
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) this.#seen.push({ ...JSON.parse(data), by, atMs });
      }
    }
  }
}
