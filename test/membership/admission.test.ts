import { describe, expect, test } from 'vitest';
import type { Address, NodeId } from '../../src/ids.ts';
import { Admission } from '../../src/membership/admission.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { MAX_MEMBERS } from '../../src/ring/ring-parts.ts';
import { membersFrom } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';

describe('applications to join', () => {
  test('are judged once: one that came too late for a ring is made again, or forgotten', async () => {
    const rings: { ring: Ring } = { ring: ringOf(membersFrom(1, 3)) };
    const turns: (() => void)[] = [];
    const admission = new Admission({
      rings,
      stateOf: () => 'alive',
      register: {
        decide: async (draw) => {
          const drawn = draw(rings.ring);
          await new Promise<void>((resolve) => turns.push(resolve));
          if (drawn === undefined) return { state: 'nothing' };
          rings.ring = drawn;
          return { state: 'decided', ring: drawn };
        },
      },
    });

    const first = admission.apply(application('a'));
    const late = admission.apply(application('b'));
    turns.shift()?.();
    expect(await first).toMatchObject({ state: 'member' });
    expect(await late).toMatchObject({ state: 'later' });

    const third = admission.apply(application('c'));
    turns.shift()?.();
    expect(await third).toMatchObject({ state: 'member' });
    const names = rings.ring.members.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['a', 'c']));
    expect(names).not.toContain('b');
  });

  test('fill the cluster up to its bound, and the others are told to ask again', async () => {
    const rings: { ring: Ring } = { ring: ringOf(membersFrom(1, MAX_MEMBERS - 1)) };
    const admission = new Admission({
      rings,
      stateOf: () => 'alive',
      register: {
        decide: async (draw) => {
          await Promise.resolve(); // both have applied by then
          const ring = draw(rings.ring);
          if (ring === undefined) return { state: 'nothing' };
          rings.ring = ring;
          return { state: 'decided', ring };
        },
      },
    });
    const verdicts = await Promise.all(
      ['a', 'b'].map((name) => admission.apply(application(name))),
    );
    expect(verdicts.map(({ state }) => state).sort()).toEqual(['later', 'member']);
    expect(rings.ring.members).toHaveLength(MAX_MEMBERS);
    expect(await admission.apply(application('c'))).toEqual({
      state: 'later',
      why: 'a cluster has 1024 members at most',
    });
  });
});

function application(name: string) {
  return {
    type: 'membership.join',
    node: Buffer.from(name.repeat(8)).toString('hex') as NodeId,
    name,
    address: `${name}:7400` as Address,
    zone: 'default',
    weight: 1,
    clusterName: 'test',
    replicationFactor: undefined,
  } as const;
}
