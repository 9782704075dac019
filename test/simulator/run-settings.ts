import { CONSISTENCY_LEVELS, type ConsistencyLevel } from '../../src/quorum/consistency-level.ts';
import { SeededRandom } from './seeded-random.ts';
import type { DiskPace } from './simulated-disk.ts';

/** Everything about a run that is drawn once, before it begins. */
export interface RunSettings {
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
}

/** What `seed` stands for. */
export function drawSettings(seed: number): RunSettings {
  const draw = new SeededRandom(seed, 'settings');
  return {
    nodes: 5,
    replicationFactor: draw.pick([1, 2, 3, 3, 5]),
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
  };
}
