/**
 * What became of acknowledged writes: each is on enough disks at the moment of its answer, as is what a
 * read returns, and at the end it is there or something newer is. Deleted stays deleted.
 */
import type { NodeId } from '../../src/ids.ts';
import type { ConsistencyLevel } from '../../src/quorum/consistency-level.ts';
import type { ReplicaSet } from '../../src/ring/replica-set.ts';
import type { Version } from '../../src/version/version.ts';
import type { DiskRecord } from './disk-record.ts';
import type { DiskWatch } from './disk-watch.ts';
import { Findings, type Flaw } from './flaw.ts';
import { describe, type Operation } from './history.ts';

/** The replica sets of a key under one ring: two while it is joint. */
export type Sets = readonly ReplicaSet[];

export class Acknowledgements {
  readonly #findings = new Findings('acknowledged-kept');
  readonly #disks: DiskWatch;
  readonly #level: ConsistencyLevel;
  /** By key: the highest version that a put was acknowledged with. */
  readonly #newest = new Map<string, Version>();
  /** The same of what was acknowledged since survivors went on without others, if they did. */
  readonly #newestLeft = new Map<string, Version>();
  /** The same as of the start of each operation that is under way. */
  readonly #newestAtStart = new Map<Operation, Version | undefined>();

  constructor(disks: DiskWatch, level: ConsistencyLevel) {
    this.#disks = disks;
    this.#level = level;
  }

  /** By key: the highest version that a put was acknowledged with so far. */
  get newest(): ReadonlyMap<string, Version> {
    return new Map(this.#newest);
  }

  begun(operation: Operation): void {
    if (operation.action.kind === 'delete')
      this.#newestAtStart.set(operation, this.#newestLeft.get(operation.key));
  }

  /**
   * Survivors of the replicas of `key` go on: what was acknowledged before may be unknown to them, and
   * newer, by a clock that was ahead, than what they write.
   */
  recovers(key: string): void {
    this.#newestLeft.delete(key);
  }

  /**
   * To be called in the very moment in which the operation was answered. `rings`: the replica sets of its
   * key under each ring that its coordinator held meanwhile, and under the one in force now; those of one of
   * them have to have it.
   */
  ended(operation: Operation, rings: readonly Sets[]): void {
    const { action, key, result } = operation;
    if (result.is !== 'ok') return;
    if (action.kind === 'get') {
      // Nobody who asks later may miss it: a read brings what it returns to a quorum first.
      if (result.version !== undefined && this.#level !== 'one')
        this.#require(operation, rings, this.#disks.holders(key, result.version));
      return;
    }
    if (action.kind === 'put' && result.version !== undefined) {
      for (const known of [this.#newest, this.#newestLeft]) {
        const newest = known.get(key);
        if (newest === undefined || result.version > newest) known.set(key, result.version);
      }
      this.#require(operation, rings, this.#disks.holders(key, result.version));
    }
    // A tombstone's version is not told; it is above all that was acknowledged when its delete began.
    if (result.found === true && this.#level !== 'one')
      this.#require(
        operation,
        rings,
        this.#disks.holdersBeyond(key, this.#newestAtStart.get(operation)),
      );
  }

  /**
   * `final`: the newest record of each key, over all disks. `mayLose`: the only copy of a write at level
   * `one` may have been damaged, or gone with its node. `isBack`: survivors went on without what others
   * knew of the key, and those came back: a delete that found nothing there has deleted nothing.
   */
  atTheEnd(
    history: ReadonlyMap<string, readonly Operation[]>,
    final: ReadonlyMap<string, DiskRecord>,
    { mayLose, isBack }: { readonly mayLose: boolean; readonly isBack: (key: string) => boolean },
  ): readonly Flaw[] {
    const atOne = this.#level === 'one';
    for (const [key, version] of atOne && mayLose ? [] : this.#newest) {
      const held = final.get(key);
      if (held === undefined || held.version < version)
        this.#findings.add(
          `${key} was acknowledged with ${version}, and ends with ${held?.version ?? 'nothing'}`,
        );
    }
    for (const [key, { value }] of atOne ? [] : final) {
      const told = history.get(key) ?? [];
      const counting = isBack(key) ? told.filter(({ result }) => !foundNothing(result)) : told;
      const revived = value === undefined ? undefined : deletedSince(value, counting);
      if (revived !== undefined)
        this.#findings.add(`${key} ends with ${value}, which ${describe(revived)} had deleted`);
    }
    return this.#findings.flaws;
  }

  #require(operation: Operation, rings: readonly Sets[], holders: ReadonlySet<NodeId>): void {
    const { kind } = operation.action;
    if (rings.some((sets) => this.#isEnough(sets, holders, kind))) return;
    this.#findings.add(
      `${describe(operation)} was answered with ${holders.size} replicas that have it on disk, not enough of ` +
        rings.map((sets) => sets.map((set) => set.length).join(' and ')).join(', or '),
    );
  }

  #isEnough(sets: Sets, holders: ReadonlySet<NodeId>, kind: Operation['action']['kind']): boolean {
    const held = sets.map((set) => set.filter((id) => holders.has(id)).length);
    if (this.#level === 'one') return held.some((count) => count > 0);
    return sets.every(({ length }, index) => {
      const majority = Math.floor(length / 2) + 1;
      const required = this.#level === 'all' && kind !== 'get' ? length : majority;
      return (held[index] ?? 0) >= required;
    });
  }
}

function foundNothing(result: Operation['result']): boolean {
  return result.is === 'ok' && result.found === false;
}

/** A delete that was acknowledged, and began after `value` was known to be in the register. */
function deletedSince(value: string, operations: readonly Operation[]): Operation | undefined {
  const known = operations.flatMap(({ action, result, endMs }) => {
    if (result.is !== 'ok' || endMs === undefined) return [];
    const shown = action.kind === 'put' ? action.value : result.value;
    return shown === value ? [endMs] : [];
  });
  const sinceMs = Math.min(...known);
  return operations.find(
    ({ action, result, startMs }) =>
      action.kind === 'delete' && result.is === 'ok' && startMs > sinceMs,
  );
}
