import type { Ring } from '../../src/ring/ring.ts';
import { Absences } from './absences.ts';
import { convergence } from './convergence.ts';
import { DecisionSplits } from './decision-splits.ts';
import { Faults } from './faults.ts';
import type { Flaw, Judge } from './flaw.ts';
import { ForcedRings } from './forced-rings.ts';
import { NOTHING_OMITTED, type Omissions, type RunFault } from './omissions.ts';
import { rest } from './rest.ts';
import { RingChanges } from './ring-changes.ts';
import { RingWatch } from './ring-watch.ts';
import { drawSettings, type RunSettings } from './run-settings.ts';
import { Scheduler } from './scheduler.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedCluster, type SimulatedNode } from './simulated-cluster.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { Trace } from './trace.ts';
import { Verdict } from './verdict.ts';
import { Workload } from './workload.ts';

/** How long each part of a run may take, in virtual time. */
const READY_WITHIN_MS = 60_000;
const END_WITHIN_MS = 10_000;
const RECOVERY_WITHIN_MS = 60_000;
/** Dead members are replaced, transitions end, promises of silence lapse: all of them after graces. */
const RECOVERY_WITHIN_GRACES = 10;
/** Nodes that come back after the copies were compared: then they are compared again. */
const MOST_RETURNS = 3;

export interface SettingsInForce extends Omit<RunSettings, 'clients'> {
  readonly clients: readonly number[];
  readonly faults: readonly RunFault[];
}

export interface SeedResult {
  /** What the seed stood for, without what was left out. */
  readonly settings: SettingsInForce;
  /** Over all that happened before the judges asked questions of their own: the same for every run of a seed. */
  readonly hash: string;
  readonly events: number;
  readonly simulatedMs: number;
  /** Operations of the clients, while faults strike; one that nobody answered has failed. */
  readonly succeeded: number;
  readonly failed: number;
  /** How often each kind of fault did something. */
  readonly faults: ReadonlyMap<RunFault, number>;
  readonly flaws: readonly Flaw[];
}

/** Where a run takes place. */
export interface Stage {
  readonly cluster: SimulatedCluster;
  readonly scheduler: Scheduler;
  readonly rings: RingWatch;
}

/** What happens in a run, besides the faults and changes that its seed draws. */
export interface Plot {
  /** Whether something may come about yet that was asked for. */
  readonly underWay: boolean;
  /** Whether clients send requests to it. */
  serves(node: SimulatedNode): boolean;
  start(): void;
  heal(): void;
}

export interface RunOptions {
  /** Takes the place of what the seed draws. */
  readonly settings?: Partial<RunSettings>;
  readonly omissions?: Omissions;
  readonly plot?: (stage: Stage) => Plot;
  /** Judges the history in place of the checkers. */
  readonly judge?: Judge;
  /** False: nobody looks on, and there are no flaws but those of progress; the hash is what is wanted. */
  readonly judged?: boolean;
  /** Takes down what happens; by default one that keeps the last few lines. */
  readonly trace?: Trace;
}

/** One simulated cluster from start to end: everything about it follows from `seed` and the options. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<SeedResult> {
  const { omissions = NOTHING_OMITTED, trace = new Trace(), judged = true } = options;
  const settings = without(omissions, { ...drawSettings(seed), ...options.settings });
  const scheduler = new Scheduler();
  const network = new SimulatedNetwork({
    scheduler,
    random: new SeededRandom(seed, 'network'),
    trace,
    settings: {
      minDelayMs: 0.1,
      maxDelayMs: settings.maxDelayMs,
      loss: settings.loss,
      duplication: settings.duplication,
    },
  });
  const { contract, graceMs, newcomers } = settings;
  const cluster = new SimulatedCluster({
    seed,
    scheduler,
    network,
    trace,
    settings,
  });
  const rings = new RingWatch(scheduler);
  rings.watch(cluster);

  const starts = new SeededRandom(seed, 'starts');
  for (const node of cluster.nodes)
    scheduler.after(starts.fraction() * 500, () => cluster.start(node));
  await scheduler.run(READY_WITHIN_MS, () => cluster.ready);
  const plot = options.plot?.({ cluster, scheduler, rings });
  const workload = new Workload({
    cluster,
    scheduler,
    seed,
    trace,
    settings: {
      ...settings,
      untilMs: scheduler.nowMs + settings.workloadMs,
      serves: (node) => plot?.serves(node) !== false,
    },
  });
  const { history } = workload;
  const { level, replicationFactor } = settings;
  const watched = { cluster, network, rings, scheduler, history, level, replicationFactor };
  const verdict = judged ? new Verdict(watched) : undefined;
  const absences = new Absences(contract, () => rings.newest);
  const striking = {
    ...{ cluster, network, scheduler, rings, absences, trace },
    without: omissions.faults,
    untilMs: scheduler.nowMs + (omissions.untilMs ?? Infinity),
  };
  const faults = new Faults({
    ...striking,
    random: new SeededRandom(seed, 'faults'),
    mayRot: settings.rots,
  });
  const changes = new RingChanges({
    ...striking,
    random: new SeededRandom(seed, 'changes of the ring'),
    ...{ contract, graceMs, newcomers },
    // With fewer copies than three a damaged one may be the only one.
    factors: settings.rots ? [3, 4, 5] : [1, 1, 2, 3, 5],
  });

  const forced = new ForcedRings({
    ...striking,
    contract,
    random: new SeededRandom(seed, 'forced rings'),
  });
  const splits = new DecisionSplits({
    ...striking,
    ...{ graceMs, isDrawn: settings.splitsAtDecision },
    random: new SeededRandom(seed, 'splits at decisions'),
  });
  const struck = [faults, changes, forced, splits];
  const flaws: Flaw[] = [];
  let hash: string | undefined;
  const result = (): SeedResult => ({
    settings: { ...settings, faults: struck.flatMap(({ active }): readonly RunFault[] => active) },
    hash: hash ?? trace.hash,
    events: scheduler.ran,
    simulatedMs: scheduler.nowMs,
    ...workload.tally,
    faults: new Map<RunFault, number>([
      ...struck.flatMap(({ fired }): [RunFault, number][] => [...fired]),
      ...network.fired,
    ]),
    flaws,
  });
  const failed = (sentence: string): SeedResult => {
    flaws.push({ checker: 'progress', sentence });
    return result();
  };

  let compared: Ring | undefined;
  const apartAfter = async (obstacle: string | undefined): Promise<string[]> => {
    compared = rings.newest;
    const keys = [...history.byKey().keys()];
    const differences = await convergence({ cluster, scheduler, rings, keys });
    return obstacle === undefined ? differences : [`not at rest: ${obstacle}`, ...differences];
  };

  if (!cluster.ready) return failed(`no cluster yet: ${cluster.obstacles}`);
  workload.start();
  faults.start();
  changes.start();
  forced.start();
  splits.start();
  plot?.start();
  await scheduler.run(
    scheduler.nowMs + settings.workloadMs + END_WITHIN_MS,
    () => !workload.working,
  );
  if (workload.working) return failed('a client was never answered');

  changes.heal();
  forced.heal();
  splits.heal();
  plot?.heal();
  const isDead = ({ name }: SimulatedNode): boolean => {
    const id = rings.idOf(name);
    return id !== undefined && absences.isDead(id);
  };
  faults.heal((node) => forced.givesUp && isDead(node));
  network.settings = { ...network.settings, loss: 0, duplication: 0 };
  const withinMs =
    RECOVERY_WITHIN_MS + RECOVERY_WITHIN_GRACES * (contract === 'still' ? 0 : graceMs);
  await scheduler.run(scheduler.nowMs + withinMs, () => !forced.givesUp);
  faults.reviveAll();
  const operators = {
    get underWay() {
      return changes.underWay || forced.underWay || plot?.underWay === true;
    },
  };
  const restFrom = { cluster, scheduler, rings, changes: operators, withinMs };
  const obstacle = await rest(restFrom);
  if (!cluster.ready && obstacle !== undefined && contract === 'still')
    return failed(`not ready again: ${cluster.obstacles}`);

  hash = trace.hash;
  if (verdict === undefined) return result();
  let apart = await apartAfter(obstacle);
  // One that was cut off while it was sent away comes back as another whenever it hears of it.
  for (let again = 0; again < MOST_RETURNS && rings.newest !== compared; again++)
    apart = await apartAfter(await rest(restFrom));
  // Records are never taken away; a scrub that misses one raises a false alarm.
  const misses = faults.fired.has('swapped_records') ? 0 : cluster.recordsMissing;
  if (misses > 0) apart.push(`a scrub missed ${misses} records, and none was lost`);
  const fired = new Set(struck.flatMap(({ fired }): RunFault[] => [...fired.keys()]));
  const begun = new Set([...changes.begun, ...forced.begun, ...splits.begun]);
  flaws.push(...(options.judge?.(history) ?? (await verdict.reach(apart, fired, begun))));
  return result();
}

function without({ faults, clients, untilMs }: Omissions, settings: RunSettings) {
  const numbers = Array.from({ length: settings.clients }, (_, number) => number);
  return {
    ...settings,
    clients: numbers.filter((number) => !clients.includes(number)),
    workloadMs: Math.min(settings.workloadMs, untilMs ?? Number.POSITIVE_INFINITY),
    loss: faults.includes('loss') ? 0 : settings.loss,
    duplication: faults.includes('duplication') ? 0 : settings.duplication,
  };
}
