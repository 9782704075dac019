/**
 * Which rings came into force on this node, told as events and as tasks that ended. It looks on: nothing
 * that is decided depends on it, and a restart forgets it.
 */
import { sameReplicas } from '../ring/replica-set.ts';
import type { Ring } from '../ring/ring.ts';
import type { ClusterEvents } from '../telemetry/cluster-events.ts';
import type { EndedTask } from './cluster-view.ts';
import { partitionsInTransition, taskOf } from './transition-status.ts';

const MAX_ENDED = 32;
/** Names of replaced members that are remembered, to know them when they return. */
const MAX_REPLACED = 1_024;

export class RingJournal {
  readonly #events: ClusterEvents;
  /** Latest last. */
  readonly #ended: EndedTask[] = [];
  readonly #replaced = new Set<string>();
  #ring: Ring | undefined;
  #survivorsRing: Ring | undefined;

  constructor(events: ClusterEvents) {
    this.#events = events;
  }

  /** The tasks whose end this node saw, latest first. */
  get ended(): readonly EndedTask[] {
    return this.#ended.toReversed();
  }

  /** The last one under which partitions went on with what survived of their replicas. */
  get survivorsRing(): Ring | undefined {
    return this.#survivorsRing;
  }

  /** Another ring is in force. The first one may be that found on disk. */
  note(ring: Ring): void {
    const before = this.#ring;
    this.#ring = ring;
    if (ring.recovering.length > 0) this.#survivorsRing = ring;
    if (before?.next !== undefined) this.#end(before, ring);
    this.#tellOfRing(ring, before);
    this.#tellOfReturns(ring, before);
  }

  #end(before: Ring, after: Ring): void {
    this.#ended.push({
      task: taskOf(before.epoch),
      epoch: before.epoch,
      partitions: partitionsInTransition(before),
      ...(isFold(before, after)
        ? { state: 'continued', continuedBy: taskOf(after.epoch) }
        : { state: 'done', continuedBy: undefined }),
    });
    if (this.#ended.length > MAX_ENDED) this.#ended.shift();
  }

  #tellOfRing(ring: Ring, before: Ring | undefined): void {
    const { epoch } = ring;
    if (before !== undefined && ring.lineage !== before.lineage) {
      const givenUp = newcomers(before, ring).toSorted();
      this.#events.tell({ type: 'ring.forced', epoch, givenUp });
      for (const name of givenUp) this.#replaced.add(name);
    }
    if (ring.next === undefined) {
      this.#events.tell({ type: 'ring.settled', epoch, members: ring.members.length });
      return;
    }
    this.#events.tell({
      type: 'ring.joint',
      epoch,
      task: taskOf(epoch),
      partitions: partitionsInTransition(ring),
      joining: newcomers(ring, before),
      leaving: ring.members.filter(({ leaving }) => leaving !== 'no').map(({ name }) => name),
    });
    const recovering = ring.recovering.length;
    if (recovering > (before?.recovering.length ?? 0)) {
      this.#events.tell({ type: 'ring.survivors', epoch, partitions: recovering });
    }
  }

  #tellOfReturns(ring: Ring, before: Ring | undefined): void {
    for (const { name, leaving } of ring.members) {
      if (leaving === 'replaced') this.#replaced.add(name);
    }
    for (const member of newcomers(ring, before)) {
      if (this.#replaced.delete(member)) this.#events.tell({ type: 'member.returned', member });
    }
    for (const oldest of this.#replaced) {
      if (this.#replaced.size <= MAX_REPLACED) return;
      this.#replaced.delete(oldest);
    }
  }
}

/** Names of the members that the ring before did not list; none of the first ring that is seen. */
function newcomers(ring: Ring, before: Ring | undefined): readonly string[] {
  if (before === undefined) return [];
  return ring.members.filter(({ id }) => before.member(id) === undefined).map(({ name }) => name);
}

/**
 * Whether the transition of `before` goes on in `after`. Rings in between may have been missed: if the
 * old sets are still the same, it has not ended since.
 */
function isFold(before: Ring, after: Ring): boolean {
  if (after.next === undefined) return false;
  if (after.lineage !== before.lineage) return true; // forced upon it
  if (after.epoch === before.epoch + 1) return true;
  return before.assignment.every((old, partition) =>
    sameReplicas(old, after.assignment[partition] ?? []),
  );
}
