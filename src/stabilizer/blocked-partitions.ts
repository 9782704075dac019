import type { NodeId, Partition } from '../ids.ts';
import { statusesOf } from '../membership/member-statuses.ts';
import { partitionsWithoutEnoughSound } from '../ring/next-ring.ts';
import type { Ring } from '../ring/ring.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';

/** The members are asked this often in a grace period: seldom, because all of them ask all. */
const ASKED_PER_GRACE = 4;

/**
 * Partitions of a joint ring that nobody can pull as it asks for: too few of their old replicas are there and
 * sound. Each member says of itself which of its copies have been damaged for long (`unsound-copies.ts`).
 */
export class BlockedPartitions {
  readonly #transport: Pick<Transport, 'call'>;
  readonly #clock: Clock;
  /** When they are to be asked next, monotonic. */
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly transport: Pick<Transport, 'call'>; readonly clock: Clock }) {
    this.#transport = options.transport;
    this.#clock = options.clock;
  }

  /** Without `missing`, who are not asked. Empty when it is not time to ask. */
  async of(ring: Ring, missing: ReadonlySet<NodeId>): Promise<readonly Partition[]> {
    const nowMs = this.#clock.monotonicMs();
    if (ring.next === undefined || nowMs < this.#dueMs) return [];
    this.#dueMs = nowMs + ring.graceMs / ASKED_PER_GRACE;
    const asked = ring.members.map(({ id }) => id).filter((id) => !missing.has(id));
    const said = await statusesOf(asked, this.#transport, this.#clock);
    const unsound = new Map([...said].map(([id, status]) => [id, new Set(status.unsound)]));
    return partitionsWithoutEnoughSound(ring, missing, unsound);
  }
}
