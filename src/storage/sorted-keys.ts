/** As many keys as are moved, at most, to insert one. */
const CHUNK = 512;

/**
 * Strings in their order, cheap to insert into and to read in sequence: short sorted arrays, one
 * after the other. None of them is empty.
 */
export class SortedKeys {
  readonly #chunks: string[][] = [];

  /** `key` must not be there yet. */
  add(key: string): void {
    const at = Math.max(0, this.#chunkOf(key));
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([key]);
      return;
    }
    chunk.splice(firstNotBelow(chunk, key), 0, key);
    if (chunk.length > CHUNK) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK / 2));
  }

  delete(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    const index = firstNotBelow(chunk, key);
    if (chunk[index] !== key) return;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** At most `limit` of the keys k with start <= k < end. */
  between(start: string, end: string, limit: number): string[] {
    const found: string[] = [];
    for (let at = Math.max(0, this.#chunkOf(start)); at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at] ?? [];
      for (let i = firstNotBelow(chunk, start); i < chunk.length; i++) {
        const key = chunk[i];
        if (key === undefined || key >= end || found.length >= limit) return found;
        found.push(key);
      }
    }
    return found;
  }

  /** The last chunk whose first key is not above `key`; -1 when there is none. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.[0] ?? '') <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function firstNotBelow(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
