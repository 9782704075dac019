import type { History } from './history.ts';

/** What broke a promise in a run. */
export interface Flaw {
  /** Who found it: shrinking keeps what the same checker still objects to. */
  readonly checker: string;
  /** What is wrong, for people. */
  readonly sentence: string;
}

/** Looks at what the clients of a run did and were told. */
export type Judge = (history: History) => readonly Flaw[];
