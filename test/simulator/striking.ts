import type { Absences } from './absences.ts';
import type { RingWatch } from './ring-watch.ts';
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { Trace } from './trace.ts';

/** What everything that strikes a run works with: faults, changes of the ring, an operator's force. */
export interface Striking {
  readonly cluster: SimulatedCluster;
  readonly scheduler: Scheduler;
  readonly rings: RingWatch;
  readonly absences: Absences;
  readonly random: SeededRandom;
  readonly trace: Trace;
  /** Kinds that never strike, though the seed may have drawn them. */
  readonly without: readonly string[];
  /** Nothing begins later. */
  readonly untilMs: number;
}
