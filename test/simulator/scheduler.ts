import type { Cancellable } from '../../src/runtime/clock.ts';

interface Event {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
  cancelled: boolean;
}

/**
 * A turn of the event loop costs more than many an event; without any, a rejection that nobody handles
 * would be reported at the end only.
 */
const TURN_EVERY = 64;

/**
 * Virtual time: events in the order of their time, then of their making. Between two events all
 * microtasks run to their end (Node runs the next tick when none is left), so whatever an event set off
 * has happened before the next one, in an order that only the program decides.
 */
export class Scheduler {
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #sequence = 0;
  #ran = 0;
  /** Called after each event and what it set off: here the judges look on. */
  afterEach: () => void = () => undefined;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events run so far. */
  get ran(): number {
    return this.#ran;
  }

  after(delayMs: number, run: () => void): Cancellable {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const event: Event = { atMs, sequence: this.#sequence++, run, cancelled: false };
    this.#push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  /** Runs events until `done()` holds after one of them, or virtual time reaches `untilMs`. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    await microtasks(0);
    for (;;) {
      if (done()) return;
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      if (next.cancelled) continue;
      this.#nowMs = next.atMs;
      this.#ran += 1;
      next.run();
      await microtasks(this.#ran);
      this.afterEach();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, event)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const a = heap[left];
      if (a === undefined) break;
      const b = heap[right];
      const least = b !== undefined && isBefore(b, a) ? b : a;
      if (isBefore(last, least)) break;
      heap[at] = least;
      at = least === a ? left : right;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}

function microtasks(ran: number): Promise<void> {
  return new Promise((resolve) => {
    if (ran % TURN_EVERY === 0) setImmediate(resolve);
    else process.nextTick(resolve);
  });
}
