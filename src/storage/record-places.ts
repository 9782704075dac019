import type { Key, Partition } from '../ids.ts';
import { type Generation, partitionRange, recordKey, recordsOf } from './keys.ts';
import { readOwn } from './own-state.ts';
import type { KeyRange, Store } from './store.ts';

/**
 * Where the records of a node lie that take part in its cluster: in the current generation. The other
 * one is empty, or holds what was set aside when the node turned out to have been replaced.
 */
export class RecordPlaces {
  readonly generation: Generation;

  constructor(generation: Generation) {
    this.generation = generation;
  }

  /** @throws StartupError when what says so is damaged */
  static async open(store: Store): Promise<RecordPlaces> {
    const kept = (await readOwn(store, 'records')) as { readonly current: Generation } | undefined;
    return new RecordPlaces(kept?.current ?? 1);
  }

  /** The places of the other generation. */
  get other(): RecordPlaces {
    return new RecordPlaces(this.generation === 1 ? 2 : 1);
  }

  /** All partitions. */
  get all(): KeyRange {
    return recordsOf(this.generation);
  }

  /** All of a partition, or what lies behind the key `after`. */
  of(partition: Partition, after?: Key): KeyRange {
    return partitionRange(this.generation, partition, after);
  }

  at(partition: Partition, key: Key): Uint8Array {
    return recordKey(this.generation, partition, key);
  }
}
