import type { Version } from '../../src/version/version.ts';
import { type DiskRecord, diskRecord, generationMade, keyAt } from './disk-record.ts';
import { Findings, type Flaw } from './flaw.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

/**
 * Looks on as batches become durable, on every disk: whether a version goes back, whether a version
 * stands for two records, and what has been on which disk, for those who judge acknowledgements.
 */
export class DiskWatch {
  readonly #goingBack = new Findings('no-going-back');
  readonly #versions = new Findings('versions');
  /** By key, then by node: the highest version that was ever synced there. */
  readonly #synced = new Map<string, Map<string, Version>>();
  readonly #records = new Map<Version, { readonly record: DiskRecord; readonly bytes: Buffer }>();
  /** By value: the key under which it was on some disk. */
  readonly #values = new Map<string, string>();
  readonly #lives = new VersionsByLife();

  watch(node: string, disk: SimulatedDisk): void {
    let current = 1;
    disk.onDurable = (change, before) => {
      current = generationMade(change) ?? current;
      const key = keyAt(change.key);
      if (key === undefined) return;
      if (change.key[0] !== current) {
        if (change.type === 'put')
          this.#goingBack.add(`${node} wrote ${key} where what was set aside lies`);
        return; // from there records go when they were offered
      }
      const held = before && diskRecord(change.key, before);
      if (change.type === 'put') this.write(node, change.key, change.value, held);
      else if (held !== undefined)
        this.#goingBack.add(`the sound record of ${key} was removed from ${node}`);
    };
  }

  /** Takes a record that was just synced in the place of `held`. */
  write(node: string, place: Uint8Array, bytes: Uint8Array, held: DiskRecord | undefined): void {
    const record = diskRecord(place, bytes);
    if (record === undefined) {
      this.#goingBack.add(`${node} wrote a damaged record of ${keyAt(place)}`);
      return;
    }
    const { key, version, value } = record;
    if (held !== undefined && version < held.version) {
      this.#goingBack.add(`${key} on ${node} went back from ${held.version} to ${version}`);
    }
    this.#note(record, bytes);
    if (value !== undefined) this.#values.set(value, key);
    const nodes = this.#synced.get(key) ?? new Map<string, Version>();
    this.#synced.set(key, nodes);
    const highest = nodes.get(node);
    if (highest === undefined || version > highest) nodes.set(node, version);
  }

  /** How many disks have held that version of `key` or a newer one. */
  disksThatHeld(key: string, version: Version): number {
    let disks = 0;
    for (const highest of this.#synced.get(key)?.values() ?? []) if (highest >= version) disks += 1;
    return disks;
  }

  /** How many disks have held something newer than `version` of `key`; than nothing, if absent. */
  disksBeyond(key: string, version: Version | undefined): number {
    let disks = 0;
    for (const highest of this.#synced.get(key)?.values() ?? [])
      if (version === undefined || highest > version) disks += 1;
    return disks;
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
