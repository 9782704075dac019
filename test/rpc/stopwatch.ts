/** No frame, whatever is in it, may keep a node busy for longer. */
export const MAX_FRAME_MS = 50;

/**
 * How long `work` takes, which is repeated when that was long: on a busy machine any work can be
 * interrupted for a while, but not the same work again and again.
 */
export function millisecondsOf(work: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5 && best >= MAX_FRAME_MS; attempt++) {
    const startedMs = performance.now();
    work();
    best = Math.min(best, performance.now() - startedMs);
  }
  return best;
}
