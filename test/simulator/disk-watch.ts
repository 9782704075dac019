import type { NodeId } from '../../src/ids.ts';
import type { Change } from '../../src/storage/store.ts';
import type { Version } from '../../src/version/version.ts';
import { type DiskRecord, diskRecord, keyAt } from './disk-record.ts';
import { Findings, type Flaw } from './flaw.ts';

/** A node on whose disk something became durable. */
export interface Keeper {
  readonly name: string;
  /** The present one: a node with a new disk is another one. */
  readonly id: NodeId;
  /** Whether it is to keep the record. */
  readonly isReplica: boolean;
}

/**
 * Looks on as batches become durable, on every disk: whether a version goes back, whether a version
 * stands for two records, and what has been on which disk, for those who judge acknowledgements.
 */
export class DiskWatch {
  readonly #goingBack = new Findings('no-going-back');
  readonly #versions = new Findings('versions');
  /** By key, then by node: the highest version that was ever synced there. */
  readonly #synced = new Map<string, Map<NodeId, Version>>();
  readonly #records = new Map<Version, { readonly record: DiskRecord; readonly bytes: Buffer }>();
  /** By value: the key under which it was on some disk. */
  readonly #values = new Map<string, string>();
  readonly #lives = new VersionsByLife();

  /** Takes a change of a record that became durable in the place of `held`. */
  durable(by: Keeper, change: Change, held: DiskRecord | undefined): void {
    if (change.type === 'put') this.write(by, change.key, change.value, held);
    else if (held !== undefined) {
      this.#synced.get(held.key)?.delete(by.id);
      if (by.isReplica)
        this.#goingBack.add(`the sound record of ${held.key} was removed from ${by.name}`);
    }
  }

  /** Takes a record that was just synced in the place of `held`. */
  write(
    { name, id }: Omit<Keeper, 'isReplica'>,
    place: Uint8Array,
    bytes: Uint8Array,
    held: DiskRecord | undefined,
  ): void {
    const record = diskRecord(place, bytes);
    if (record === undefined) {
      this.#goingBack.add(`${name} wrote a damaged record of ${keyAt(place)}`);
      return;
    }
    const { key, version, value } = record;
    if (held !== undefined && version < held.version) {
      this.#goingBack.add(`${key} on ${name} went back from ${held.version} to ${version}`);
    }
    this.#note(record, bytes);
    if (value !== undefined) this.#values.set(value, key);
    const nodes = this.#synced.get(key) ?? new Map<NodeId, Version>();
    this.#synced.set(key, nodes);
    const highest = nodes.get(id);
    if (highest === undefined || version > highest) nodes.set(id, version);
  }

  /** Nodes on whose disks that version of `key` has been, or a newer one. */
  holders(key: string, version: Version): ReadonlySet<NodeId> {
    const holders = new Set<NodeId>();
    for (const [id, highest] of this.#synced.get(key) ?? [])
      if (highest >= version) holders.add(id);
    return holders;
  }

  /** Nodes on whose disks something newer than `version` of `key` has been; than nothing, if absent. */
  holdersBeyond(key: string, version: Version | undefined): ReadonlySet<NodeId> {
    const holders = new Set<NodeId>();
    for (const [id, highest] of this.#synced.get(key) ?? [])
      if (version === undefined || highest > version) holders.add(id);
    return holders;
  }

  wasOnDisk(value: string): boolean {
    return this.#values.has(value);
  }

  get flaws(): readonly Flaw[] {
    for (const sentence of this.#lives.flaws) this.#versions.add(sentence);
    return [...this.#goingBack.flaws, ...this.#versions.flaws];
  }

  #note(record: DiskRecord, bytes: Uint8Array): void {
    const { key, version } = record;
    const known = this.#records.get(version);
    if (known === undefined) {
      this.#records.set(version, { record, bytes: Buffer.from(bytes) });
      this.#lives.note(version);
    } else if (!known.bytes.equals(bytes)) {
      this.#versions.add(
        `${version} stands for ${known.record.key} = ${known.record.value} and for ${key} = ${record.value}`,
      );
    }
  }
}

/**
 * What each node drew, life by life. A version above one far ahead follows that one, and only there;
 * so one whose time some other node's version had first says nothing of its own node's clock.
 */
class VersionsByLife {
  /** By time: the node whose version showed it first. */
  readonly #first = new Map<string, string>();
  /** By node, then by incarnation: the lowest and the highest time and counter. */
  readonly #lives = new Map<string, Map<string, { lowest: string; highest: string }>>();

  note(version: Version): void {
    const [time = '', , node = '', incarnation = ''] = version.split('-');
    const first = this.#first.get(time);
    if (first === undefined) this.#first.set(time, node);
    else if (first !== node) return;
    const lives = this.#lives.get(node) ?? new Map<string, { lowest: string; highest: string }>();
    this.#lives.set(node, lives);
    const reading = version.slice(0, 17);
    const life = lives.get(incarnation) ?? { lowest: reading, highest: reading };
    lives.set(incarnation, life);
    if (reading < life.lowest) life.lowest = reading;
    if (reading > life.highest) life.highest = reading;
  }

  get flaws(): readonly string[] {
    const flaws: string[] = [];
    for (const [node, lives] of this.#lives) {
      let before: { readonly incarnation: string; readonly highest: string } | undefined;
      for (const incarnation of [...lives.keys()].sort()) {
        const life = lives.get(incarnation);
        if (life === undefined) continue;
        if (before !== undefined && life.lowest <= before.highest) {
          flaws.push(
            `${node} drew ${life.lowest} in life ${incarnation} after ${before.highest} in life ${before.incarnation}`,
          );
        }
        if (before === undefined || life.highest > before.highest)
          before = { incarnation, highest: life.highest };
      }
    }
    return flaws;
  }
}
