/** What is counted, by name. A name is `<what>_total`. */
export type CounterName =
  | 'aside_records_damaged_total'
  | 'aside_records_offered_total'
  | 'aside_records_taken_total'
  | 'client_requests_shed_total'
  | 'peer_frames_refused_total'
  | 'peer_handshakes_refused_total'
  | 'peer_requests_expired_total'
  | 'peer_requests_shed_total'
  | 'records_damaged_total'
  | 'records_healed_total'
  | 'records_missing_total'
  | 'records_conflicting_total'
  | 'read_repairs_total'
  | 'repairs_put_off_total'
  /** Partitions that went on with fewer replicas than it takes to know of every acknowledged write. */
  | 'partitions_on_survivors_total'
  | 'partitions_pulled_total'
  | 'surplus_partitions_removed_total'
  | 'surplus_records_offered_total'
  /** Of records that were stored. */
  | 'transfer_bytes_total'
  /** Over the connections that this node opened for transfers, both ways, with all that frames it. */
  | 'transfer_connections_bytes_total'
  | 'transfer_records_total'
  | 'versions_too_far_ahead_total';

/** Counts that only grow while the node lives. */
export class Counters {
  readonly #counts = new Map<CounterName, number>();

  add(name: CounterName, count = 1): void {
    this.#counts.set(name, this.get(name) + count);
  }

  get(name: CounterName): number {
    return this.#counts.get(name) ?? 0;
  }
}
