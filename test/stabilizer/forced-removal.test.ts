import { expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import type { Membership } from '../../src/membership/membership.ts';
import { changedRing } from '../../src/ring/next-ring.ts';
import { ForcedRemoval } from '../../src/stabilizer/forced-removal.ts';
import { member, membersFrom, nodeId } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';

/** node3 came back with an empty disk, as another member of that name; it sorts before the old one or behind. */
test.each([2, 9])('a name means the dead member of that name (new id %i)', (fresh) => {
  const old = membersFrom(3, 3).map((one) =>
    one.id === nodeId(3) ? ({ ...one, leaving: 'replaced' } as const) : one,
  );
  const returned = { ...member(fresh), name: 'node3', joining: true };
  const ring = changedRing(ringOf(membersFrom(3, 3)), { members: [...old, returned] });
  const dead = new Set<NodeId>([nodeId(3), nodeId(4)]);
  const state = (id: NodeId) => (dead.has(id) ? 'dead' : 'alive');
  const removal = new ForcedRemoval({ ring, state, versionsBelowMs: 0 } as unknown as Membership);
  const { gone, after } = removal.draw(['node3', 'node4']);
  expect([...gone]).toEqual([nodeId(3), nodeId(4)]);
  expect(after.members.map(({ name }) => name)).toEqual(['node5']);
  expect(() => removal.draw(['node5', 'node4'])).toThrow('node5 is alive, not dead');
});
