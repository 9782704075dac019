import type { Key } from '../ids.ts';
import type { Version } from '../version/version.ts';

/** Keys remembered, some dozen megabytes. */
const MAX_KEYS = 131_072;
/**
 * How often what is over is let go, milliseconds. Not with each version: a key that is noted again leaves a gap in
 * front of the map, and whoever looks for the oldest key steps over all gaps since the map was last laid out
 * anew, thousands of them.
 */
const SWEEP_EVERY_MS = 100;
/** The part of a full memory that makes room at once, for the same reason. */
const ROOM_AT_ONCE = 1 / 128;

interface Noted {
  readonly version: Version;
  readonly untilMs: number;
}

/**
 * The versions of which a replica told lately that it holds them, each with the deadline of the request. Until
 * then the record may be on its way to the other replicas: whoever asked them before that may not have met it,
 * and what they held together then may be older.
 */
export class RecentVersions {
  /** How long a version is remembered beyond its deadline, milliseconds. */
  readonly #keepMs: number;
  readonly #maxKeys: number;
  /** In the order in which they were noted. */
  readonly #noted = new Map<Key, Noted>();
  /** The latest deadline of those that there was no room for. */
  #forgottenUntilMs = Number.NEGATIVE_INFINITY;
  #sweepAtMs = Number.NEGATIVE_INFINITY;

  constructor(keepMs: number, maxKeys = MAX_KEYS) {
    this.#keepMs = keepMs;
    this.#maxKeys = maxKeys;
  }

  /** Keys remembered. */
  get size(): number {
    return this.#noted.size;
  }

  /** `nowMs` and `untilMs` are monotonic. */
  note(key: Key, version: Version, untilMs: number, nowMs: number): void {
    const before = this.#noted.get(key);
    this.#noted.delete(key);
    this.#noted.set(
      key,
      before === undefined ? { version, untilMs } : both(before, version, untilMs),
    );
    if (nowMs >= this.#sweepAtMs || this.#noted.size > this.#maxKeys) this.#sweep(nowMs);
  }

  /**
   * Whether `version` (absent: nothing), found with the others who were asked at `askedMs` or later, is as new
   * as all that was told here. When some had to be forgotten, only those asked late enough count.
   */
  isMetBy(key: Key, version: Version | undefined, askedMs: number): boolean {
    const noted = this.#noted.get(key);
    if (noted === undefined || noted.untilMs <= askedMs) return this.#forgottenUntilMs <= askedMs;
    return version !== undefined && version >= noted.version;
  }

  #sweep(nowMs: number): void {
    this.#sweepAtMs = nowMs + SWEEP_EVERY_MS;
    const isFull = this.#noted.size > this.#maxKeys;
    const room = isFull ? Math.floor(this.#maxKeys * ROOM_AT_ONCE) : 0;
    for (const [oldest, noted] of this.#noted) {
      const isOver = noted.untilMs + this.#keepMs <= nowMs;
      if (!isOver && this.#noted.size <= this.#maxKeys - room) return;
      if (!isOver) this.#forgottenUntilMs = Math.max(this.#forgottenUntilMs, noted.untilMs);
      this.#noted.delete(oldest);
    }
  }
}

/** The higher version, until both requests are over. */
function both(before: Noted, version: Version, untilMs: number): Noted {
  return {
    version: before.version > version ? before.version : version,
    untilMs: Math.max(before.untilMs, untilMs),
  };
}
