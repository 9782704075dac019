import type { Key } from '../ids.ts';
import type { Version } from '../version/version.ts';

/** Keys remembered; at the highest rate that a node can sync, longer than a write takes. */
const MAX_KEYS = 32_768;

interface Noted {
  readonly version: Version;
  readonly untilMs: number;
}

/**
 * The versions that a replica acknowledged of the keys written last, each until the deadline of its
 * request. Until then the write may be on its way to the other replicas: should its record turn out
 * damaged within that moment, what the others hold together is older, and may not replace it.
 */
export class RecentVersions {
  /** In the order in which they were noted. */
  readonly #noted = new Map<Key, Noted>();

  /** `nowMs` and `untilMs` are monotonic. */
  note(key: Key, version: Version, untilMs: number, nowMs: number): void {
    const before = this.of(key, nowMs);
    if (before !== undefined && before > version) return;
    this.#noted.delete(key);
    this.#noted.set(key, { version, untilMs });
    for (const [oldest, noted] of this.#noted) {
      if (noted.untilMs > nowMs && this.#noted.size <= MAX_KEYS) return;
      this.#noted.delete(oldest);
    }
  }

  /** The version of `key` that is still to be kept to, if there is one. */
  of(key: Key, nowMs: number): Version | undefined {
    const noted = this.#noted.get(key);
    return noted !== undefined && noted.untilMs > nowMs ? noted.version : undefined;
  }
}
