import type { Cancellable, Clock } from '../runtime/clock.ts';

/** Deadlines are met up to this much late. */
const TICK_MS = 10;

export interface Expiring {
  /** Of the monotonic clock. */
  readonly deadlineMs: number;
}

/**
 * Tells when deadlines have passed, with one timer for all of them: a call takes microseconds, and a
 * timer of its own would be a good part of that. Entries wait in slots of `TICK_MS`.
 */
export class DeadlineWheel<Entry extends Expiring> {
  readonly #clock: Clock;
  readonly #expire: (entry: Entry) => void;
  readonly #slots = new Map<number, Set<Entry>>();
  #timer: Cancellable | undefined;
  /** The slot that the timer is set for. */
  #next = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, expire: (entry: Entry) => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  add(entry: Entry): void {
    const slot = slotOf(entry);
    const entries = this.#slots.get(slot);
    if (entries !== undefined) entries.add(entry);
    else this.#slots.set(slot, new Set([entry]));
    if (slot < this.#next) this.#setFor(slot);
  }

  delete(entry: Entry): void {
    const slot = slotOf(entry);
    const entries = this.#slots.get(slot);
    if (entries?.delete(entry) && entries.size === 0) this.#slots.delete(slot);
  }

  /** Forgets all entries. */
  close(): void {
    this.#timer?.cancel();
    this.#slots.clear();
  }

  #setFor(slot: number): void {
    this.#timer?.cancel();
    this.#next = slot;
    const delayMs = Math.max(0, slot * TICK_MS - this.#clock.monotonicMs());
    this.#timer = this.#clock.schedule(delayMs, () => this.#turn());
  }

  #turn(): void {
    // A timer may run a fraction of a millisecond early.
    const passed = Math.floor((this.#clock.monotonicMs() + 1) / TICK_MS);
    this.#next = Number.POSITIVE_INFINITY;
    const due = [...this.#slots].filter(([slot]) => slot <= passed);
    for (const [slot, entries] of due) {
      // One that expires may take others with it: `delete` must still find them here.
      for (const entry of entries) {
        entries.delete(entry);
        this.#expire(entry);
      }
      this.#slots.delete(slot);
    }
    const next = Math.min(...this.#slots.keys());
    if (next < this.#next) this.#setFor(next);
  }
}

function slotOf({ deadlineMs }: Expiring): number {
  return Math.ceil(deadlineMs / TICK_MS);
}
