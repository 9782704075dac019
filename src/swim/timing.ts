/** The times and bounds of failure detection, in one place because each depends on the others. */
export interface SwimTiming {
  /** A lap: every other member is probed once in it, as long as `leastPauseMs` allows. */
  readonly lapMs: number;
  /**
   * Pause between two probes of one node, at the least: what it costs does not grow with the ring. Shorter only
   * where a lap would take longer than half of the grace period.
   */
  readonly leastPauseMs: number;
  /** How long a ping may take, and after it the pings of those that were asked to help. */
  readonly pingMs: number;
  /** Members that are asked to ping one that did not answer (SWIM's k). */
  readonly helpers: number;
  /** How long a suspicion lasts that enough others confirm, and one that nobody confirms. */
  readonly suspicionMs: { readonly least: number; readonly most: number };
  /** Confirmations that are enough (Lifeguard's K). */
  readonly confirmations: number;
  /** How long a suspicion lasts when the member's address refuses connections. */
  readonly refusedMs: number;
  /** A member that nobody could reach for so long is dead, whatever it says of itself. */
  readonly unreachedMs: number;
  /** Pause between two full exchanges of one node. */
  readonly exchangeMs: number;
  /** A silence of the node's own inputs that is longer was a pause of its process. */
  readonly lateMs: number;
  /** Each piece of news is sent lambda * log2(n) times. */
  readonly lambda: number;
  /** Pieces of news that travel with one message. */
  readonly mostNews: number;
  /** Highest score of local health (Lifeguard's S). */
  readonly worstHealth: number;
}

/**
 * What comes of them, counted from the moment that a node falls silent, with five members:
 *
 * - Killed. Somebody probes it within a lap (1 s), is refused, as those are whom it asks to help, and
 *   suspects it for half a second; the others find the same, or hear it. Dead everywhere in 2 s.
 * - Silent. It is probed within a lap; ping and helpers take 1 s; the suspicion 4 to 5 s; the news up to
 *   a second. Dead after 5 to 7.5 s. With two members there are no helpers: 4.5 to 5.5 s. Even where a
 *   busy machine kept it from answering a ping sent before, a suspicion alone lasts 4 s.
 * - Paused for 3 s. No suspicion ends before 4 s; it has over a second to hear of it and to refute.
 * - Out of reach, and it refutes all the same. From the first probe that failed it gets what one gets that
 *   is silent, a probe (1 s) and the longest suspicion (5 s), and a second more for what it says to come
 *   round and be checked. Dead after 8 to 10 s, with nine members after 12 at the most.
 *
 * In large rings the first probe takes longer: with four probes a second by each node, one of e^4 silent
 * members is probed by nobody in the first second (SWIM, section 3.1).
 */
export const SWIM_TIMING: SwimTiming = {
  lapMs: 1_000,
  leastPauseMs: 250,
  pingMs: 500,
  helpers: 3,
  suspicionMs: { least: 4_000, most: 5_000 },
  confirmations: 3,
  refusedMs: 500,
  unreachedMs: 7_000,
  exchangeMs: 10_000,
  lateMs: 500,
  lambda: 3,
  mostNews: 16,
  worstHealth: 8,
};

/** How often time is told to the detector. Well below `lateMs`, so that a late turn shows. */
export const TICK_EVERY_MS = 200;
