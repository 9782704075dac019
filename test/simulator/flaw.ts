import type { History } from './history.ts';

/** The judges of a run, by what each of them holds the cluster to. */
export const CHECKERS = [
  /** By versions: a key is an atomic register. */
  'register',
  /** By values alone: the operations on a key fit some order. */
  'linearizability',
  /** On a quorum's disks when it is acknowledged; at the end still there, or overtaken; deleted stays deleted. */
  'acknowledged-kept',
  /** No value that nobody wrote, or of another key. */
  'no-invention',
  /** What was answered `not_applied` is never seen, and never was on a disk. */
  'not-applied',
  /** A version on a disk never goes back, except where the record was damaged. */
  'no-going-back',
  /** A version stands for one record, and a node's versions rise from life to life. */
  'versions',
  /** Rings are decided, one for an epoch, in legal steps, and share everything out evenly. */
  'rings',
  /** Copies lie where a ring says, and are removed only when others have them. */
  'placement',
  /** Work that nobody waits for any more is dropped. */
  'deadlines',
  /** Maps and queues stay small, and drain when the work is done. */
  'bounds',
  /** After the faults the ring comes to rest, and all replicas of a key hold the same bytes, and nobody else. */
  'convergence',
  /** Enough requests succeed; after the faults all of them do, through every node. */
  'availability',
  /** Every request ends, with a result or an error for clients; the cluster forms and recovers. */
  'progress',
  /** A seed does the same twice. */
  'determinism',
] as const;
export type CheckerName = (typeof CHECKERS)[number];

/** Ends of a run that leave nothing to judge: its process ended, it took too long, an error was not caught. */
export type Breakdown = 'process' | 'deadline' | 'exception';

/** What broke a promise in a run. */
export interface Flaw {
  /** Who found it: shrinking keeps what the same checker still objects to. */
  readonly checker: CheckerName | Breakdown;
  /** What is wrong, for people. */
  readonly sentence: string;
}

/** Looks at what the clients of a run did and were told. */
export type Judge = (history: History) => readonly Flaw[];

/** Sentences of one judge that are worth reading. */
const MOST_SENTENCES = 3;

/** What a judge found while it looked on: the first sentences in full, the rest as a number. */
export class Findings {
  readonly #checker: CheckerName;
  readonly #sentences: string[] = [];
  #more = 0;

  constructor(checker: CheckerName) {
    this.#checker = checker;
  }

  add(sentence: string): void {
    if (this.#sentences.length < MOST_SENTENCES) this.#sentences.push(sentence);
    else this.#more += 1;
  }

  get flaws(): readonly Flaw[] {
    const sentences = [...this.#sentences];
    if (this.#more > 0) sentences.push(`and ${this.#more} more of this kind`);
    return sentences.map((sentence) => ({ checker: this.#checker, sentence }));
  }
}
