import type { Key } from '../ids.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Version } from '../version/version.ts';
import { RecentVersions } from './recent-versions.ts';
import type { RequestHorizon } from './request-horizon.ts';

/** How old the ticket of a healing may be, milliseconds; the damage is found again after that. */
const MAX_TICKET_AGE_MS = 10_000;

/**
 * When a replica told that a copy of it is damaged, by its own clock in one life of it. Whoever asks the
 * others after that and heals the copy shows it again: what a healing has met is what the others held when
 * they were asked, however late it arrives.
 */
export interface DamageTicket {
  readonly life: string;
  /** Monotonic. */
  readonly foundMs: number;
}

/**
 * Keeps a healing from going below what this replica said that it holds, to a writer or to a reader. That
 * counts until the end of the request: by then enough of the others hold it too, or no client was told of it.
 * So the others must have been asked after that end, or have shown the version itself.
 */
export class HealGuard {
  readonly #life: string;
  readonly #clock: Clock;
  readonly #horizon: RequestHorizon;
  readonly #told = new RecentVersions(MAX_TICKET_AGE_MS);

  constructor(options: {
    /** Of this life of the process. */
    readonly life: string;
    readonly clock: Clock;
    readonly horizon: RequestHorizon;
  }) {
    this.#life = options.life;
    this.#clock = options.clock;
    this.#horizon = options.horizon;
  }

  /** For what is found damaged now. */
  ticket(): DamageTicket {
    return { life: this.#life, foundMs: this.#clock.monotonicMs() };
  }

  /**
   * Before a write is taken whose request ends at `deadlineMs`, monotonic.
   * @throws StoreFullError, StoreFailedError
   */
  async expect(deadlineMs: number): Promise<void> {
    await this.#horizon.reachTo(deadlineMs);
  }

  /** Before a request is told that `version` is held here. */
  noteTold(key: Key, version: Version, deadlineMs: number): void {
    this.#told.note(key, version, deadlineMs, this.#clock.monotonicMs());
  }

  /** Whether a damaged copy may be replaced by `version`; absent: by nothing. */
  permits(key: Key, version: Version | undefined, { life, foundMs }: DamageTicket): boolean {
    const ageMs = this.#clock.monotonicMs() - foundMs;
    if (life !== this.#life || ageMs < 0 || ageMs > MAX_TICKET_AGE_MS) return false;
    if (foundMs < this.#horizon.formerOverMs) return false;
    return this.#told.isMetBy(key, version, foundMs);
  }
}
