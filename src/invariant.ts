/** A promise that this program makes to itself was broken: a bug of ours, never of a peer or client. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** States what must be true here. `what` reads as the thing that was expected: "a partition of this ring". */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new InvariantError(`broken invariant, expected: ${what}`);
}
