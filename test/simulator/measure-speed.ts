/**
 * `make simulate-speed`: five quiet nodes, three replicas, clients that ask for about 100 operations a
 * second, one process. Counted is the time of the processor, so a busy machine does not matter much.
 * The exit code is 1 when it is slower than it should be.
 */
import { RUN_FAULTS } from './omissions.ts';
import { runSeed } from './run-seed.ts';
import type { RunSettings } from './run-settings.ts';
import { Trace } from './trace.ts';

const LEAST_EVENTS_PER_SECOND = 50_000;
const LEAST_SIMULATED_SECONDS_PER_SECOND = 25;

const SEEDS = [1, 2, 3, 4];
const SETTINGS: Partial<RunSettings> = {
  contract: 'still',
  graceMs: 60_000,
  nodes: 5,
  replicationFactor: 3,
  partitionCount: 64,
  level: 'quorum',
  clients: 10,
  keys: 20,
  meanPauseMs: 90, // and about 10 for the operation
  workloadMs: 30_000,
  maxDelayMs: 5,
  loss: 0,
  duplication: 0,
  diskPace: { maxReadMs: 0.5, maxSyncMs: 1 },
};
const omissions = { faults: RUN_FAULTS, clients: [], untilMs: undefined };

await measure(SEEDS.slice(0, 1)); // until the code is compiled
const { operations, events, simulatedSeconds, seconds } = await measure(SEEDS);

const workloadSeconds = (SEEDS.length * (SETTINGS.workloadMs ?? 0)) / 1_000;
const eventsPerSecond = events / seconds;
const simulatedPerSecond = simulatedSeconds / seconds;
console.log(
  `one core at ${(operations / workloadSeconds).toFixed(0)} operations/s: ` +
    `${Math.round(eventsPerSecond).toLocaleString('en')} events/s ` +
    `(at least ${LEAST_EVENTS_PER_SECOND.toLocaleString('en')}), ` +
    `${simulatedPerSecond.toFixed(0)} simulated s per s ` +
    `(at least ${LEAST_SIMULATED_SECONDS_PER_SECOND}), Node ${process.version}`,
);
const isFastEnough =
  eventsPerSecond >= LEAST_EVENTS_PER_SECOND &&
  simulatedPerSecond >= LEAST_SIMULATED_SECONDS_PER_SECOND;
process.exitCode = isFastEnough ? 0 : 1;

async function measure(seeds: readonly number[]) {
  const before = process.cpuUsage();
  let [operations, events, simulatedSeconds] = [0, 0, 0];
  for (const seed of seeds) {
    const run = await runSeed(seed, { settings: SETTINGS, omissions, trace: new Trace(0) });
    operations += run.succeeded + run.failed;
    events += run.events;
    simulatedSeconds += run.simulatedMs / 1_000;
  }
  const { user, system } = process.cpuUsage(before);
  return { operations, events, simulatedSeconds, seconds: (user + system) / 1_000_000 };
}
