import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NodeId, Partition } from '../../src/ids.ts';
import { inOrderOfId, type Member } from '../../src/ring/member.ts';
import {
  changedRing,
  givenUpRing,
  partitionsShort,
  partitionsWithoutEnoughSound,
  renewedRing,
  settledRing,
  survivorsRing,
  withoutMissing,
} from '../../src/ring/next-ring.ts';
import { inTransition, pullsNeeded } from '../../src/ring/pulls.ts';
import { sameReplicas } from '../../src/ring/replica-set.ts';
import { Ring } from '../../src/ring/ring.ts';
import { decodeRing, encodeRing } from '../../src/ring/ring-codec.ts';
import { flawOfSuccession, nextTerms } from '../../src/ring/succession.ts';
import { member, membersFrom, movesBetween, nodeId } from './placement.ts';
import { ringOf } from './sample-rings.ts';

const FIVE = ringOf(membersFrom(1, 5), { partitionCount: 32 });

describe('a ring that follows upon another', () => {
  test('is joint when a member comes, until it is settled', () => {
    const joint = changed(FIVE, { members: [...FIVE.members, newcomer(6)] });
    expect(joint.epoch).toBe(2);
    expect(joint.assignment).toEqual(FIVE.assignment);
    const settled = settledRing(joint);
    expect(settled.next).toBeUndefined();
    expect(settled.partitionsOf(nodeId(6))).toBeGreaterThan(0);
    expect(flawOfSuccession(FIVE, joint) ?? flawOfSuccession(joint, settled)).toBeUndefined();
  });

  test('drops who leaves only when the transition ends', () => {
    const members = FIVE.members.map((one) =>
      one.id === nodeId(2) ? ({ ...one, leaving: 'asked' } as const) : one,
    );
    const joint = changed(FIVE, { members });
    expect(joint.member(nodeId(2))).toBeDefined();
    expect(joint.next?.flat()).not.toContain(nodeId(2));
    expect(settledRing(joint).member(nodeId(2))).toBeUndefined();
  });

  test('remembers the latest of those that were asked to leave, and nobody else', () => {
    const members = FIVE.members.map((one) => {
      if (one.id === nodeId(2)) return { ...one, leaving: 'asked' } as const;
      return one.id === nodeId(3) ? ({ ...one, leaving: 'replaced' } as const) : one;
    });
    const many = Array.from({ length: 64 }, (_, number) => nodeId(100 + number));
    const joint = changed(new Ring({ ...FIVE, sentAway: many }), { members });
    const settled = settledRing(joint);
    expect(joint.sentAway).toEqual(many);
    expect(settled.sentAway).toEqual([...many.slice(1), nodeId(2)]);
    expect(flawOfSuccession(joint, settled)).toBeUndefined();
    for (const sentAway of [many, [...many.slice(2), nodeId(2), nodeId(3)]]) {
      const other = new Ring({ ...settled, sentAway });
      expect(flawOfSuccession(joint, other)).toContain('sent away');
    }
  });

  test('forgets that somebody left who is taken in under the same id', () => {
    const away = new Ring({ ...FIVE, sentAway: [nodeId(6), nodeId(7)] });
    const joint = changed(away, { members: [...FIVE.members, newcomer(6)] });
    expect(joint.sentAway).toEqual([nodeId(7)]);
    expect(flawOfSuccession(away, joint)).toBeUndefined();
    expect(settledRing(joint).member(nodeId(6))).toBeDefined();
  });

  test('moves as little over a fold as it would have without', () => {
    const once = changed(FIVE, { members: [...FIVE.members, newcomer(6)] });
    const twice = changed(once, { members: [...once.members, newcomer(7)] });
    expect(twice.assignment).toEqual(FIVE.assignment);
    const straight = changed(FIVE, { members: [...FIVE.members, newcomer(6), newcomer(7)] });
    const moved = (ring: Ring): number => movesBetween(ring.assignment, ring.next ?? []);
    expect(moved(twice)).toBe(moved(straight));
  });

  test('goes back to where everything lies when a newcomer dies on the way', () => {
    const joint = changed(FIVE, { members: [...FIVE.members, newcomer(6)] });
    const back = changed(joint, {
      members: withoutMissing(joint.members, new Set([nodeId(6)])),
    });
    for (const number of back.assignment.keys())
      expect(inTransition(back, number as Partition)).toBe(false);
    expect(settledRing(back).members).toEqual(FIVE.members);
  });

  test('is none when nothing would change, or nobody would be left', () => {
    expect(changedRing(FIVE, {})).toBeUndefined();
    const gone = FIVE.members.map((one) => ({ ...one, leaving: 'asked' }) as const);
    expect(changedRing(FIVE, { members: gone })).toBeUndefined();
    const joint = changed(FIVE, { replicationFactor: 5 });
    expect(changedRing(joint, { replicationFactor: 5 })).toBeUndefined();
  });

  test('is at rest when only settings change', () => {
    const other = changed(FIVE, { graceMs: 45_000 });
    expect(other.next).toBeUndefined();
    expect(flawOfSuccession(FIVE, other)).toBeUndefined();
    expect(flawOfSuccession(FIVE, renewedRing(FIVE))).toBeUndefined();
  });

  test('comes to a shorter grace period, and to survivors that go on, in steps that all hold', () => {
    const least = Math.ceil(FIVE.graceMs / 2);
    expect(nextTerms(FIVE, { graceMs: 1_000 })).toEqual({ graceMs: least });
    expect(nextTerms(FIVE, { graceMs: 2 * FIVE.graceMs })).toEqual({ graceMs: 2 * FIVE.graceMs });
    const tooShort = changed(FIVE, { graceMs: least - 1 });
    expect(flawOfSuccession(FIVE, tooShort)).toContain('grace period');
    expect(flawOfSuccession(FIVE, changed(FIVE, { graceMs: least }))).toBeUndefined();

    const waiting = new Ring({ ...FIVE, lastSurvivor: 'wait' });
    expect(flawOfSuccession(waiting, changed(waiting, { lastSurvivor: 'use' }))).toContain(
      'announced',
    );
    expect(nextTerms(waiting, { lastSurvivor: 'use' })).toEqual({ lastSurvivor: 'announced' });
    const announced = changed(waiting, nextTerms(waiting, { lastSurvivor: 'use' }));
    expect(flawOfSuccession(waiting, announced)).toBeUndefined();
    const using = changed(announced, nextTerms(announced, { lastSurvivor: 'use' }));
    expect([using.lastSurvivor, flawOfSuccession(announced, using)]).toEqual(['use', undefined]);
    expect(decodeRing(encodeRing(announced))?.lastSurvivor).toBe('announced');
  });

  test('has more or fewer replicas with another replication factor', () => {
    const up = settledRing(changed(FIVE, { replicationFactor: 5 }));
    expect(up.assignment.every((replicas) => replicas.length === 5)).toBe(true);
    const down = settledRing(changed(up, { replicationFactor: 1 }));
    expect(down.assignment.every((replicas) => replicas.length === 1)).toBe(true);
  });
});

/** A bound of versions. */
const AT_MS = 1_767_225_600_000;

describe('a ring of survivors', () => {
  test('is needed where fewer than n-q+1 replicas are left', () => {
    expect(survivorsRing(FIVE, new Set([nodeId(1)]), AT_MS)).toBeUndefined();
    const missing = new Set([nodeId(1), nodeId(2)]);
    const short = partitionsShort(FIVE, missing);
    expect(short.length).toBeGreaterThan(0);
    const ring = survivorsRing(FIVE, missing, AT_MS);
    expect(ring?.recovering).toEqual(short);
    for (const partition of short) {
      expect(ring?.assignment[partition]).toHaveLength(1);
      expect(ring && pullsNeeded(ring, partition)).toBe(1);
    }
    expect(ring && flawOfSuccession(FIVE, ring)).toBeUndefined();
  });

  test('is needed, too, where those that are left are there, and too few of them sound', () => {
    const joint = changed(FIVE, { members: withoutMissing(FIVE.members, new Set([nodeId(1)])) });
    const partition = joint.assignment.findIndex((set) => set.includes(nodeId(1))) as Partition;
    const [damaged = nodeId(0), sound = nodeId(0)] = (joint.assignment[partition] ?? []).filter(
      (id) => id !== nodeId(1),
    );
    const blocked = (
      missing: readonly NodeId[],
      ...unsound: readonly (readonly [NodeId, readonly Partition[]])[]
    ) => {
      const said = unsound.map(([id, partitions]) => [id, new Set(partitions)] as const);
      return partitionsWithoutEnoughSound(joint, new Set(missing), new Map(said));
    };
    expect(blocked([nodeId(1)], [damaged, [partition]], [sound, []])).toEqual([partition]);
    expect(blocked([nodeId(1)], [damaged, []], [sound, []])).toEqual([]);
    expect(blocked([nodeId(1)], [damaged, [partition]])).toEqual([]); // one of those left says nothing
    expect(blocked([], [damaged, [partition]], [sound, []])).toEqual([]); // another one may come back
    expect(blocked([], [damaged, [partition]], [sound, [partition]], [nodeId(1), []])).toEqual([
      partition,
    ]);
    const ring = survivorsRing(joint, new Set([nodeId(1)]), AT_MS, [partition]);
    expect(ring?.recovering).toEqual([partition]);
    expect(ring?.assignment[partition]).toEqual([damaged, sound]);
    expect(ring && flawOfSuccession(joint, ring)).toBeUndefined();
    expect(
      ring &&
        partitionsWithoutEnoughSound(ring, new Set(), new Map([[damaged, new Set([partition])]])),
    ).toEqual([]);
  });

  test('bounds the versions drawn from then on, for ever', () => {
    const ring = survivorsRing(FIVE, new Set([nodeId(1), nodeId(2)]), AT_MS);
    if (ring === undefined) throw new Error('no ring');
    expect(ring.versionsAboveMs).toBe(AT_MS);
    const again = survivorsRing(ring, new Set([nodeId(3)]), AT_MS - 1);
    expect(again?.versionsAboveMs ?? AT_MS).toBe(AT_MS);
    expect(settledRing(ring).versionsAboveMs).toBe(AT_MS);
    const less = new Ring({ ...settledRing(ring), versionsAboveMs: AT_MS - 1 });
    expect(flawOfSuccession(ring, less)).toBe('a bound of versions that goes back');
  });

  test('never makes up a partition of which nothing survives', () => {
    const missing = new Set([nodeId(1), nodeId(2), nodeId(3)]);
    const ring = survivorsRing(FIVE, missing, AT_MS);
    for (const [number, replicas] of FIVE.assignment.entries()) {
      if (replicas.some((id) => !missing.has(id))) continue;
      expect(ring?.assignment[number]).toEqual(replicas);
      expect(ring?.recovering).not.toContain(number);
    }
  });

  test('begins a partition anew that an operator gave up, where nothing of it survives', () => {
    const missing = new Set([nodeId(1), nodeId(2), nodeId(3)]);
    const ring = givenUpRing(FIVE, missing, AT_MS);
    const lost = FIVE.assignment.flatMap((replicas, number) =>
      replicas.every((id) => missing.has(id)) ? [number as Partition] : [],
    );
    expect(lost.length).toBeGreaterThan(0);
    if (ring === undefined) throw new Error('no ring');
    for (const number of lost) {
      expect(ring.assignment[number]).toEqual(ring.next?.[number]);
      expect(ring.recovering).toContain(number);
    }
    expect(flawOfSuccession(FIVE, ring)).toBeUndefined();
    const members = FIVE.members.map((one) =>
      one.id === nodeId(3) ? one : (ring.member(one.id) ?? one),
    );
    const wrong = new Ring({ ...ring, members });
    expect(flawOfSuccession(FIVE, wrong)).toBe('another old replica set');
    expect(flawOfSuccession(ring, settledRing(ring))).toBeUndefined();
  });

  test('keeps what it recovers over later folds, and forgets it at the end', () => {
    const ring = survivorsRing(FIVE, new Set([nodeId(1), nodeId(2)]), AT_MS);
    if (ring === undefined) throw new Error('no ring');
    const fold = changed(ring, { members: [...ring.members, newcomer(9)] });
    expect(fold.recovering).toEqual(ring.recovering);
    expect(settledRing(fold).recovering).toEqual([]);
    expect(flawOfSuccession(ring, new Ring({ ...fold, recovering: [] }))).toBe(
      'a recovery forgotten',
    );
  });
});

describe('an acceptor', () => {
  const joint = changed(FIVE, { members: [...FIVE.members, newcomer(6)] });
  const other = [nodeId(1), nodeId(2), nodeId(6)];

  test.each<[string, Ring, Partial<Ring>]>([
    ['another epoch than the next', FIVE, { epoch: (joint.epoch + 1) as Ring['epoch'] }],
    ['another cluster', FIVE, { hashSeed: 1n }],
    ['another old replica set', FIVE, { assignment: FIVE.assignment.map(() => other) }],
    [
      'other members without a transition',
      FIVE,
      { next: undefined, members: [...FIVE.members, member(6)] },
    ],
    ['a vote given', FIVE, { members: [...FIVE.members, member(6)] }],
  ])('refuses %s', (flaw, before, change) => {
    expect(flawOfSuccession(before, reckless(joint, change))).toContain(flaw);
  });

  test('refuses a joint ring that drops a member', () => {
    const after = { ...joint, epoch: (joint.epoch + 1) as Ring['epoch'], members: FIVE.members };
    const dropped = reckless(joint, { ...after, next: FIVE.assignment });
    expect(flawOfSuccession(joint, dropped)).toContain('a member dropped');
  });

  test('refuses an end that nobody was on the way to', () => {
    const end = settledRing(joint);
    expect(
      flawOfSuccession(
        joint,
        reckless(end, { members: FIVE.members, assignment: FIVE.assignment }),
      ),
    ).toBe('other members than stay');
    expect(flawOfSuccession(joint, reckless(end, { assignment: FIVE.assignment }))).toBe(
      'other replicas than were wanted',
    );
  });

  test('never finds fault with any way that rings can go, and keeps the least that must be kept', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 12 }), (steps) => {
        let ring = ringOf(membersFrom(1, 3), { partitionCount: 8 });
        let number = 4;
        for (const step of steps) {
          const after = next(ring, step, () => newcomer(number++));
          if (after === undefined) continue;
          expect(flawOfSuccession(ring, after)).toBeUndefined();
          expect(encodeRing(decodeRing(encodeRing(after)) ?? ring)).toEqual(encodeRing(after));
          if (ring.next !== undefined && after.next === undefined)
            expect(after.assignment).toEqual(ring.next);
          else keepsTheOldSets(ring, after);
          ring = after;
        }
      }),
    );
  });
});

type Step =
  | { readonly is: 'join' | 'settle' }
  | { readonly is: 'leave' | 'die'; readonly which: number }
  | { readonly is: 'factor'; readonly n: number };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ is: fc.constantFrom('join' as const, 'settle' as const) }),
  fc.record({ is: fc.constantFrom('leave' as const, 'die' as const), which: fc.nat(10) }),
  fc.record({ is: fc.constant('factor' as const), n: fc.integer({ min: 1, max: 5 }) }),
);

function next(ring: Ring, step: Step, arrive: () => Member): Ring | undefined {
  switch (step.is) {
    case 'join':
      return changedRing(ring, { members: inOrderOfId([...ring.members, arrive()]) });
    case 'settle':
      return ring.next === undefined ? undefined : settledRing(ring);
    case 'factor':
      return changedRing(ring, { replicationFactor: step.n });
    case 'leave':
    case 'die': {
      const victim = ring.members[step.which % ring.members.length]?.id ?? ('' as NodeId);
      const missing = new Set([victim]);
      if (step.is === 'die') return survivorsRing(ring, missing, AT_MS);
      return changedRing(ring, { members: withoutMissing(ring.members, missing) });
    }
  }
}

function keepsTheOldSets(before: Ring, after: Ring): void {
  for (const [number, old] of before.assignment.entries()) {
    const now = after.assignment[number] ?? [];
    if (after.recovering.includes(number as Partition))
      expect(old).toEqual(expect.arrayContaining([...now]));
    else expect(sameReplicas(old, now)).toBe(true);
  }
}

function changed(ring: Ring, wish: Parameters<typeof changedRing>[1]): Ring {
  const after = changedRing(ring, wish);
  if (after === undefined) throw new Error('nothing would change');
  return after;
}

/** With no vote yet. */
function newcomer(number: number): Member {
  return { ...member(number), joining: true };
}

/** A ring that is sound in itself, whatever it has to do with the one before. */
function reckless(ring: Ring, change: Partial<Ring>): Ring {
  return new Ring({ ...ring, ...change });
}
