/**
 * A split in the worst moment: a ring with other voters was decided just now, one node has it on its disk
 * and has told nobody. So many of those who voted on it, and do not know, are cut off that they are a majority
 * by the ring before, while the others are one by the new ring, and go on without them. No timetable would
 * meet that moment. Two nodes join at once to bring it about. Drawn apart from the other changes, so that
 * it shifts none of them.
 */
import type { NodeId } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';
import type { Absences } from './absences.ts';
import { DETECTION_MS, SURVIVORS_GO_ON_GRACES } from './ring-changes.ts';
import type { RingWatch } from './ring-watch.ts';
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { Striking } from './striking.ts';
import type { Trace } from './trace.ts';

export const DECISION_SPLIT = 'split_at_decision';
const JOINING = 2;
const LATEST_JOIN_MS = 3_000;

export class DecisionSplits {
  /** How often a split came to its end. */
  readonly fired = new Map<typeof DECISION_SPLIT, number>();
  readonly begun = new Set<typeof DECISION_SPLIT>();
  readonly #cluster: SimulatedCluster;
  readonly #network: SimulatedNetwork;
  readonly #scheduler: Scheduler;
  readonly #rings: RingWatch;
  readonly #absences: Absences;
  readonly #random: SeededRandom;
  readonly #trace: Trace;
  readonly #graceMs: number;
  readonly #isActive: boolean;
  readonly #untilMs: number;
  #over = false;

  constructor(
    options: Striking & {
      readonly network: SimulatedNetwork;
      readonly isDrawn: boolean;
      readonly graceMs: number;
    },
  ) {
    this.#cluster = options.cluster;
    this.#network = options.network;
    this.#scheduler = options.scheduler;
    this.#rings = options.rings;
    this.#absences = options.absences;
    this.#random = options.random;
    this.#trace = options.trace;
    this.#graceMs = options.graceMs;
    this.#untilMs = options.untilMs;
    this.#isActive = options.isDrawn && !options.without.includes(DECISION_SPLIT);
  }

  get active(): readonly (typeof DECISION_SPLIT)[] {
    return this.#isActive ? [DECISION_SPLIT] : [];
  }

  start(): void {
    if (!this.#isActive) return;
    this.#rings.whenDecided((ring, before) => this.#decided(ring, before));
    this.#scheduler.after(this.#random.fraction() * LATEST_JOIN_MS, () => {
      if (this.#over || this.#scheduler.nowMs > this.#untilMs) return;
      for (let joining = 0; joining < JOINING; joining++)
        this.#cluster.start(this.#cluster.add(`node${this.#cluster.nodes.length + 1}`));
    });
  }

  /** Nothing begins any more, and who is cut off comes back. */
  heal(): void {
    this.#over = true;
    this.#network.island = new Set();
  }

  #decided(ring: Ring, before: Ring | undefined): void {
    if (this.#over || this.#scheduler.nowMs > this.#untilMs) return;
    if (before === undefined || votersOf(before) === votersOf(ring)) return;
    if (this.#network.island.size > 0) return;
    const { ids, names } = this.#victims(ring, before);
    if (2 * ids.length <= before.voters.length) return;
    this.#absences.begin('cut_off', ids);
    this.begun.add(DECISION_SPLIT);
    this.#trace.line(this.#scheduler.nowMs, `FAULT ${DECISION_SPLIT} ${names.join(' ')}`);
    const island = new Set(names);
    this.#network.island = island;
    const graces = SURVIVORS_GO_ON_GRACES + 2 * this.#random.fraction();
    this.#scheduler.after(DETECTION_MS + graces * this.#graceMs, () => {
      if (this.#over || this.#network.island !== island) return;
      this.fired.set(DECISION_SPLIT, (this.fired.get(DECISION_SPLIT) ?? 0) + 1);
      this.#network.island = new Set();
      this.#absences.end(ids);
    });
  }

  /** As many as may go, in any order, of those who voted and do not hold the ring. */
  #victims(ring: Ring, { voters }: Ring): { readonly ids: NodeId[]; readonly names: string[] } {
    const ids: NodeId[] = [];
    const names: string[] = [];
    const order = new Map(this.#cluster.nodes.map((node) => [node, this.#random.fraction()]));
    const inOrder = [...order].sort(([, a], [, b]) => a - b).map(([node]) => node);
    for (const { name, life } of inOrder) {
      const id = this.#rings.idOf(name);
      const isVoter = voters.some((voter) => voter.id === id);
      if (id === undefined || !isVoter || life.ended || this.#absences.isAway(id)) continue;
      if (this.#rings.ringsOf(name).at(-1) === ring || !this.#absences.mayGo([...ids, id]))
        continue;
      ids.push(id);
      names.push(name);
    }
    return { ids, names };
  }
}

function votersOf({ voters }: Ring): string {
  return voters.map(({ id }) => id).join();
}
