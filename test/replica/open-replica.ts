import { HealGuard } from '../../src/replica/heal-guard.ts';
import { KeyCounts } from '../../src/replica/key-counts.ts';
import { LossyPartitions } from '../../src/replica/lossy-partitions.ts';
import { Replica } from '../../src/replica/replica.ts';
import { RequestHorizon } from '../../src/replica/request-horizon.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import type { Store } from '../../src/storage/store.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { silentLog } from '../telemetry/silent-log.ts';

/** A replica on `store` and what it is made of, in the first life of its node unless `life` is another. */
export async function openReplica<Kept extends Store>(store: Kept, life = 'first') {
  const clock = new HandClock();
  const counters = new Counters();
  const places = new RecordPlaces(1);
  const counts = await KeyCounts.open(store);
  const lossy = await LossyPartitions.open(store, 0);
  const isFirstLife = life === 'first';
  const horizon = await RequestHorizon.open({
    store,
    clock,
    longestRequestMs: 60_000,
    isFirstLife,
  });
  const guard = new HealGuard({ life, clock, horizon });
  const parts = { store, places, counts, lossy, counters, clock };
  return { ...parts, replica: new Replica({ ...parts, guard, log: silentLog }) };
}
