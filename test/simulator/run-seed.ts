import { CONSISTENCY_LEVELS } from '../../src/quorum/consistency-level.ts';
import { convergence } from './convergence.ts';
import { type FaultKind, Faults } from './faults.ts';
import type { History } from './history.ts';
import { isLinearizable } from './linearizability.ts';
import { registerFlaw } from './register-checker.ts';
import { Scheduler } from './scheduler.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { Trace } from './trace.ts';
import { Workload } from './workload.ts';

/** How long each part of a run may take, in virtual time. */
const READY_WITHIN_MS = 60_000;
const WORKLOAD_MS = 5_000;
const END_WITHIN_MS = 10_000;
const RECOVERY_WITHIN_MS = 60_000;

export interface SeedResult {
  readonly seed: number;
  /** Over everything that happened: the same for every run of a seed. */
  readonly hash: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly succeeded: number;
  readonly failed: number;
  /** How often each kind of fault struck. */
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** What broke the promise of an atomic register, a sentence each. */
  readonly flaws: readonly string[];
  readonly trace: readonly string[];
}

/** One simulated cluster from start to end: everything about it follows from `seed`. */
export async function runSeed(seed: number, keepLines = 200): Promise<SeedResult> {
  const draw = new SeededRandom(seed, 'settings');
  const scheduler = new Scheduler();
  const trace = new Trace(keepLines);
  const network = new SimulatedNetwork({
    scheduler,
    random: new SeededRandom(seed, 'network'),
    trace,
    settings: {
      minDelayMs: 0.1,
      maxDelayMs: draw.pick([1, 5, 20]),
      loss: draw.pick([0, 0, 0.001, 0.02]),
      duplication: draw.pick([0, 0, 0.05]),
    },
  });
  const replicationFactor = draw.pick([1, 2, 3, 3, 5]);
  const cluster = new SimulatedCluster({
    seed,
    scheduler,
    network,
    trace,
    settings: {
      nodes: 5,
      replicationFactor,
      partitionCount: draw.pick([4, 16, 64]),
      diskPace: { maxReadMs: draw.pick([0.5, 5]), maxSyncMs: draw.pick([1, 10]) },
    },
  });

  for (const node of cluster.nodes)
    scheduler.after(draw.fraction() * 500, () => cluster.start(node));
  await scheduler.run(READY_WITHIN_MS, () => cluster.ready);
  if (!cluster.ready) throw new Error(`seed ${seed}: no cluster within ${READY_WITHIN_MS} ms`);

  const level = draw.pick([...CONSISTENCY_LEVELS, 'quorum', 'quorum'] as const);
  const workload = new Workload({
    cluster,
    scheduler,
    random: new SeededRandom(seed, 'workload'),
    trace,
    settings: {
      clients: draw.between(2, 10),
      keys: draw.pick([1, 3, 20]),
      meanPauseMs: 20,
      level,
      untilMs: scheduler.nowMs + WORKLOAD_MS,
    },
  });
  const faults = new Faults({
    cluster,
    network,
    scheduler,
    random: new SeededRandom(seed, 'faults'),
    trace,
    replicationFactor,
  });
  workload.start();
  faults.start();
  await scheduler.run(scheduler.nowMs + WORKLOAD_MS + END_WITHIN_MS, () => !workload.working);
  if (workload.working) throw new Error(`seed ${seed}: a client was never answered`);

  faults.heal();
  network.settings = { ...network.settings, loss: 0, duplication: 0 };
  await scheduler.run(scheduler.nowMs + RECOVERY_WITHIN_MS, () => cluster.ready);
  if (!cluster.ready) throw new Error(`seed ${seed}: not ready again: ${cluster.obstacles}`);
  const keys = [...workload.history.byKey().keys()];
  const apart = await convergence({ cluster, scheduler, keys });

  // Records are never taken away; a scrub that misses one raises a false alarm.
  const misses = faults.fired.has('swapped_records') ? 0 : cluster.recordsMissing;
  if (misses > 0) apart.push(`a scrub missed ${misses} records, and none was lost`);

  return {
    seed,
    hash: trace.hash,
    events: scheduler.ran,
    simulatedMs: scheduler.nowMs,
    ...workload.tally,
    faults: faults.fired,
    // At level `one` a key is no atomic register, and nobody says that it is.
    flaws: [...(level === 'one' ? [] : flawsOf(workload.history)), ...apart],
    trace: trace.last,
  };
}

/** Two judges of each key: by versions, and by values alone. */
function flawsOf(history: History): readonly string[] {
  const flaws: string[] = [];
  for (const [key, operations] of history.byKey()) {
    const flaw = registerFlaw(operations);
    if (flaw !== undefined) flaws.push(flaw);
    if (isLinearizable(operations) === false) flaws.push(`the operations on ${key} fit no order`);
  }
  return flaws;
}
