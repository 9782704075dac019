import { HealGuard } from '../../src/replica/heal-guard.ts';
import { RequestHorizon } from '../../src/replica/request-horizon.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import type { Store } from '../../src/storage/store.ts';

/** The guard of a node's first life, unless `life` is another. */
export async function healGuardOf(store: Store, clock: Clock, life = 'first'): Promise<HealGuard> {
  const isFirstLife = life === 'first';
  const horizon = await RequestHorizon.open({
    store,
    clock,
    longestRequestMs: 60_000,
    isFirstLife,
  });
  return new HealGuard({ life, clock, horizon });
}
