/**
 * One process per data directory. LMDB itself lets many processes share a folder, so it keeps the
 * lock: a record names the process that owns the folder, and LMDB's table of readers says whether
 * that process still lives (it frees the slots of those that were killed). Record and table are
 * looked at inside a write transaction, of which there is only one at a time in all processes: of
 * two that start together, exactly one wins.
 */
import { pid } from 'node:process';
import type { RootDatabase } from 'lmdb';
import { StartupError } from '../errors.ts';
import { RESERVED_FIRST_BYTE } from './store-limits.ts';

const OWNER_KEY = Uint8Array.of(RESERVED_FIRST_BYTE, ...Buffer.from('owner'));

/** Makes this process the owner. @throws StartupError when another one is, and lives. */
export function takeOwnership(db: RootDatabase<Uint8Array, Uint8Array>, folder: string): void {
  try {
    db.get(OWNER_KEY); // takes a slot among the readers, which shows the others that this process lives
  } catch (error) {
    // LMDB marks a living process by a lock on the byte of its number. In containers that share a
    // volume, another process can have the same number: then the lock is taken.
    throw inUse(folder, 'another process', error);
  }
  const rival = db.transactionSync(() => {
    const owner = ownerIn(db);
    if (owner === pid || !livingReaders(db).has(owner)) {
      db.putSync(OWNER_KEY, Buffer.from(String(pid)));
      return undefined;
    }
    return owner;
  });
  if (rival !== undefined) throw inUse(folder, `process ${rival}`);
}

export function inUse(folder: string, by: string, cause?: unknown): StartupError {
  return new StartupError(
    `the data directory ${folder} is in use by ${by}; ` +
      'stop that process, or give this node a folder of its own (QUORATE_DATA_DIR)',
    { cause },
  );
}

/** The number of the process that took the folder last; 0 when none did. */
function ownerIn(db: RootDatabase<Uint8Array, Uint8Array>): number {
  return Number(Buffer.from(db.get(OWNER_KEY) ?? []).toString());
}

/** The numbers of the processes with a slot: the first column below the heading. */
function livingReaders(db: RootDatabase<Uint8Array, Uint8Array>): ReadonlySet<number> {
  db.readerCheck();
  const rows = db.readerList().split('\n').slice(1);
  return new Set(rows.map((row) => Number.parseInt(row, 10)));
}
