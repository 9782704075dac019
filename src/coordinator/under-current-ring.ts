import { ClientError } from '../errors.ts';
import type { Key } from '../ids.ts';
import { Attempt, type CoordinatorPorts, DamagedCopiesError, RingChangedError } from './attempt.ts';
import { healCopies } from './heal.ts';

/** Rings that one request may go through; more changes than that within a deadline are not sound. */
const MAX_RINGS = 8;

/**
 * Runs `attempt` under the ring in force, again when a newer ring came up meanwhile, and once more
 * when damaged copies stood in the way and could be healed.
 * @throws ClientError
 */
export async function underCurrentRing<Result>(
  ports: CoordinatorPorts,
  key: Key,
  timeoutMs: number,
  attempt: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  const deadlineMs = ports.clock.monotonicMs() + timeoutMs;
  let healed = false;
  for (let tries = 0; tries < MAX_RINGS; tries++) {
    const ring = ports.membership.ring;
    if (ring === undefined) {
      throw new ClientError(
        'not_ready',
        'this node does not belong to a cluster yet; /readyz says what it waits for',
        { outcome: 'not_applied' },
      );
    }
    try {
      return await attempt(new Attempt(ports, ring, key, deadlineMs));
    } catch (error) {
      if (error instanceof DamagedCopiesError) {
        if (healed) throw error.cause;
        healed = await healOrThrow(error);
      } else if (!(error instanceof RingChangedError)) throw error;
    }
  }
  throw new ClientError('not_ready', 'the ring keeps changing; try again in a moment', {
    outcome: 'not_applied',
  });
}

/** False when a newer ring came up before anything was healed. @throws ClientError */
async function healOrThrow({ attempt, damaged, cause }: DamagedCopiesError): Promise<boolean> {
  try {
    if (await healCopies(attempt, damaged)) return true;
  } catch (error) {
    if (error instanceof RingChangedError) return false;
    throw error;
  }
  throw cause;
}
