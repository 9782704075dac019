import { expect, test } from 'vitest';
import type { Partition } from '../../src/ids.ts';
import { Ring } from '../../src/ring/ring.ts';
import { SurvivorsCount } from '../../src/stabilizer/survivors-count.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import { membersFrom } from '../ring/placement.ts';
import { jointRing, ringOf } from '../ring/sample-rings.ts';

const REST = ringOf(membersFrom(1, 5));
const JOINT = jointRing(REST, membersFrom(2, 4));

test('partitions are counted once for each time that they go on with survivors', () => {
  const counters = new Counters();
  const membership = { ring: REST, survivorsRing: undefined as Ring | undefined };
  const count = new SurvivorsCount({ membership, counters });
  const after = (ring: Ring, survivorsRing: Ring | undefined): number => {
    Object.assign(membership, { ring, survivorsRing });
    count.look();
    count.look();
    return counters.get('partitions_on_survivors_total');
  };
  const first = recovering(0, 3);
  const fold = recovering(0, 3, 7);
  const later = recovering(3);
  expect(after(REST, undefined)).toBe(0);
  expect(after(JOINT, undefined)).toBe(0);
  expect(after(first, first)).toBe(2);
  expect(after(fold, fold)).toBe(3);
  expect(after(REST, fold)).toBe(3);
  expect(after(REST, later)).toBe(4); // came and went between two looks
});

function recovering(...partitions: readonly number[]): Ring {
  return new Ring({ ...JOINT, recovering: partitions as Partition[] });
}
