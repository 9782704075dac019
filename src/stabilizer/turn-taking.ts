/**
 * Who of the members does what all of them could do: the living one with the lowest id at once, each
 * other one when those before it have had their time. Nobody leads: two that act at once only get in each
 * other's way at the ring register, which decides once.
 */
import type { NodeId } from '../ids.ts';
import type { Ring } from '../ring/ring.ts';

/** How long those before it are left to act, each, milliseconds. */
const EACH_WAITS_MS = 2_000;

/** How long this node leaves it to others. */
export function waitsMs(ring: Ring, self: NodeId, isAlive: (member: NodeId) => boolean): number {
  const before = ring.members.filter(({ id }) => id < self && isAlive(id));
  return before.length * EACH_WAITS_MS;
}
