import type { Config } from '../config.ts';
import { openLmdbStore } from './lmdb-store.ts';
import { MemoryStore } from './memory-store.ts';
import { openRedisStore } from './redis-store.ts';
import type { Store } from './store.ts';

export interface OpenedStore {
  readonly store: Store;
  /** What was acknowledged may be gone, and the store was emptied: the same as a new disk. */
  readonly lost: boolean;
  /** What the operator should be told, a sentence each. */
  readonly remarks: readonly string[];
}

/** The store that the settings ask for. @throws StartupError */
export async function openStore(config: Pick<Config, 'store' | 'dataDir'>): Promise<OpenedStore> {
  switch (config.store) {
    case 'memory':
      return {
        store: new MemoryStore(),
        lost: false,
        remarks: ['records are kept in memory: they are gone when this process ends'],
      };
    case 'lmdb':
      return { store: await openLmdbStore(config.dataDir), lost: false, remarks: [] };
    default:
      return openRedisStore(config.store);
  }
}
