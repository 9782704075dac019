import type { NodeId } from '../ids.ts';
import type { News } from './news.ts';

interface Queued {
  readonly news: News;
  sent: number;
}

/**
 * News on its way through the cluster, carried along by pings and their answers (SWIM, section 4.1).
 * One piece for each member, the latest: older news of it is of no use to anybody. What was sent least
 * often goes first; what was sent `limit` times has reached everyone, with high probability, and is
 * forgotten.
 */
export class Dissemination {
  readonly #queue = new Map<NodeId, Queued>();

  add(news: News): void {
    this.#queue.delete(news.node);
    this.#queue.set(news.node, { news, sent: 0 });
  }

  /** It is of no interest any more. */
  forget(node: NodeId): void {
    this.#queue.delete(node);
  }

  /** At most `most` pieces for one message, none of it about `except`. */
  take(most: number, limit: number, ...except: readonly NodeId[]): readonly News[] {
    const candidates = [...this.#queue.values()]
      .filter(({ news }) => !except.includes(news.node))
      .sort((a, b) => a.sent - b.sent)
      .slice(0, most);
    for (const queued of candidates) {
      queued.sent++;
      if (queued.sent >= limit) this.#queue.delete(queued.news.node);
    }
    return candidates.map(({ news }) => news);
  }
}
