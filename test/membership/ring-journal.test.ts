/** What is told of rings that come into force one after the other, and how far a transition is. */
import { describe, expect, test } from 'vitest';
import { invariant } from '../../src/invariant.ts';
import { RingJournal } from '../../src/membership/ring-journal.ts';
import { allPulled, pullsOf, transitionOf } from '../../src/membership/transition-status.ts';
import {
  changedRing,
  type RingWish,
  renewedRing,
  settledRing,
  survivorsRing,
  withoutMissing,
} from '../../src/ring/next-ring.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { type ClusterEvent, ClusterEvents } from '../../src/telemetry/cluster-events.ts';
import { member, membersFrom, nodeId } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';

const FIVE = ringOf(membersFrom(1, 5), { partitionCount: 32 });
const JOINT = changed(FIVE, { members: [...FIVE.members, member(6)] });
const NAME_6 = member(6).name;

describe('the journal of rings', () => {
  test('tells of a transition from its start to its end', () => {
    const { journal, told } = journalOf(FIVE, JOINT, settledRing(JOINT));
    expect(told).toMatchObject([
      { type: 'ring.settled', epoch: 1, members: 5 },
      { type: 'ring.joint', epoch: 2, task: 'ring-2', joining: [NAME_6], leaving: [] },
      { type: 'ring.settled', epoch: 3, members: 6 },
    ]);
    expect(journal.ended).toMatchObject([{ task: 'ring-2', epoch: 2, state: 'done' }]);
  });

  test('says that a task is continued by another one when the ring folds', () => {
    const fold = changed(JOINT, { members: [...JOINT.members, member(7)] });
    const { journal } = journalOf(FIVE, JOINT, fold, settledRing(fold));
    expect(journal.ended).toMatchObject([
      { task: 'ring-3', state: 'done' },
      { task: 'ring-2', state: 'continued', continuedBy: 'ring-3' },
    ]);
  });

  test('tells a fold from a new transition when it missed rings in between', () => {
    const later = renewedRing(renewedRing(JOINT));
    expect(journalOf(JOINT, later).journal.ended).toMatchObject([{ state: 'continued' }]);
    const settled = settledRing(JOINT);
    const another = changed(settled, { members: [...settled.members, member(7)] });
    expect(journalOf(JOINT, another).journal.ended).toMatchObject([{ state: 'done' }]);
  });

  test('knows a member that returns under the name of one that was replaced', () => {
    const dead = nodeId(2);
    const { name } = FIVE.members.find(({ id }) => id === dead) ?? member(2);
    const replaced = changed(FIVE, { members: withoutMissing(FIVE.members, new Set([dead])) });
    const without = settledRing(replaced);
    const back = changed(without, { members: [...without.members, { ...member(9), name }] });
    const { told } = journalOf(FIVE, replaced, without, back);
    expect(told.filter(({ type }) => type === 'member.returned')).toEqual([
      { type: 'member.returned', member: name },
    ]);
    expect(told).toContainEqual(expect.objectContaining({ type: 'ring.joint', leaving: [name] }));
  });

  test('takes nobody in the first ring that it sees for a newcomer', () => {
    expect(journalOf(JOINT).told).toMatchObject([{ type: 'ring.joint', joining: [] }]);
  });

  test('tells how many partitions go on with their survivors', () => {
    const ring = survivorsRing(FIVE, new Set([nodeId(1), nodeId(2)]), 0);
    invariant(ring !== undefined, 'partitions that were lost with two of five');
    const { told } = journalOf(FIVE, ring, renewedRing(ring));
    expect(told.filter(({ type }) => type === 'ring.survivors')).toEqual([
      { type: 'ring.survivors', epoch: 2, partitions: ring.recovering.length },
    ]);
  });

  test('keeps the latest tasks only', () => {
    let ring = JOINT;
    const rings = Array.from({ length: 50 }, () => {
      ring = renewedRing(ring);
      return ring;
    });
    const { journal } = journalOf(...rings);
    expect(journal.ended).toHaveLength(32);
    expect(journal.ended[0]).toMatchObject({ task: 'ring-51', continuedBy: 'ring-52' });
  });
});

describe('the status of a transition', () => {
  const said = (epoch: number, toPull: number, pulled: number) =>
    ({ keys: 0, epoch, ready: true, toPull, pulled }) as never;

  test('is none at rest', () => {
    expect(transitionOf(FIVE, new Map())).toBeUndefined();
  });

  test('goes by what the members say of its epoch, and by the ring for those that are silent', () => {
    const pulls = pullsOf(JOINT);
    const [first, second, third] = [...pulls.keys()];
    invariant(first !== undefined && second !== undefined && third !== undefined, 'three pullers');
    const status = transitionOf(
      JOINT,
      new Map([
        [first, said(JOINT.epoch, 5, 3)],
        [second, said(JOINT.epoch - 1, 9, 9)],
      ]),
    );
    invariant(status !== undefined, 'a joint ring');
    const of = (id: typeof first) =>
      status.members.find(({ name }) => name === JOINT.member(id)?.name);
    expect(of(first)).toMatchObject({ toPull: 5, pulled: 3 });
    expect(of(second)).toMatchObject({ toPull: pulls.get(second), pulled: undefined });
    expect(of(third)).toMatchObject({ toPull: pulls.get(third), pulled: undefined });
    expect(status.pulled).toBe(3);
  });

  test('is over when everybody who has to pull said so, and not before', () => {
    const ids = [...pullsOf(JOINT).keys()];
    const done = new Map(ids.map((id) => [id, said(JOINT.epoch, 2, 2)]));
    expect(isOver(done)).toBe(true);
    for (const id of ids) {
      expect(isOver(new Map(done).set(id, said(JOINT.epoch, 2, 1)))).toBe(false);
      expect(isOver(new Map(done).set(id, said(JOINT.epoch - 1, 2, 2)))).toBe(false);
      const silent = new Map(done);
      silent.delete(id);
      expect(isOver(silent)).toBe(false);
    }
  });

  function isOver(statuses: Parameters<typeof transitionOf>[1]): boolean {
    const status = transitionOf(JOINT, statuses);
    return status !== undefined && allPulled(status);
  }
});

function journalOf(...rings: readonly Ring[]): { journal: RingJournal; told: ClusterEvent[] } {
  const events = new ClusterEvents({ life: 'life', wallMs: () => 0 });
  const told: ClusterEvent[] = [];
  events.listen(undefined, ({ event }) => told.push(event));
  const journal = new RingJournal(events);
  for (const ring of rings) journal.note(ring);
  return { journal, told };
}

function changed(ring: Ring, wish: RingWish): Ring {
  const after = changedRing(ring, wish);
  invariant(after !== undefined, 'a wish that changes something');
  return after;
}
