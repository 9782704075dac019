import { StartupError } from '../errors.ts';
import type { Incarnation, NodeId } from '../ids.ts';
import { type Random, randomHex } from '../runtime/random.ts';
import { keepOwn, readOwn } from '../storage/own-state.ts';
import { type Store, StoreFullError } from '../storage/store.ts';

/** Who this node is, in this life of its process. */
export interface Identity {
  readonly nodeId: NodeId;
  /** One more than in the life before; on disk before anyone sees it. */
  readonly incarnation: Incarnation;
  /** Drawn at each start: two processes with one identity (a cloned directory) differ in it. */
  readonly nonce: string;
}

interface Kept {
  readonly nodeId: NodeId;
  readonly incarnation: number;
}

/**
 * The identity that lies in the store, or a new one: a store without one is a new node. It lives
 * beside the records, so that whoever loses the one has lost the other.
 * @throws StartupError when it is damaged, or cannot be kept
 */
export async function openIdentity(store: Store, random: Random): Promise<Identity> {
  const kept = (await readOwn(store, 'identity')) as Kept | undefined;
  const nodeId = kept?.nodeId ?? (randomHex(random, 8) as NodeId);
  const incarnation = ((kept?.incarnation ?? 0) + 1) as Incarnation;
  await keep(store, { nodeId, incarnation });
  return { nodeId, incarnation, nonce: randomHex(random, 16) };
}

async function keep(store: Store, kept: Kept): Promise<void> {
  try {
    await store.batch([keepOwn('identity', kept)]);
  } catch (cause) {
    if (!(cause instanceof StoreFullError)) throw cause;
    const remedy = 'free some space or grow it, then start this node again';
    throw new StartupError(`the disk of the data directory is full; ${remedy}`, { cause });
  }
}
