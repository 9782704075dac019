import { ClientError } from '../errors.ts';
import type { CoordinatorPorts } from './attempt.ts';

/**
 * A node whose clock is too far from its peers' median coordinates no writes: its versions would be
 * refused, or would lose to older ones at level `one`.
 * @throws ClientError
 */
export function refuseWhenClockIsOff({ membership, maxSkewMs }: CoordinatorPorts): void {
  if (!membership.clockCompared) {
    throw new ClientError(
      'not_ready',
      'this node has just started and has not compared its clock with its peers yet; try again in a moment',
      { outcome: 'not_applied' },
    );
  }
  const skewMs = membership.skewMs();
  if (Math.abs(skewMs) <= maxSkewMs) return;
  const seconds = (Math.abs(skewMs) / 1000).toFixed(1);
  throw new ClientError(
    'not_ready',
    `this node's clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} the median of its peers, ` +
      `more than QUORATE_MAX_SKEW (${maxSkewMs / 1000} s); set the clock, or write through another node`,
    { outcome: 'not_applied' },
  );
}
