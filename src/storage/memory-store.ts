import { SortedKeys } from './sorted-keys.ts';
import {
  type Change,
  type Entry,
  type KeyRange,
  type Space,
  type Store,
  StoreFailedError,
} from './store.ts';
import { requireKey, requireKeys, usersPart } from './store-limits.ts';

/**
 * A store that forgets with the process. For it, memory is the disk: a batch is in force from the
 * moment of the call.
 */
export class MemoryStore implements Store {
  readonly #values = new Map<string, Uint8Array>();
  readonly #keys = new SortedKeys();
  #closed = false;

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#requireOpen();
    requireKey(key);
    return this.#values.get(textOf(key))?.slice();
  }

  async batch(changes: readonly Change[]): Promise<void> {
    this.#requireOpen();
    requireKeys(changes);
    for (const change of changes) {
      if (change.type === 'put') this.#put(textOf(change.key), new Uint8Array(change.value));
      else this.#delete(textOf(change.key));
    }
  }

  async scan(
    range: KeyRange,
    limit: number,
    maxBytes = Number.POSITIVE_INFINITY,
  ): Promise<readonly Entry[]> {
    this.#requireOpen();
    const entries: Entry[] = [];
    let bytes = 0;
    for (const text of this.#keysIn(range, limit)) {
      const value = this.#values.get(text);
      if (value === undefined) continue;
      entries.push({ key: bytesOf(text), value: value.slice() });
      bytes += value.length;
      if (bytes >= maxBytes) break;
    }
    return entries;
  }

  async deleteRange(range: KeyRange): Promise<void> {
    this.#requireOpen();
    for (const text of this.#keysIn(range, Number.POSITIVE_INFINITY)) this.#delete(text);
  }

  async space(): Promise<Space> {
    this.#requireOpen();
    return 'ample';
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #keysIn(range: KeyRange, limit: number): string[] {
    const part = usersPart(range);
    if (part === undefined) return [];
    return this.#keys.between(textOf(part.start), textOf(part.end), limit);
  }

  #put(text: string, value: Uint8Array): void {
    if (!this.#values.has(text)) this.#keys.add(text);
    this.#values.set(text, value);
  }

  #delete(text: string): void {
    if (this.#values.delete(text)) this.#keys.delete(text);
  }

  #requireOpen(): void {
    if (this.#closed) throw new StoreFailedError('the store is closed');
  }
}

/** One character per byte: such strings compare as the bytes do, and a Map can find them. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
