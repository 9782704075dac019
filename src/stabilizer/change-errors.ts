/** What an operator is told whose change did not come about. */
import { ClientError } from '../errors.ts';
import type { Ring } from '../ring/ring.ts';
import { StoreFullError } from '../storage/store.ts';

/** The ring that is to be changed. @throws ClientError where there is none */
export function ringToChange({ ring }: { readonly ring: Ring | undefined }): Ring {
  if (ring !== undefined) return ring;
  throw new ClientError('not_ready', 'this node does not belong to a cluster yet', {
    outcome: 'not_applied',
  });
}

export function refuse(why: string): ClientError {
  return new ClientError('conflict', why, { outcome: 'not_applied' });
}

export function overtaken(): ClientError {
  return refuse(
    'another change was decided first; look at /cluster, then ask again if it is still wanted',
  );
}

/** `needed`: who has to answer. */
export function undecided(needed: string): ClientError {
  return new ClientError(
    'quorum_unavailable',
    `too few members answered, or agreed, to decide on it; ${needed}. It may still be decided; ` +
      'look at /cluster before asking again',
    { outcome: 'unknown' },
  );
}

/** Votes and rings have to be on disk before they count. @throws ClientError for a full disk */
export function withoutRoom(cause: unknown): never {
  if (!(cause instanceof StoreFullError)) throw cause;
  throw new ClientError(
    'storage_full',
    'the disk of this node is full: it could not keep the ring. It may still be decided; look at /cluster, ' +
      'and ask another node',
    { outcome: 'unknown', cause },
  );
}
