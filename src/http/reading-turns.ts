import { ClientError } from '../errors.ts';
import type { Cancellable, Clock } from '../runtime/clock.ts';

/** Long bodies that are read at once. */
const MAX_TURNS = 8;
/** A body that is still not there after this long comes over a slow line, and no longer counts. */
const TURN_MS = 10;
/** Of each that waits, some 64 KiB are in memory. */
const MAX_WAITING = 2_048;

interface Turn {
  readonly begin: () => void;
  timer: Cancellable | undefined;
}

/**
 * Who may read a long body now. When a thousand arrive together, the system has most of their bytes
 * already, and Node would read and copy all of them before it looks at anything else: a second in
 * which this node answers no peer. So they take turns, a few at a time, in order of arrival.
 */
export class ReadingTurns {
  readonly #clock: Clock;
  readonly #waiting = new Set<Turn>();
  readonly #running = new Set<Turn>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Calls `begin` when its turn has come, which may be at once. What is returned ends the turn, or
   * the wait for it; ending it twice is fine. @throws ClientError
   */
  take(begin: () => void): () => void {
    if (this.#waiting.size >= MAX_WAITING) {
      throw new ClientError(
        'overloaded',
        'too many long values arrive at once; try again in a moment, or ask another node',
        { outcome: 'not_applied' },
      );
    }
    const turn: Turn = { begin, timer: undefined };
    this.#waiting.add(turn);
    this.#next();
    return () => this.#end(turn);
  }

  #next(): void {
    for (const turn of this.#waiting) {
      if (this.#running.size >= MAX_TURNS) return;
      this.#waiting.delete(turn);
      this.#running.add(turn);
      turn.timer = this.#clock.schedule(TURN_MS, () => this.#end(turn));
      turn.begin();
    }
  }

  #end(turn: Turn): void {
    turn.timer?.cancel();
    this.#waiting.delete(turn);
    if (this.#running.delete(turn)) this.#next();
  }
}
