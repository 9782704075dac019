import { expect, test } from 'vitest';
import { RepairReport } from '../../src/stabilizer/repair-report.ts';
import { ClusterEvents } from '../../src/telemetry/cluster-events.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { silentLog } from '../telemetry/silent-log.ts';
import { settled } from './copies.ts';

test('repairs are told every ten seconds, all of them together, and only when there are any', async () => {
  const clock = new HandClock();
  const counters = new Counters();
  counters.add('records_healed_total', 7); // in a former life
  const events = new ClusterEvents({ life: 'life', wallMs: () => clock.wallMs() });
  const told: unknown[] = [];
  events.listen(undefined, ({ event }) => told.push(event));
  const random = { fraction: () => 0.5, bytes: () => new Uint8Array() };
  const report = new RepairReport({ counters, events, clock, random, log: silentLog });
  const tenSeconds = async () => {
    clock.advance(10_000);
    await settled();
  };
  await tenSeconds();
  expect(told).toEqual([]);
  counters.add('records_damaged_total', 3);
  counters.add('records_missing_total');
  await tenSeconds();
  await tenSeconds();
  counters.add('records_healed_total', 4);
  await tenSeconds();
  expect(told).toEqual([
    { type: 'repair.progress', damaged: 3, missing: 1, healed: 7 },
    { type: 'repair.progress', damaged: 3, missing: 1, healed: 11 },
  ]);
  await report.stop();
  expect(clock.timers).toBe(0);
});
