import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Incarnation, NodeId } from '../../src/ids.ts';
import { HybridLogicalClock } from '../../src/version/hybrid-logical-clock.ts';
import { parseVersion, physicalOf } from '../../src/version/version.ts';
import { versions } from './arbitraries.ts';

const NODE = '00000000000000aa' as NodeId;
const LIFE = 7 as Incarnation;

describe('a hybrid logical clock', () => {
  test('only ever rises, whatever the wall clock and the versions it is shown do', () => {
    const steps = fc.array(
      fc.record({ wallMs: fc.integer({ min: 0, max: 2 ** 47 }), above: fc.option(versions) }),
      { maxLength: 50 },
    );
    fc.assert(
      fc.property(steps, (walk) => {
        const clock = new HybridLogicalClock(NODE, LIFE, 0);
        let before = '';
        for (const { wallMs, above } of walk) {
          if (above !== null && physicalOf(above) > 2 ** 47) continue; // room for the carry
          const version = clock.next(wallMs, above ?? undefined);
          expect(version > before).toBe(true);
          if (above !== null) expect(version > above).toBe(true);
          before = version;
        }
      }),
    );
  });

  test('follows the wall clock when that is ahead', () => {
    const clock = new HybridLogicalClock(NODE, LIFE, 0);
    expect(parseVersion(clock.next(1_000.9, undefined))).toMatchObject({
      physical: 1_000,
      logical: 0,
    });
    expect(parseVersion(clock.next(1_500, undefined))).toMatchObject({
      physical: 1_500,
      logical: 0,
    });
  });

  test('continues above the bound that an earlier life persisted', () => {
    const clock = new HybridLogicalClock(NODE, LIFE, 5_000);
    expect(parseVersion(clock.next(10, undefined))).toMatchObject({ physical: 5_000, logical: 1 });
  });

  test('carries into the physical part: more versions in one millisecond than the counter holds (failure mode 6)', () => {
    const clock = new HybridLogicalClock(NODE, LIFE, 0);
    let before = clock.next(1_000, undefined);
    for (let drawn = 0; drawn < 200_000; drawn++) {
      const version = clock.next(1_000, undefined);
      if (version <= before) throw new Error(`${version} after ${before}`);
      before = version;
    }
    expect(physicalOf(before)).toBe(1_000 + Math.floor(200_000 / 65_536));
  });

  test('carries past a version whose counter is full', () => {
    const clock = new HybridLogicalClock(NODE, LIFE, 0);
    const [full] = fc.sample(versions, 1);
    const above = `${(full ?? '').slice(0, 12)}-ffff-${(full ?? '').slice(18)}` as typeof full;
    expect(clock.next(0, above) > (above ?? '')).toBe(true);
  });

  test('names the node and its life', () => {
    const version = new HybridLogicalClock(NODE, LIFE, 0).next(1, undefined);
    expect(parseVersion(version)).toMatchObject({ node: NODE, incarnation: LIFE });
  });
});
