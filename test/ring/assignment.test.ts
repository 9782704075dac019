import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign } from '../../src/ring/assignment.ts';
import type { Member } from '../../src/ring/member.ts';
import type { Assignment } from '../../src/ring/replica-set.ts';
import {
  loadsOf,
  member,
  membersFrom,
  movesBetween,
  smallestZoneLimit,
  waterFilledShares,
} from './placement.ts';

/** What an operator or the stabilizer may do to a cluster between two assignments. */
type Change =
  | { readonly type: 'join'; readonly zone: number; readonly weight: number }
  | { readonly type: 'leave'; readonly which: number }
  | { readonly type: 'die'; readonly which: readonly number[] }
  | { readonly type: 'factor'; readonly replicas: number };

interface Placement {
  readonly members: readonly Member[];
  readonly replicas: number;
}

const weight = () => fc.integer({ min: 1, max: 10 });
const factor = () => fc.integer({ min: 1, max: 7 });
const partitionCount = (mostDoublings = 7) =>
  fc.integer({ min: 0, max: mostDoublings }).map((doublings) => 2 ** doublings);

function someMembers(options: { most: number; zones: number }) {
  const one = fc.record({ zone: fc.integer({ min: 1, max: options.zones }), weight: weight() });
  return fc
    .array(one, { minLength: 1, maxLength: options.most })
    .map((drawn) =>
      drawn.map(({ zone, weight }, index) => member(index + 1, `zone${zone}`, weight)),
    );
}

const equalMembers = () => fc.integer({ min: 1, max: 12 }).map((count) => membersFrom(1, count));

const someChange: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    type: fc.constant('join' as const),
    zone: fc.integer({ min: 1, max: 5 }),
    weight: weight(),
  }),
  fc.record({ type: fc.constant('leave' as const), which: fc.nat() }),
  fc.record({ type: fc.constant('die' as const), which: fc.array(fc.nat(), { maxLength: 4 }) }),
  fc.record({ type: fc.constant('factor' as const), replicas: factor() }),
);

describe('an assignment', () => {
  test('keeps every rule through joins, leaves, deaths and changes of the replication factor', () => {
    const history = fc.array(someChange, { maxLength: 8 });
    fc.assert(
      fc.property(
        someMembers({ most: 12, zones: 5 }),
        factor(),
        partitionCount(),
        history,
        (founders, replicas, partitions, changes) => {
          let placement: Placement = { members: founders, replicas };
          let assignment = place(placement, partitions, undefined);
          expectRules(assignment, placement, partitions);
          for (const change of changes) {
            placement = changed(placement, change);
            assignment = place(placement, partitions, assignment);
            expectRules(assignment, placement, partitions);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('does not depend on the order in which members are given', () => {
    const twice = someMembers({ most: 12, zones: 5 }).chain((members) =>
      fc.tuple(
        fc.constant(members),
        fc.shuffledSubarray([...members], { minLength: members.length }),
      ),
    );
    fc.assert(
      fc.property(
        twice,
        factor(),
        partitionCount(),
        ([members, shuffled], replicas, partitions) => {
          const previous = place({ members: members.slice(0, 3), replicas }, partitions, undefined);
          const one = place({ members, replicas }, partitions, previous);
          expect(place({ members: shuffled, replicas }, partitions, previous)).toEqual(one);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('stays exactly as it is when nothing changed', () => {
    fc.assert(
      fc.property(
        someMembers({ most: 12, zones: 5 }),
        factor(),
        partitionCount(),
        (members, replicas, partitions) => {
          const before = place({ members, replicas }, partitions, undefined);
          expect(place({ members, replicas }, partitions, before)).toEqual(before);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('with fewer members than replicas makes all of them replicas of everything', () => {
    const assignment = place({ members: membersFrom(1, 2), replicas: 3 }, 16, undefined);
    for (const replicas of assignment)
      expect([...replicas].sort()).toEqual(idsOf(membersFrom(1, 2)));
  });
});

describe('moving', () => {
  test('is never more than the best of all assignments needs (tried one by one)', () => {
    const arbitrary = fc.record({
      before: someMembers({ most: 5, zones: 3 }),
      replicasBefore: fc.integer({ min: 1, max: 3 }),
      replicas: fc.integer({ min: 1, max: 3 }),
      partitions: partitionCount(2),
      changes: fc.array(someChange, { minLength: 1, maxLength: 2 }),
    });
    fc.assert(
      fc.property(arbitrary, ({ before, replicasBefore, replicas, partitions, changes }) => {
        const previous = place(
          { members: before, replicas: replicasBefore },
          partitions,
          undefined,
        );
        let placement: Placement = { members: before, replicas };
        for (const change of changes) placement = changed(placement, change);
        fc.pre(placement.members.length <= 5 && placement.replicas <= 3);
        const assignment = place(placement, partitions, previous);
        expect(movesBetween(previous, assignment)).toBe(
          fewestMoves(previous, placement, partitions),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('leaves no chain of exchanges that would have saved one', () => {
    const arbitrary = fc.record({
      before: someMembers({ most: 12, zones: 1 }),
      replicasBefore: factor(),
      replicas: factor(),
      partitions: partitionCount(8),
      changes: fc.array(someChange, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(arbitrary, ({ before, replicasBefore, replicas, partitions, changes }) => {
        const previous = place(
          { members: before, replicas: replicasBefore },
          partitions,
          undefined,
        );
        let placement: Placement = { members: before, replicas };
        for (const change of changes) placement = changed(placement, change);
        placement = {
          ...placement,
          members: placement.members.map((one) => ({ ...one, zone: 'one' })),
        };
        const after = place(placement, partitions, previous);
        expect(cheapestRoundOfExchanges(previous, after, placement)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 200 },
    );
  });

  test('from 3 members to 50 and back is the unavoidable minimum at every step (ratio 1.00)', () => {
    const partitions = 256;
    let members = membersFrom(1, 3);
    let assignment = place({ members, replicas: 3 }, partitions, undefined);
    let moved = 0;
    let unavoidable = 0;
    const step = (next: readonly Member[]) => {
      const after = place({ members: next, replicas: 3 }, partitions, assignment);
      const least = leastMoves(assignment, next, partitions, 3);
      expect(movesBetween(assignment, after)).toBe(least);
      expectRules(after, { members: next, replicas: 3 }, partitions);
      moved += movesBetween(assignment, after);
      unavoidable += least;
      members = next;
      assignment = after;
    };
    for (let number = 4; number <= 50; number++) step([...members, member(number)]);
    while (members.length > 3) step(members.filter((_, index) => index !== members.length % 4));
    expect(moved / unavoidable).toBe(1);
  });

  test('of a joining member is only towards it', () => {
    fc.assert(
      fc.property(equalMembers(), factor(), partitionCount(), (members, replicas, partitions) => {
        const joiner = member(100);
        const before = place({ members, replicas }, partitions, undefined);
        const after = place({ members: [...members, joiner], replicas }, partitions, before);
        expect(movesBetween(before, after)).toBe(loadsOf(after).get(joiner.id) ?? 0);
      }),
      { numRuns: 300 },
    );
  });

  test('of a leaving member is only away from it', () => {
    // With fewer partitions than members a gap may only be filled by moving somebody aside first.
    const morePartitionsThanMembers = partitionCount().filter((partitions) => partitions > 12);
    fc.assert(
      fc.property(
        equalMembers(),
        factor(),
        morePartitionsThanMembers,
        fc.nat(),
        (members, replicas, partitions, which) => {
          fc.pre(members.length > replicas); // else there is nowhere to move it
          const leaver = members[which % members.length];
          const staying = members.filter((one) => one !== leaver);
          const before = place({ members, replicas }, partitions, undefined);
          const after = place({ members: staying, replicas }, partitions, before);
          expect(movesBetween(before, after)).toBe(loadsOf(before).get(idOf(leaver)) ?? 0);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of a dead member draws on all the others, not on two or three', () => {
    const assignment = place({ members: membersFrom(1, 6), replicas: 3 }, 256, undefined);
    for (const { id } of membersFrom(1, 6)) {
      const shared = loadsOf(assignment.filter((replicas) => replicas.includes(id)));
      for (const other of membersFrom(1, 6)) expect(shared.get(other.id)).toBeGreaterThan(25); // 51 on average
    }
  });
});

describe('the order of preference', () => {
  test('gives every member its part of the first places, through many changes', () => {
    const history = fc.array(someChange, { maxLength: 6 });
    fc.assert(
      fc.property(
        someMembers({ most: 12, zones: 3 }),
        factor(),
        history,
        (founders, replicas, changes) => {
          let placement: Placement = { members: founders, replicas };
          let assignment = place(placement, 64, undefined);
          expectEvenFirstPlaces(assignment);
          for (const change of changes) {
            placement = changed(placement, change);
            assignment = place(placement, 64, assignment);
            expectEvenFirstPlaces(assignment);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('of replicas that stay is kept, but for the first place', () => {
    const before = place({ members: membersFrom(1, 7), replicas: 5 }, 128, undefined);
    const after = place({ members: membersFrom(2, 9), replicas: 5 }, 128, before);
    for (const [partition, replicas] of after.entries()) {
      const stayed = (before[partition] ?? []).filter((id) => replicas.includes(id));
      const rest = replicas.slice(1).filter((id) => stayed.includes(id));
      expect(rest).toEqual(stayed.filter((id) => id !== replicas[0]));
    }
  });

  test('changes as few first places as balance needs', () => {
    const before = place({ members: membersFrom(1, 5), replicas: 3 }, 256, undefined);
    const after = place({ members: membersFrom(1, 6), replicas: 3 }, 256, before);
    const changedFirst = after.filter(
      (replicas, partition) => replicas[0] !== before[partition]?.[0],
    );
    expect(changedFirst.length).toBeLessThanOrEqual(43 + 5); // the newcomer's part, and rounding
  });
});

function place(
  { members, replicas }: Placement,
  partitions: number,
  previous: Assignment | undefined,
): Assignment {
  return assign({ previous, members, partitionCount: partitions, replicationFactor: replicas });
}

function changed(placement: Placement, change: Change): Placement {
  const { members } = placement;
  switch (change.type) {
    case 'join': {
      const number = 1 + Math.max(...members.map(({ id }) => Number.parseInt(id, 16)));
      const joiner = member(number, `zone${change.zone}`, change.weight);
      return { ...placement, members: [...members, joiner] };
    }
    case 'leave':
      return without(placement, [change.which]);
    case 'die':
      return without(placement, change.which);
    case 'factor':
      return { ...placement, replicas: change.replicas };
  }
}

/** Without the members at these places, counted round and round; one always stays. */
function without(placement: Placement, which: readonly number[]): Placement {
  const { members } = placement;
  const gone = new Set(which.map((place) => members[place % members.length]));
  const staying = members.filter((one) => !gone.has(one));
  return staying.length === 0 ? placement : { ...placement, members: staying };
}

function expectRules(assignment: Assignment, placement: Placement, partitions: number): void {
  const { members } = placement;
  const replicas = Math.min(placement.replicas, members.length);
  const byId = new Map(members.map((one) => [one.id, one]));
  expect(assignment).toHaveLength(partitions);
  const limit = smallestZoneLimit(members, replicas);
  for (const set of assignment) {
    expect(set).toHaveLength(replicas);
    expect(new Set(set).size).toBe(replicas);
    const zones = set.map((id) => byId.get(id)?.zone);
    expect(zones).not.toContain(undefined);
    for (const zone of zones)
      expect(zones.filter((one) => one === zone).length).toBeLessThanOrEqual(limit);
  }
  const loads = loadsOf(assignment);
  for (const [one, share] of waterFilledShares(members, partitions, replicas)) {
    expect(Math.abs((loads.get(one.id) ?? 0) - share)).toBeLessThan(1 + 1e-6);
  }
}

function expectEvenFirstPlaces(assignment: Assignment): void {
  const replicas = assignment[0]?.length ?? 1;
  const firsts = loadsOf(assignment.map((set) => set.slice(0, 1)));
  for (const [id, load] of loadsOf(assignment)) {
    expect(Math.abs((firsts.get(id) ?? 0) - load / replicas)).toBeLessThan(1);
  }
}

/**
 * A bound below which no assignment of equal members can stay: nobody keeps more than it has or than
 * its share allows, and only so many shares are rounded up.
 */
function leastMoves(
  before: Assignment,
  members: readonly Member[],
  partitions: number,
  replicas: number,
): number {
  const least = Math.floor((partitions * replicas) / members.length);
  const loads = loadsOf(before);
  const had = members.map(({ id }) => loads.get(id) ?? 0);
  const roundedUp = partitions * replicas - least * members.length;
  const kept = had.reduce((sum, count) => sum + Math.min(count, least), 0);
  return (
    partitions * replicas - kept - Math.min(roundedUp, had.filter((count) => count > least).length)
  );
}

/** The fewest moves of all assignments that keep the rules, by trying every one. */
function fewestMoves(previous: Assignment, placement: Placement, partitions: number): number {
  const { members } = placement;
  const replicas = Math.min(placement.replicas, members.length);
  const limit = smallestZoneLimit(members, replicas);
  const shares = waterFilledShares(members, partitions, replicas);
  const bounds = members.map((one) => {
    const share = shares.get(one) ?? Number.NaN;
    return { least: Math.floor(share + 1e-6), most: Math.ceil(share - 1e-6) };
  });
  const sets = subsets(members.length, replicas).filter((set) => {
    const zones = set.map((index) => members[index]?.zone);
    return zones.every((zone) => zones.filter((one) => one === zone).length <= limit);
  });

  let best = Number.POSITIVE_INFINITY;
  const loads = members.map(() => 0);
  const tryFrom = (partition: number, moves: number): void => {
    if (moves >= best) return;
    if (partition === partitions) {
      if (loads.every((load, index) => load >= (bounds[index]?.least ?? 0))) best = moves;
      return;
    }
    for (const set of sets) {
      if (set.some((index) => (loads[index] ?? 0) >= (bounds[index]?.most ?? 0))) continue;
      for (const index of set) loads[index] = (loads[index] ?? 0) + 1;
      const kept = set.filter((index) => previous[partition]?.includes(idOf(members[index])));
      tryFrom(partition + 1, moves + replicas - kept.length);
      for (const index of set) loads[index] = (loads[index] ?? 0) - 1;
    }
  };
  tryFrom(0, 0);
  return best;
}

/**
 * What the cheapest round of exchanges would cost, without zones (Ahuja, Magnanti, Orlin, section 9.6: a
 * flow is of minimum cost when no cycle of what is left to change has a negative one). Nodes are the
 * members, and one more for those that may keep a replica more or less.
 */
function cheapestRoundOfExchanges(
  previous: Assignment,
  assignment: Assignment,
  placement: Placement,
): number {
  const { members } = placement;
  const replicas = Math.min(placement.replicas, members.length);
  const shares = waterFilledShares(members, assignment.length, replicas);
  const loads = loadsOf(assignment);
  const slack = members.length;
  const cost = Array.from({ length: slack + 1 }, () =>
    Array<number>(slack + 1).fill(Number.POSITIVE_INFINITY),
  );
  const lower = (from: number, to: number, by: number): void => {
    const row = cost[from];
    if (row !== undefined) row[to] = Math.min(row[to] ?? by, by);
  };

  for (const [index, one] of members.entries()) {
    const share = shares.get(one) ?? Number.NaN;
    const load = loads.get(one.id) ?? 0;
    if (load > Math.floor(share + 1e-6)) lower(slack, index, 0);
    if (load < Math.ceil(share - 1e-6)) lower(index, slack, 0);
  }
  for (const [partition, set] of assignment.entries()) {
    const costOfKeeping = (one: Member) => (previous[partition]?.includes(one.id) === true ? 0 : 1);
    for (const [from, giver] of members.entries()) {
      if (!set.includes(giver.id)) continue;
      for (const [to, taker] of members.entries()) {
        if (set.includes(taker.id)) continue;
        lower(from, to, costOfKeeping(taker) - costOfKeeping(giver));
      }
    }
  }
  return Math.min(...shortestWaysBack(cost));
}

/** From every node back to itself (Floyd and Warshall). */
function shortestWaysBack(cost: readonly number[][]): readonly number[] {
  const at = (from: number, to: number) => cost[from]?.[to] ?? Number.NaN;
  const nodes = cost.map((_, node) => node);
  for (const over of nodes) {
    for (const from of nodes) {
      const row = cost[from] ?? [];
      for (const to of nodes) row[to] = Math.min(at(from, to), at(from, over) + at(over, to));
    }
  }
  return nodes.map((node) => at(node, node));
}

function subsets(size: number, count: number): readonly (readonly number[])[] {
  if (count === 0) return [[]];
  if (size < count) return [];
  const withLast = subsets(size - 1, count - 1).map((set) => [...set, size - 1]);
  return [...subsets(size - 1, count), ...withLast];
}

function idOf(one: Member | undefined): Member['id'] {
  if (one === undefined) throw new Error('a member that is not there');
  return one.id;
}

function idsOf(members: readonly Member[]): readonly Member['id'][] {
  return members.map(({ id }) => id);
}
