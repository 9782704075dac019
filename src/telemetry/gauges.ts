/** What can be read off at any moment, by name: how much is held or under way. */
export type GaugeName =
  | 'replica_applies'
  | 'replica_queued_keys'
  | 'replica_unsynced_keys'
  | 'replica_writes_served'
  | 'replica_refusals_kept'
  | 'replica_changes_under_way'
  | 'coordinator_repairs'
  | 'transfers_served'
  /** 1 while too many members are dead at once to replace any, else 0. */
  | 'replacement_frozen';

/** The sizes of a node's maps and queues: each has a bound, and what is under way drains to zero. */
export class Gauges {
  readonly #gauges: readonly (readonly [GaugeName, () => number])[];

  constructor(gauges: Readonly<Record<GaugeName, () => number>>) {
    this.#gauges = Object.entries(gauges) as [GaugeName, () => number][];
  }

  read(take: (name: GaugeName, size: number) => void): void {
    for (const [name, size] of this.#gauges) take(name, size());
  }
}
