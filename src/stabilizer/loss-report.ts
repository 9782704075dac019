import type { Partition } from '../ids.ts';
import type { Membership } from '../membership/membership.ts';
import type { PartialWrites } from '../quorum/partial-writes.ts';
import { inTransition } from '../ring/pulls.ts';
import type { Ring } from '../ring/ring.ts';
import type { ClusterEvents } from '../telemetry/cluster-events.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * Says how many acknowledged writes may be lost when partitions go on with what survives of their
 * replicas: those that went through this node and of which no survivor confirmed a copy.
 */
export class LossReport {
  readonly #membership: Pick<Membership, 'ring' | 'survivorsRing'>;
  readonly #partialWrites: Pick<PartialWrites, 'takeLost' | 'forgetBelow'>;
  readonly #events: ClusterEvents;
  readonly #log: Log;
  /** The joint ring seen last, while it may still be in force. */
  #joint: Ring | undefined;

  constructor(options: {
    readonly membership: Pick<Membership, 'ring' | 'survivorsRing'>;
    readonly partialWrites: Pick<PartialWrites, 'takeLost' | 'forgetBelow'>;
    readonly events: ClusterEvents;
    readonly log: Log;
  }) {
    this.#membership = options.membership;
    this.#partialWrites = options.partialWrites;
    this.#events = options.events;
    this.#log = options.log;
  }

  look(): void {
    this.#report();
    const { ring } = this.#membership;
    if (ring?.next !== undefined) this.#joint = ring;
    else this.#forgetWhatWasPulled();
  }

  #forgetWhatWasPulled(): void {
    const joint = this.#joint;
    this.#joint = undefined;
    if (joint === undefined) return;
    for (let partition = 0; partition < joint.partitionCount; partition++) {
      if (inTransition(joint, partition as Partition))
        this.#partialWrites.forgetBelow(partition as Partition, joint.epoch);
    }
  }

  /** Of the last survivors' ring, which may be over already. */
  #report(): void {
    const ring = this.#membership.survivorsRing;
    if (ring === undefined) return;
    let writes = 0;
    for (const partition of ring.recovering) {
      const survivors = ring.assignment[partition] ?? [];
      writes += this.#partialWrites.takeLost(partition, ring.epoch, survivors);
    }
    if (writes === 0) return;
    this.#events.tell({ type: 'writes.missing', epoch: ring.epoch, writes });
    this.#log.error(
      'acknowledged writes are missing of which no survivor confirmed a copy; start the missing nodes with their old disks to get them back',
      { writes },
    );
  }
}
