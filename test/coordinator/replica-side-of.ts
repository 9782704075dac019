import { ReplicaSide } from '../../src/coordinator/replica-side.ts';
import type { Membership } from '../../src/membership/membership.ts';
import { VersionClock } from '../../src/replica/version-clock.ts';
import type { Ring } from '../../src/ring/ring.ts';
import type { Copy } from '../stabilizer/copies.ts';
import { silentLog } from '../telemetry/silent-log.ts';

/** The replica's side of a copy, which serves quorums unless `membership` says otherwise. */
export async function replicaSideOf(
  copy: Copy,
  membership: Partial<Membership> = {},
): Promise<ReplicaSide> {
  const { self, store, clock, replica, epochs, barrier, counters } = copy;
  const incarnation = 1 as Parameters<typeof VersionClock.open>[0]['incarnation'];
  const serving: Partial<Membership> & Pick<Membership, 'servesQuorum'> = {
    latestMs: () => Number.MAX_SAFE_INTEGER,
    servesQuorum: () => true,
    now: () => ({ monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() }),
    stillServesQuorum: (before: Ring) => serving.servesQuorum(serving.ring ?? before),
    nextMeeting: () => undefined,
    ...membership,
    get ring() {
      return copy.membership.ring;
    },
  };
  return new ReplicaSide({
    self,
    membership: serving as unknown as Membership,
    replica,
    versions: await VersionClock.open({ node: self, incarnation, clock, store }),
    epochs,
    barrier,
    hasPulled: () => true,
    maxSkewMs: 10_000,
    counters,
    log: silentLog,
  });
}
