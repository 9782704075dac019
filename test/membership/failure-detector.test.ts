import { describe, expect, test } from 'vitest';
import type { Address, Epoch, Incarnation, NodeId } from '../../src/ids.ts';
import { FailureDetector } from '../../src/membership/failure-detector.ts';
import { PeerClocks } from '../../src/membership/peer-clocks.ts';
import { QuorumLease } from '../../src/membership/quorum-lease.ts';
import { RememberedBounds } from '../../src/membership/remembered-bounds.ts';
import { RingHolder } from '../../src/membership/ring-holder.ts';
import { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import type { RequestOf } from '../../src/rpc/messages.ts';
import type { Answer, Transport } from '../../src/rpc/transport.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { membersFrom } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { silentLog } from '../telemetry/silent-log.ts';

const RING = ringOf(membersFrom(1, 3));
const [A, B, C] = RING.members.map(({ id }) => id) as [NodeId, NodeId, NodeId];

describe('of each member it is known', () => {
  test('when the latest ping was sent that the member itself answered', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    const before = group.at(A).lastAckedMs(B);
    group.delayMs = 300;
    await group.pass(5_000);
    const sent = group.pings.filter(({ from, to }) => from === A && to === B);
    const answered = sent.filter(({ atMs }) => atMs <= group.clock.monotonicMs() - 300);
    const after = group.at(A).lastAckedMs(B);
    expect(after?.monotonicMs).toBe(answered.at(-1)?.atMs);
    expect(after?.monotonicMs).toBeGreaterThan(before?.monotonicMs ?? 0);
    expect((after?.wallMs ?? 0) - (before?.wallMs ?? 0)).toBeCloseTo(
      (after?.monotonicMs ?? 0) - (before?.monotonicMs ?? 0),
    );
  });

  test('nothing new by an answer to a helper: only what it answered itself counts', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.fate = (from, to) => (from === A && to === B ? 'timeout' : 'arrives');
    const cutMs = group.clock.monotonicMs();
    await group.pass(8_000);
    expect(group.at(A).state(B)).toBe('alive');
    expect(group.at(A).lastAckedMs(B)?.monotonicMs).toBeLessThanOrEqual(cutMs);
    expect(group.at(B).lastAckedMs(A)?.monotonicMs).toBeGreaterThan(cutMs);
  });

  test('nothing new by an answer under a newer ring, before that one is taken', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    await group.adopt(B, new Ring({ ...RING, epoch: (RING.epoch + 1) as Epoch }));
    const newerMs = group.clock.monotonicMs();
    await group.pass(3_000);
    expect(group.at(A).state(B)).toBe('alive');
    expect(group.at(A).lastAckedMs(B)?.monotonicMs).toBeLessThanOrEqual(newerMs);
    expect(group.at(B).lastAckedMs(A)?.monotonicMs).toBeGreaterThan(newerMs);
    await group.adopt(A, new Ring({ ...RING, epoch: (RING.epoch + 1) as Epoch }));
    await group.pass(3_000);
    expect(group.at(A).lastAckedMs(B)?.monotonicMs).toBeGreaterThan(newerMs);
  });

  test('but not for a lease when the one that answered lends none', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.lendNothing.add(B);
    const before = group.at(A).lastAckedMs(B);
    await group.pass(3_000);
    expect(group.at(A).state(B)).toBe('alive');
    expect(group.at(A).lastAckedMs(B)).toBe(before);
    group.lendNothing.clear();
    await group.pass(3_000);
    expect(group.at(A).lastAckedMs(B)).not.toBe(before);
  });

  test('often enough for the lease, which counts by the grace of the ring and not by a setting', async () => {
    const ring = new Ring({ ...ringOf(membersFrom(1, 12)), graceMs: 1_000 });
    expect(TERMS.graceMs).toBeGreaterThan(ring.graceMs);
    const group = await Group.begin(ring);
    group.delayMs = 20;
    await group.pass(1_000);
    const { clock } = group;
    const lastAcked = (member: NodeId) => group.at(A).lastAckedMs(member);
    const lease = new QuorumLease({
      self: A,
      clock,
      lastAcked,
      endedSince: () => undefined,
      lastStepMs: () => group.at(A).lastStepMs(),
    });
    for (let turn = 0; turn < 50; turn++) {
      await group.pass(100);
      expect(lease.holds(ring)).toBe(true);
    }
  });

  test('when it last had an answer from this node', async () => {
    const group = await Group.begin();
    expect(group.at(A).lastAnsweredMs(B)).toBeUndefined();
    await group.pass(3_000);
    const arrived = group.pings.filter(({ from, to }) => from === B && to === A);
    expect(group.at(A).lastAnsweredMs(B)?.monotonicMs).toBe(arrived.at(-1)?.atMs);
  });

  test('since when it is dead, until it is alive again', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    expect(group.at(A).deadSinceMs(C)).toBeUndefined();
    group.fate = (from, to) => {
      if (from === C) return 'timeout';
      return to === C ? 'refused' : 'arrives';
    };
    const killedMs = group.clock.monotonicMs();
    await group.pass(3_000);
    const sinceMs = group.at(A).deadSinceMs(C) ?? 0;
    expect(sinceMs).toBeGreaterThan(killedMs);
    expect(group.at(A).missing()).toEqual([C]);
    await group.pass(5_000);
    expect(group.at(A).deadSinceMs(C)).toBe(sinceMs);
    group.fate = () => 'arrives';
    await group.pass(2_000);
    expect(group.at(A).deadSinceMs(C)).toBeUndefined();
    expect(group.changes(A, C)).toEqual(['alive', 'suspect', 'dead', 'alive']);
  });

  test('what time it is there', async () => {
    const group = await Group.begin();
    expect(group.clocksOf(A).known).toBe(false);
    await group.pass(1_000);
    expect(group.clocksOf(A).known).toBe(true);
  });
});

describe('a helper', () => {
  test('passes on what is believed of the target, believes none of it, and brings the answer', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.fate = (from, to) => ([from, to].includes(A) ? 'timeout' : 'arrives');
    await group.pass(30_000);
    expect([group.at(A).state(B), group.at(A).state(C)]).toEqual(['dead', 'dead']);
    group.fate = (from, to) =>
      [from, to].toSorted().join() === [A, B].join() ? 'timeout' : 'arrives';
    await group.pass(12_000);
    expect([group.at(A).state(B), group.at(B).state(A)]).toEqual(['alive', 'alive']);
    expect([group.changes(B, C), group.changes(C, B)]).toEqual([['alive'], ['alive']]);
  });

  test('tells what it knows of the target that it has reached, also when that is no news to it', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.fate = (from, to) => ([from, to].includes(A) ? 'timeout' : 'arrives');
    await group.pass(15_000);
    // Of what B refutes meanwhile A hears nothing, and later C has no reason any more to tell it.
    group.fate = (from, to) => (to === B || [from, to].includes(A) ? 'timeout' : 'arrives');
    await group.pass(3_000);
    group.fate = (from, to) => ([from, to].includes(A) ? 'timeout' : 'arrives');
    await group.pass(20_000);
    expect(group.changes(C, B)).toContain('suspect');
    group.fate = (from, to) =>
      [from, to].toSorted().join() === [A, B].join() ? 'timeout' : 'arrives';
    group.exchangesFail = true;
    await group.pass(12_000);
    expect(group.at(A).state(B)).toBe('alive');
  });
});

test('a member that pings, and that nobody can ping, is dead once, until it can be', async () => {
  const group = await Group.begin();
  await group.pass(3_000);
  group.fate = (_from, to) => (to === C ? 'timeout' : 'arrives');
  await group.pass(12_000);
  const sinceMs = group.at(A).deadSinceMs(C);
  expect(sinceMs).toBeDefined();
  await group.pass(20_000);
  expect(group.at(A).deadSinceMs(C)).toBe(sinceMs);
  expect(group.at(C).state(A)).toBe('alive');
  group.fate = () => 'arrives';
  await group.pass(3_000);
  expect(group.at(A).deadSinceMs(C)).toBeUndefined();
  expect(group.changes(A, C).filter((state) => state === 'dead')).toHaveLength(1);
});

describe('kept silent to', () => {
  test('a member gets no answer, until others are', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.silentTo.set(A, [B]);
    const silentMs = group.clock.monotonicMs();
    await group.pass(5_000);
    expect(group.at(B).lastAckedMs(A)?.monotonicMs).toBeLessThanOrEqual(silentMs);
    expect(group.at(A).lastAnsweredMs(B)?.monotonicMs).toBeLessThanOrEqual(silentMs);
    expect(group.at(A).lastAnsweredMs(C)?.monotonicMs).toBeGreaterThan(silentMs);
    // It still asks, and those that it is silent to through others know that it is there.
    expect(group.at(A).lastAckedMs(B)?.monotonicMs).toBeGreaterThan(silentMs);
    expect(group.at(B).state(A)).toBe('alive');
    group.silentTo.delete(A);
    await group.pass(2_500);
    expect(group.at(B).lastAckedMs(A)?.monotonicMs).toBeGreaterThan(silentMs);
  });
});

describe('a ping', () => {
  test('whose connection was lost is sent once more: only then it shows who is still there', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    let lost = 0;
    group.fate = (from, to) => (from === A && to === B && lost++ % 2 === 0 ? 'lost' : 'arrives');
    await group.pass(3_000);
    expect(lost).toBeGreaterThan(2);
    expect(group.changes(A, B)).toEqual(['alive']);
    expect(group.asked).toBe(0);
  });

  test('that was refused at one address is sent once more: the member may have shown another', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    let refused = 0;
    group.fate = (from, to) =>
      from === A && to === B && refused++ % 2 === 0 ? 'refused' : 'arrives';
    await group.pass(3_000);
    expect(refused).toBeGreaterThan(2);
    expect(group.changes(A, B)).toEqual(['alive']);
    expect(group.asked).toBe(0);
  });

  test('of a newer epoch makes the receiver ask for that ring, and does not wait for it', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    await group.adopt(A, new Ring({ ...RING, epoch: 2 as Epoch }));
    const beforeMs = group.clock.monotonicMs();
    await group.pass(3_000);
    // Nobody ever hands the ring out here.
    expect(group.catchUps).toContainEqual({ by: B, from: A });
    expect(group.catchUps).toContainEqual({ by: C, from: A });
    expect(group.catchUps).not.toContainEqual(expect.objectContaining({ by: A }));
    expect(group.at(A).lastAckedMs(B)?.monotonicMs).toBeGreaterThan(beforeMs);
  });
});

describe('the lives that a member is connected to', () => {
  const lifeOf = (by: NodeId, of: NodeId): string => `${of} as ${by} knows it`;

  test('are told with its pings, of those that are neither of the two', async () => {
    const group = await Group.begin();
    group.lifeOf = (by, of) => (of === B ? undefined : lifeOf(by, of));
    await group.pass(3_000);
    expect(group.lives).toContainEqual({ by: B, member: A, of: C, life: lifeOf(A, C) });
    expect(group.lives).toContainEqual({ by: C, member: B, of: A, life: lifeOf(B, A) });
    for (const { by, member, of } of group.lives) expect([by, member, B]).not.toContain(of);
  });

  test('are told in turn: a few with each ping, however many there are', async () => {
    const ring = ringOf(membersFrom(1, 12));
    const group = await Group.begin(ring);
    group.lifeOf = lifeOf;
    const toldTo = (member: NodeId, of: NodeId): boolean =>
      group.lives.some((line) => line.by === member && line.of === of);
    await group.pass(1_000);
    expect(group.lives.length).toBeLessThanOrEqual(4 * group.pings.length);
    await group.pass(20_000);
    for (const { id: by } of ring.members)
      for (const { id: of } of ring.members) if (of !== by) expect(toldTo(by, of)).toBe(true);
  });
});

test('all members are pinged once at the start, and are ready to be counted then', async () => {
  const group = await Group.begin();
  expect([group.at(A).triedAll, group.at(A).metMajority]).toEqual([false, false]);
  await group.pass(20);
  expect([group.at(A).triedAll, group.at(A).metMajority]).toEqual([true, true]);
  expect(group.at(A).missing()).toEqual([]);
});

describe('where a member is', () => {
  test('is told by the helper that has reached it', async () => {
    const group = new Group();
    group.fate = (from, to) => (from === A && to === B ? 'refused' : 'arrives');
    for (const self of [A, B, C]) await group.start(self);
    await group.pass(1_500);
    expect(group.heard).toContainEqual({ by: A, of: B, address: addressAsKnown(C, B) });
    expect(group.heard.every(({ by, of }) => by === A && of === B)).toBe(true);
  });

  test('is not told by one that has not', async () => {
    const group = new Group();
    group.fate = (_from, to) => (to === B ? 'refused' : 'arrives');
    for (const self of [A, B, C]) await group.start(self);
    await group.pass(1_500);
    expect(group.asked).toBeGreaterThan(0);
    expect(group.heard).toEqual([]);
  });
});

test('a member that only others have reached is missing, and looked for where it may have moved', async () => {
  const group = new Group();
  group.fate = (from, to) => (from === A && to === B ? 'refused' : 'arrives');
  for (const self of [A, B, C]) await group.start(self);
  await group.pass(1_500);
  expect(group.at(A).state(B)).toBe('alive');
  expect(group.at(A).missing()).toEqual([B]);
  expect(group.sought).toEqual([B]);
  expect(group.at(A).metMajority).toBe(false);
  const before = group.searches;
  await group.pass(3_000);
  expect(group.searches).toBeGreaterThan(before);
  expect(group.at(A).metMajority).toBe(true); // two of three, after a moment
  group.fate = () => 'arrives';
  await group.pass(2_000);
  expect(group.at(A).missing()).toEqual([]);
});

test('members have been looked for when the first search for them is over, or after a second', async () => {
  const [quick, slow] = [new Group(), new Group()];
  let isFound = (): void => undefined;
  quick.search = new Promise((resolve) => (isFound = resolve));
  slow.search = new Promise(() => undefined);
  for (const group of [quick, slow]) {
    await group.start(A);
    await group.pass(900);
    expect(group.at(A).lookedForAll).toBe(false);
  }
  isFound();
  await quick.pass(10);
  expect(quick.at(A).lookedForAll).toBe(true);
  await slow.pass(110);
  expect(slow.at(A).lookedForAll).toBe(true);
});

test('members that moved are looked for while some are missing, and only then', async () => {
  const group = await Group.begin();
  await group.pass(3_000);
  const before = group.searches;
  await group.pass(3_000);
  expect(group.searches).toBe(before);
  group.fate = (from, to) => ([from, to].includes(C) ? 'timeout' : 'arrives');
  await group.pass(8_000);
  expect(group.searches - before).toBeGreaterThan(5);
});

test('a stopped one sends nothing and leaves no timer', async () => {
  const group = await Group.begin();
  await group.pass(3_000);
  await group.stop();
  const sent = group.pings.length;
  await group.pass(5_000);
  expect(group.pings).toHaveLength(sent);
  expect(group.clock.timers).toBe(0);
});

describe('a ring with a new member', () => {
  const LARGER = new Ring({ ...ringOf(membersFrom(1, 4)), epoch: (RING.epoch + 1) as Epoch });
  const D = LARGER.members.map(({ id }) => id).find((id) => RING.member(id) === undefined);

  test('has that member asked at once, by those who take the ring', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    await group.start(found(D), LARGER);
    const nowMs = group.clock.monotonicMs();
    await group.adopt(A, LARGER);
    expect(group.pings.filter(({ to, atMs }) => to === D && atMs === nowMs)).toHaveLength(1);
  });

  test('has that member meet the others, which can be waited for', async () => {
    const group = await Group.begin();
    for (const member of [A, B, C]) await group.adopt(member, LARGER);
    await group.pass(3_000);
    group.delayMs = 30;
    await group.start(found(D), LARGER);
    const joined = group.at(found(D));
    await group.pass(20);
    const meeting = joined.nextMeeting();
    expect(meeting).toBeDefined();
    expect(joined.lastAckedMs(A)).toBeUndefined();
    await group.pass(20);
    await meeting;
    expect(joined.lastAckedMs(A)).toBeDefined();
    expect(joined.nextMeeting()).toBeUndefined();
  });

  test('has all members meet that are as new to a node as its ring', async () => {
    const group = await Group.begin(RING, new TickingClock());
    group.delayMs = 30;
    await group.pass(10);
    const meeting = group.at(A).nextMeeting();
    expect(meeting).toBeDefined();
    expect(group.at(A).lastAckedMs(B)).toBeUndefined();
    while (group.at(A).lastAckedMs(B) === undefined) await group.pass(10);
    await group.pass(10);
    expect(group.at(A).nextMeeting()).toBeUndefined();
    await meeting;
  });

  test('has those asked again whose answers came under a newer ring and did not count', async () => {
    const group = await Group.begin(LARGER);
    await group.pass(3_000);
    const newer = new Ring({ ...LARGER, epoch: (LARGER.epoch + 1) as Epoch });
    for (const member of [A, B, C]) await group.adopt(member, newer);
    await group.start(found(D), LARGER); // once more, with the ring that it had
    const again = group.at(found(D));
    await group.pass(20);
    expect(again.lastAckedMs(A)).toBeUndefined();
    expect(again.nextMeeting()).toBeUndefined();
    await group.adopt(found(D), newer);
    const meeting = again.nextMeeting();
    await group.pass(10);
    await meeting;
    for (const member of [A, B, C]) expect(again.lastAckedMs(member)).toBeDefined();
  });

  test('has nobody wait longer for one that is silent than a ping may take', async () => {
    const group = await Group.begin();
    group.fate = () => 'timeout';
    await group.start(found(D), LARGER);
    const joined = group.at(found(D));
    await group.pass(20);
    expect(joined.nextMeeting()).toBeDefined();
    await group.pass(1_000);
    expect(joined.nextMeeting()).toBeUndefined();
  });

  test('keeps nobody waiting behind the end of the node', async () => {
    const group = await Group.begin();
    group.fate = () => 'timeout';
    await group.start(found(D), LARGER);
    await group.pass(20);
    const waiting = group.at(found(D)).nextMeeting();
    expect(waiting).toBeDefined();
    await group.stop();
    await waiting;
    expect(group.at(found(D)).nextMeeting()).toBeUndefined();
  });
});

describe('a step of the wall clock, or a machine that was suspended', () => {
  const [WEEK_MS, SECONDS_MS] = [7 * 86_400_000, 1_500];

  test.each([WEEK_MS, -WEEK_MS, SECONDS_MS])(
    'by %i ms has all members met again at once',
    async (byMs) => {
      const group = await Group.begin();
      await group.pass(3_000);
      group.delayMs = 30;
      group.clock.jumpWall(byMs);
      const [node, steppedMs] = [group.at(A), group.clock.monotonicMs()];
      const meeting = node.nextMeeting();
      const asked = group.pings.filter(({ from, atMs }) => from === A && atMs === steppedMs);
      expect(asked.map(({ to }) => to).sort()).toEqual([B, C].sort());
      await group.pass(40);
      await meeting;
      for (const member of [B, C]) {
        expect(node.lastAckedMs(member)?.monotonicMs).toBe(steppedMs);
        expect(node.lastAckedMs(member)?.wallMs).toBe(group.clock.wallMs() - 40);
      }
      expect(node.nextMeeting()).toBeUndefined();
    },
  );

  test('is noticed also when nobody asks', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.clock.jumpWall(WEEK_MS);
    const steppedMs = group.clock.monotonicMs();
    await group.pass(400);
    for (const member of [B, C])
      expect(group.at(A).lastAckedMs(member)?.monotonicMs).toBeGreaterThan(steppedMs);
  });

  test('is met once: who is silent keeps nobody waiting a second time', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.fate = () => 'timeout';
    group.clock.jumpWall(WEEK_MS);
    expect(group.at(A).nextMeeting()).toBeDefined();
    await group.pass(600);
    expect(group.at(A).nextMeeting()).toBeUndefined();
  });

  test('tells since when the time of what was before is not known', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    expect(group.at(A).lastStepMs()).toBe(Number.NEGATIVE_INFINITY);
    group.clock.jumpWall(-SECONDS_MS);
    const steppedMs = group.clock.monotonicMs();
    expect(group.at(A).lastStepMs()).toBe(steppedMs);
    await group.pass(3_000);
    expect(group.at(A).lastStepMs()).toBe(steppedMs);
  });

  test('goes on meeting a member whose connection the time ended, which is tried again', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.delayMs = 30;
    const lost = new Set([B, C]);
    group.fate = (from, to) => (from === A && lost.delete(to) ? 'lost' : 'arrives');
    group.clock.jumpWall(WEEK_MS);
    const [node, steppedMs] = [group.at(A), group.clock.monotonicMs()];
    expect(node.nextMeeting()).toBeDefined();
    await group.pass(10);
    expect(lost.size).toBe(0);
    const meeting = node.nextMeeting();
    expect(meeting).toBeDefined();
    await group.pass(40);
    await meeting;
    expect(node.lastAckedMs(B)?.monotonicMs).toBeGreaterThanOrEqual(steppedMs);
  });

  test('does not take the answer to an older ping for a meeting', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.delayMs = 300;
    const { length } = group.pings;
    while (!group.pings.slice(length).some(({ from }) => from === A)) await group.pass(10);
    await group.pass(100);
    group.clock.jumpWall(WEEK_MS);
    let met = false;
    const meeting = group
      .at(A)
      .nextMeeting()
      ?.then(() => (met = true));
    await group.pass(250); // that one is answered
    expect(met).toBe(false);
    await group.pass(100);
    await meeting;
    expect(group.at(A).nextMeeting()).toBeUndefined();
    for (const member of [B, C])
      expect(group.at(A).lastAckedMs(member)?.monotonicMs).toBeGreaterThanOrEqual(
        group.at(A).lastStepMs(),
      );
  });

  test('is not the only reason: a process that stood still meets all, too', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    group.clock.advance(SECONDS_MS);
    const node = group.at(A);
    expect(node.nextMeeting()).toBeDefined();
    expect(node.lastStepMs()).toBe(Number.NEGATIVE_INFINITY);
    await group.pass(20);
    expect(node.nextMeeting()).toBeUndefined();
  });

  test('is none while a clock is set right little by little', async () => {
    const group = await Group.begin();
    await group.pass(3_000);
    for (let slew = 0; slew < 100; slew++) {
      group.clock.jumpWall(50);
      await group.pass(100);
      expect(group.at(A).nextMeeting()).toBeUndefined();
    }
  });
});

type Fate = 'arrives' | 'refused' | 'timeout' | 'lost';

/** Goes on a little with each look, as a real one does. */
class TickingClock extends HandClock {
  #looks = 0;

  override monotonicMs(): number {
    this.#looks += 1;
    return super.monotonicMs() + this.#looks / 1e6;
  }
}

/** Detectors that call each other directly, all by one clock. */
class Group {
  /** To whom members keep silent. */
  readonly silentTo = new Map<NodeId, readonly NodeId[]>();
  readonly lendNothing = new Set<NodeId>();
  readonly clock: HandClock;
  readonly pings: { readonly from: NodeId; readonly to: NodeId; readonly atMs: number }[] = [];
  readonly catchUps: { readonly by: NodeId; readonly from: NodeId }[] = [];
  /** Where members were told that others are. */
  readonly heard: { readonly by: NodeId; readonly of: NodeId; readonly address: Address }[] = [];
  /** What members were told of the lives of others. */
  readonly lives: {
    readonly by: NodeId;
    readonly member: NodeId;
    readonly of: NodeId;
    readonly life: string;
  }[] = [];
  /** The life of a node that another one is connected to. */
  lifeOf: (by: NodeId, of: NodeId) => string | undefined = () => undefined;
  asked = 0;
  /** Whole tables are not exchanged: what is heard came with a ping. */
  exchangesFail = false;
  searches = 0;
  /** Whom the last one was for. */
  sought: readonly NodeId[] = [];
  /** How long one takes. */
  search: Promise<void> = Promise.resolve();
  /** How long an answer takes. */
  delayMs = 0;
  /** What becomes of a message. */
  fate: (from: NodeId, to: NodeId) => Fate = () => 'arrives';
  readonly #detectors = new Map<NodeId, FailureDetector>();
  readonly #rings = new Map<NodeId, RingHolder>();
  readonly #clocks = new Map<NodeId, PeerClocks>();
  readonly #changes: { readonly by: NodeId; readonly of: NodeId; readonly now: string }[] = [];

  constructor(clock = new HandClock()) {
    this.clock = clock;
  }

  static async begin(ring = RING, clock = new HandClock()): Promise<Group> {
    const group = new Group(clock);
    for (const { id } of ring.members) await group.start(id, ring);
    return group;
  }

  at(node: NodeId): FailureDetector {
    return found(this.#detectors.get(node));
  }

  clocksOf(node: NodeId): PeerClocks {
    return found(this.#clocks.get(node));
  }

  /** The states of a member, as a node came to believe them. */
  changes(by: NodeId, of: NodeId): readonly string[] {
    return this.#changes.filter((each) => each.by === by && each.of === of).map(({ now }) => now);
  }

  async adopt(node: NodeId, ring: Ring): Promise<void> {
    await found(this.#rings.get(node)).adopt(encodeRing(ring));
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      this.clock.advance(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async stop(): Promise<void> {
    const stopped = Promise.all([...this.#detectors.values()].map((each) => each.stop()));
    await this.pass(2_000); // what is under way
    await stopped;
  }

  async start(self: NodeId, ring = RING): Promise<void> {
    const { clock } = this;
    const rings = await RingHolder.open({
      self,
      terms: TERMS,
      store: new MemoryStore(),
      supervisor: { fail: () => undefined, restart: () => undefined },
      log: silentLog,
      isHeld: async () => true,
      hasEnded: () => false,
      onRing: () => this.#detectors.get(self)?.ringChanged(),
      onDeparture: () => undefined,
    });
    this.#rings.set(self, rings);
    await this.adopt(self, ring);
    const clocks = new PeerClocks(clock);
    this.#clocks.set(self, clocks);
    const detector = new FailureDetector({
      identity: { nodeId: self, incarnation: 1 as Incarnation, nonce: '' },
      rings,
      transport: this.#transportOf(self),
      clock,
      random: new SeededRandom(1, self),
      clocks,
      log: silentLog,
      hybridMs: () => clock.wallMs(),
      bound: () => ({ life: self, startBoundMs: 0, boundMs: 0 }),
      bounds: await RememberedBounds.open(new MemoryStore()),
      onRolledBack: async () => undefined,
      silentTo: () => this.silentTo.get(self) ?? [],
      lends: () => !this.lendNothing.has(self),
      catchUp: async (from) => void this.catchUps.push({ by: self, from }),
      onMissing: (missing) => {
        this.searches++;
        this.sought = missing;
        return this.search;
      },
      onChange: (of, _before, now) => this.#changes.push({ by: self, of, now }),
    });
    this.#detectors.set(self, detector);
  }

  #transportOf(self: NodeId): Transport {
    const call = async (
      to: NodeId,
      request: RequestOf<'swim.ping' | 'swim.ping-req' | 'swim.sync'>,
      { timeoutMs }: { readonly timeoutMs: number },
    ): Promise<Answer<unknown>> => {
      if (request.type === 'swim.ping') {
        this.pings.push({ from: self, to, atMs: this.clock.monotonicMs() });
      }
      if (request.type === 'swim.ping-req') this.asked++;
      const failed = { ok: false, from: to } as const;
      if (request.type === 'swim.sync' && this.exchangesFail) return { ...failed, failure: 'lost' };
      switch (this.fate(self, to)) {
        case 'refused':
          return { ...failed, failure: 'unreachable', nobodyListens: true };
        case 'lost':
          return { ...failed, failure: 'lost' };
        case 'timeout':
          await this.#wait(timeoutMs);
          return { ...failed, failure: 'timeout' };
        case 'arrives':
          break;
      }
      const context = { from: self, deadlineMs: this.clock.monotonicMs() + timeoutMs };
      const { handlers } = this.at(to);
      const handle = handlers[request.type] as (
        asked: typeof request,
        by: typeof context,
      ) => ReturnType<(typeof handlers)['swim.ping']>;
      const served = await handle(request, context);
      if (this.delayMs > 0) await this.#wait(this.delayMs);
      if (served.ok) return { ok: true, from: to, reply: served.reply };
      return { ...failed, failure: 'refused', refusal: served.refusal };
    };
    const unused = () => {
      throw new Error('not used by the detector');
    };
    return {
      call: call as Transport['call'],
      callAddress: unused,
      learnAddress: unused,
      addressOf: (node) => addressAsKnown(self, node),
      hearAddress: (of, address) => void this.heard.push({ by: self, of, address }),
      lifeOf: (node) => this.lifeOf(self, node),
      hearLife: (member, [of, life]) => void this.lives.push({ by: self, member, of, life }),
      confirmLife: unused,
      serve: unused,
      close: unused,
    };
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.schedule(ms, resolve));
  }
}

const TERMS = {
  nodeName: 'node1',
  clusterName: 'test',
  address: () => 'node1:7400' as Address,
  zone: 'default',
  weight: 1,
  founders: [],
  replicationFactor: 3,
  replicationFactorGiven: false,
  partitionCount: 16,
  graceMs: 60_000,
  lastSurvivor: 'use' as const,
};

/** Each has reached the other somewhere else. */
function addressAsKnown(by: NodeId, of: NodeId): Address {
  return `${of}.as.known.to.${by}:7400` as Address;
}

function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('there is no such node');
  return value;
}
