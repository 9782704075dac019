/**
 * The process port: how a node ends itself when going on would break a promise (a failed sync, a
 * data directory that is not what it was), or asks for another life. In production these exit and start
 * again; in a simulation the node dies.
 */
export interface Supervisor {
  /** Ends this node with exit code 1. Returns at once; nothing is acknowledged after it was called. */
  fail(reason: string, cause?: unknown): void;
  /** Ends this life of the node and begins another one on the same store. Returns at once. */
  restart(reason: string): void;
}
