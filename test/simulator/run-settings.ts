import { CONSISTENCY_LEVELS, type ConsistencyLevel } from '../../src/quorum/consistency-level.ts';
import type { Contract } from './absences.ts';
import { SeededRandom } from './seeded-random.ts';
import type { FactorGivenTo } from './simulated-cluster.ts';
import type { DiskPace } from './simulated-disk.ts';

/** Everything about a run that is drawn once, before it begins. */
export interface RunSettings {
  /** Nodes that form the cluster. */
  readonly nodes: number;
  readonly replicationFactor: number;
  readonly partitionCount: number;
  readonly level: ConsistencyLevel;
  readonly clients: number;
  readonly keys: number;
  /** Mean pause of a client between two operations, milliseconds. */
  readonly meanPauseMs: number;
  /** How long clients begin new operations. */
  readonly workloadMs: number;
  readonly maxDelayMs: number;
  /** Probability that a message is lost, and that it arrives twice. */
  readonly loss: number;
  readonly duplication: number;
  readonly diskPace: DiskPace;
  /** Whether members come, go and are replaced, and how far that goes. */
  readonly contract: Contract;
  /** Whether the disk of one node may be damaged or lost. */
  readonly rots: boolean;
  /** How long a member may be dead before it is replaced, milliseconds. */
  readonly graceMs: number;
  /** How many further nodes may join. */
  readonly newcomers: number;
  /** Who is started with the replication factor given. */
  readonly factorGivenTo: FactorGivenTo;
  /** Whether the network splits as a ring with other voters is decided. */
  readonly splitsAtDecision: boolean;
}

/** Of the runs that go beyond what was promised. */
const SPLITS_AT_DECISION = 0.55;

/** What `seed` stands for. In about half of the runs the ring changes. */
export function drawSettings(seed: number): RunSettings {
  const draw = new SeededRandom(seed, 'changes');
  const settings = drawStill(seed);
  if (draw.chance(0.5)) return settings;
  // Drawn from a stream of its own: it came later than the others.
  const given = new SeededRandom(seed, 'given factor');
  const factorGivenTo = given.pick(['founders', 'some_founders', 'nobody'] as const);
  const changing = { ...withChanges(settings, draw), factorGivenTo };
  const isDrawn = new SeededRandom(seed, 'split at a decision').chance(SPLITS_AT_DECISION);
  // More that are dead at once than two would keep the others from going on; and two are to be a majority.
  return isDrawn && changing.contract === 'beyond'
    ? { ...changing, nodes: 3, splitsAtDecision: true }
    : changing;
}

function drawStill(seed: number): RunSettings {
  const draw = new SeededRandom(seed, 'settings');
  const replicationFactor = draw.pick([1, 2, 3, 3, 5]);
  return {
    nodes: 5,
    replicationFactor,
    partitionCount: draw.pick([4, 16, 64]),
    level: draw.pick([...CONSISTENCY_LEVELS, 'quorum', 'quorum'] as const),
    clients: draw.between(2, 10),
    keys: draw.pick([1, 3, 20]),
    meanPauseMs: 20,
    workloadMs: 5_000,
    maxDelayMs: draw.pick([1, 5, 20]),
    loss: draw.pick([0, 0, 0.001, 0.02]),
    duplication: draw.pick([0, 0, 0.05]),
    diskPace: { maxReadMs: draw.pick([0.5, 5]), maxSyncMs: draw.pick([1, 10]) },
    contract: 'still',
    rots: replicationFactor >= 3,
    graceMs: 60_000, // longer than a run
    newcomers: 0,
    factorGivenTo: 'all',
    splitsAtDecision: false,
  };
}

/** Longer, with less going on in the same time; few keys in few partitions, which move all the time. */
function withChanges(settings: RunSettings, draw: SeededRandom): RunSettings {
  const contract = draw.chance(0.3) ? 'beyond' : 'promised';
  const replicationFactor = draw.pick([1, 2, 3, 3, 3, 5]);
  const changing: RunSettings = {
    ...settings,
    contract,
    rots: contract === 'promised' && replicationFactor >= 3 && draw.chance(0.5),
    graceMs: draw.between(1_500, 4_000),
    newcomers: draw.between(0, 4),
    nodes: draw.between(3, 5),
    replicationFactor,
    partitionCount: draw.pick([4, 8, 16]),
    level: draw.pick(['one', 'all', 'quorum', 'quorum', 'quorum', 'quorum'] as const),
    clients: draw.between(2, 5),
    keys: draw.pick([1, 2, 4]),
    meanPauseMs: draw.pick([50, 100]),
    workloadMs: 12_000,
  };
  return contract === 'beyond' ? withSurvivors(changing, draw) : changing;
}

/** Members enough that two may go and a majority stays; of three replicas one survives. It takes its time. */
function withSurvivors(settings: RunSettings, draw: SeededRandom): RunSettings {
  const graceMs = draw.between(1_000, 1_500);
  const cluster = { nodes: 5, replicationFactor: 3, graceMs };
  return { ...settings, ...cluster, workloadMs: 18_000, meanPauseMs: 100 };
}
