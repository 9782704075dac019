import type { Clock } from './clock.ts';

/**
 * What `find` finds, found again only when that was more than `forMs` ago. Those who ask meanwhile share
 * one search; a search that failed is not remembered.
 */
export function remembered<Found>(
  clock: Clock,
  forMs: number,
  find: () => Promise<Found>,
): () => Promise<Found> {
  let last: { readonly atMs: number; readonly found: Promise<Found> } | undefined;
  return () => {
    const atMs = clock.monotonicMs();
    if (last !== undefined && atMs - last.atMs <= forMs) return last.found;
    const search = { atMs, found: find() };
    last = search;
    search.found.catch(() => {
      if (last === search) last = undefined;
    });
    return search.found;
  };
}
