/**
 * The process port: how a node ends itself when going on would break a promise (a failed sync, a
 * data directory that is not what it was). In production this exits; in a simulation the node dies.
 */
export interface Supervisor {
  /** Ends this node with exit code 1. Returns at once; nothing is acknowledged after it was called. */
  fail(reason: string, cause?: unknown): void;
}
