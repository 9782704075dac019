import type { NewsLine } from '../rpc/messages.ts';
import type { News } from '../swim/news.ts';

/** News as it travels: lists, since messages hold no maps. */
export function linesOf(news: readonly News[]): readonly NewsLine[] {
  return news.map(({ node, state, incarnation, by }) => [node, state, incarnation, by]);
}

export function newsIn(lines: readonly NewsLine[]): readonly News[] {
  return lines.map(([node, state, incarnation, by]) => ({ node, state, incarnation, by }));
}
