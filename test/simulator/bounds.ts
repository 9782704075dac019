import type { GaugeName } from '../../src/telemetry/gauges.ts';
import { Findings, type Flaw } from './flaw.ts';

/** What a node, or the network, holds of something. */
export type Size = GaugeName | 'timers' | 'exchanges with one peer';

/**
 * The most that ten clients, each with one request under way, may pile up, with a disk a hundred times
 * slower than usual. A queue that only grows is seen long before the product's own limits are.
 */
const MOST: Readonly<Record<Size, number>> = {
  replica_applies: 1_000,
  replica_queued_keys: 40,
  replica_unsynced_keys: 40,
  replica_writes_served: 1_000,
  replica_refusals_kept: 4_096,
  replica_changes_under_way: 1_000,
  coordinator_repairs: 40,
  transfers_served: 8,
  replacement_frozen: 1,
  timers: 4_000,
  'exchanges with one peer': 1_000,
};

/** What is left when nobody asks for anything: refusals are remembered, and loops have their timers. */
const LEFT: Readonly<Record<Size, number>> = {
  replica_applies: 0,
  replica_queued_keys: 0,
  replica_unsynced_keys: 0,
  replica_writes_served: 0,
  replica_refusals_kept: 4_096,
  replica_changes_under_way: 0,
  coordinator_repairs: 0,
  transfers_served: 0,
  replacement_frozen: 0,
  timers: 24,
  'exchanges with one peer': 4,
};

/** Whether everything that could pile up stays small, and is gone when the work is done. */
export class Bounds {
  readonly #findings = new Findings('bounds');
  /** One sentence for each node and size is enough. */
  readonly #told = new Set<string>();

  during(node: string, name: Size, size: number): void {
    if (size > MOST[name])
      this.#tell(node, name, `${size} ${name} on ${node}, at most ${MOST[name]} are sound`);
  }

  atRest(node: string, name: Size, size: number): void {
    if (size > LEFT[name])
      this.#tell(node, name, `${size} ${name} on ${node} when all work was done`);
  }

  get flaws(): readonly Flaw[] {
    return this.#findings.flaws;
  }

  #tell(node: string, name: Size, sentence: string): void {
    const what = `${node} ${name}`;
    if (this.#told.has(what)) return;
    this.#told.add(what);
    this.#findings.add(sentence);
  }
}
