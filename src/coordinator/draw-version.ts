import { ClientError } from '../errors.ts';
import { StoreFailedError, StoreFullError } from '../storage/store.ts';
import { physicalOf, type Version } from '../version/version.ts';
import type { Attempt, CoordinatorPorts } from './attempt.ts';
import { refuseWhenClockIsOff } from './clock-gate.ts';

/**
 * A version above `above`, before the client's time is up. Nothing has been sent when this fails.
 * @throws ClientError
 */
export async function drawVersion(
  ports: CoordinatorPorts,
  attempt: Attempt,
  above: Version | undefined,
): Promise<Version> {
  const { versions } = ports;
  // Once more: a clock that jumped ahead since the request came would stay in every later version of
  // this node, whose peers would refuse them until their own clocks are there.
  refuseWhenClockIsOff(ports);
  if (above !== undefined && isFarAhead(ports, above)) return versions.drawFarAhead(above);
  const version = await attempt.within(versions.draw(above)).catch(refuseForStore);
  if (version !== undefined && !attempt.expired) return version;
  throw new ClientError(
    'timeout',
    'the time was up before anything was sent. Nothing was written; try again, or allow more time',
    { outcome: 'not_applied', acknowledged: 0, replicas: attempt.report },
  );
}

function refuseForStore(cause: unknown): never {
  const details = { outcome: 'not_applied', cause } as const;
  if (cause instanceof StoreFullError) {
    throw new ClientError(
      'storage_full',
      'the disk of this node is full. Nothing was written; free some space, or write through another node',
      details,
    );
  }
  if (cause instanceof StoreFailedError) {
    throw new ClientError(
      'shutting_down',
      'this node stops because its disk failed. Nothing was written; write through another node',
      details,
    );
  }
  throw cause;
}

/** Whether replicas that do not hold this version yet would refuse it from a client. */
export function isFarAhead({ membership, maxSkewMs }: CoordinatorPorts, version: Version): boolean {
  return physicalOf(version) > membership.latestMs() + 2 * maxSkewMs;
}
