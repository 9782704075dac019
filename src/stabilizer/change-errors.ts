/** What an operator is told whose change did not come about. */
import { ClientError } from '../errors.ts';
import type { NodeId } from '../ids.ts';
import type { Membership } from '../membership/membership.ts';
import type { Ring } from '../ring/ring.ts';
import { StoreFullError } from '../storage/store.ts';

/** The ring that is to be changed. @throws ClientError where there is none */
export function ringToChange({ ring, waitingFor }: Pick<Membership, 'ring' | 'waitingFor'>): Ring {
  if (ring !== undefined) return ring;
  throw new ClientError('not_ready', `this node belongs to no cluster now: ${waitingFor}`, {
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
export function undecided(
  needed: string,
  { ring, dead }: { readonly ring: Ring; readonly dead: readonly NodeId[] },
): ClientError {
  const names = dead.map((id) => ring.member(id)?.name ?? id);
  const whoIsDead =
    names.length === 0
      ? ''
      : `Dead are ${names.join(', ')}; start them, or, if they are gone for good: ` +
        `quorate node remove ${names.join(' ')} --force. `;
  return new ClientError(
    'quorum_unavailable',
    `it is not known whether that was decided: too few members answered, or agreed, in time; ` +
      `${needed}. ${whoIsDead}Look at /cluster before asking again`,
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
