/** What operators ask for, in a cluster of simulated nodes. */
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ClusterEvent } from '../../src/telemetry/cluster-events.ts';
import { Story } from '../simulator/story.ts';

const GRACE_MS = 600_000; // nobody is replaced while a story runs

describe('an operator', () => {
  test('sends a member away; the others tell of it from start to end', async () => {
    const story = await Story.begin({ nodes: 4, graceMs: GRACE_MS });
    const told = toldBy(story, 1);
    const before = await story.run(story.at(1).cluster.cluster(1_000));
    const started = await story.run(story.at(1).operator.changeMember('leave', 'node4'));
    expect(started).toEqual({ task: `ring-${before.epoch + 1}`, epoch: before.epoch + 1 });
    await settles(story, started.epoch);
    const { members, transition } = await story.run(story.at(2).cluster.cluster(1_000));
    expect([members.map(({ name }) => name), transition]).toEqual([
      ['node1', 'node2', 'node3'],
      undefined,
    ]);
    expect(told.filter(({ type }) => type.startsWith('ring.'))).toMatchObject([
      { type: 'ring.joint', task: started.task, leaving: ['node4'] },
      { type: 'ring.settled', members: 3 },
    ]);
    // The one that left saw the end as well, and does not ask to be taken in again.
    await story.pass(5_000);
    expect(story.at(4).cluster.ring()).toBeUndefined();
    expect(story.at(1).cluster.ring()?.epoch).toBe(started.epoch + 1);
    for (const number of [1, 2, 3, 4]) {
      const { ended } = await story.run(story.at(number).cluster.tasks(1_000));
      expect(ended[0]).toMatchObject({ task: started.task, state: 'done' });
    }
  });

  test('is refused what would leave too few members, or removes one that lives', async () => {
    const story = await Story.begin({ nodes: 3, graceMs: GRACE_MS });
    const { operator, cluster } = story.at(1);
    for (const [change, name] of [
      ['leave', 'node3'],
      ['remove', 'node3'],
      ['replace', 'node3'],
      ['leave', 'nobody'],
    ] as const) {
      const asked = operator.changeMember(change, name);
      await expect(story.run(asked)).rejects.toMatchObject({ code: 'conflict' });
    }
    await expect(story.run(operator.changeReplicationFactor(8))).rejects.toMatchObject({
      code: 'invalid_parameter',
    });
    expect(cluster.ring()?.epoch).toBe(1);
  });

  test('removes a dead member, which cannot leave any more', async () => {
    const story = await Story.begin({ nodes: 4, graceMs: GRACE_MS });
    const told = toldBy(story, 1);
    story.cluster.crash(story.node(4));
    await story.until(() => told.some(({ type }) => type === 'member.dead'));
    const { operator } = story.at(1);
    await expect(story.run(operator.changeMember('leave', 'node4'))).rejects.toThrow(/is dead/);
    const { epoch } = await story.run(operator.changeMember('remove', 'node4'));
    await settles(story, epoch);
    const { members } = await story.run(story.at(1).cluster.cluster(1_000));
    expect(members.map(({ name }) => name)).toEqual(['node1', 'node2', 'node3']);
  });

  test('wins or is told when another one asks at the same time', async () => {
    const story = await Story.begin({ nodes: 4, graceMs: GRACE_MS });
    const asked = [
      story.at(1).operator.changeMember('leave', 'node3'),
      story.at(2).operator.changeMember('leave', 'node4'),
    ];
    const ended = await story.run(Promise.allSettled(asked));
    expect(ended.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(ended.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'conflict' },
    });
  });

  // Whoever asks second finds what the first one got accepted, and carries it on.
  test('is told that it won when another one carried on what it asked for', async () => {
    const story = await Story.begin({ nodes: 4, graceMs: GRACE_MS });
    const { operator } = story.at(1);
    const first = operator.changeMember('leave', 'node3');
    const isAccepting = (line: string): boolean => /node1 > node\d ring.accept/.test(line);
    await story.until(() => story.trace.last.filter(isAccepting).length === 3);
    for (const other of [2, 3, 4]) story.network.cut(`node${other}`, 'node1');
    const second = story.at(2).operator.changeMember('leave', 'node4');
    await expect(story.run(second)).rejects.toMatchObject({
      code: 'conflict',
      outcome: 'not_applied',
    });
    story.network.mend();
    await expect(story.run(first)).resolves.toEqual({ task: 'ring-2', epoch: 2 });
  });

  test('says who is missing when there is no majority to decide', async () => {
    const story = await Story.begin({ nodes: 4, graceMs: GRACE_MS });
    for (const gone of [3, 4]) story.cluster.crash(story.node(gone));
    await story.pass(10_000);
    const asked = story.at(1).operator.changeMember('remove', 'node3');
    await expect(story.run(asked)).rejects.toMatchObject({
      code: 'quorum_unavailable',
      message: expect.stringMatching(/node remove (node3 node4|node4 node3) --force/),
    });
  });

  test('is told of a member that is on its way out already', async () => {
    const story = await Story.begin({ nodes: 4, graceMs: GRACE_MS });
    const { operator } = story.at(1);
    await story.run(operator.changeMember('leave', 'node4'));
    for (const change of ['leave', 'remove'] as const)
      await expect(story.run(operator.changeMember(change, 'node4'))).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('node4 is leaving already'),
      });
  });

  test('is refused a leave after which too few living members would be left', async () => {
    const story = await Story.begin({ nodes: 4, graceMs: GRACE_MS });
    story.cluster.crash(story.node(4));
    await story.pass(10_000);
    await expect(
      story.run(story.at(1).operator.changeMember('leave', 'node3')),
    ).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/2 living members.*start node4/),
    });
  });

  // The end of a transition is a ring as well, but nobody asked for it: it is no reason to refuse.
  test.each([0, 2, 4, 6, 8])(
    'is not refused because a transition ends just then (%i ms after that was proposed)',
    async (delayMs) => {
      const story = await Story.begin({ nodes: 5, graceMs: GRACE_MS });
      await story.run(story.at(1).operator.changeMember('leave', 'node5'));
      await endIsProposed(story);
      await story.pass(delayMs);
      const { epoch } = await story.run(story.at(3).operator.changeMember('leave', 'node4'));
      await settles(story, epoch);
      const { members } = await story.run(story.at(1).cluster.cluster(1_000));
      expect(members.map(({ name }) => name)).toEqual(['node1', 'node2', 'node3']);
    },
  );

  test('changes the replication factor, and only plans with a dry run', async () => {
    const story = await Story.begin({ nodes: 5, graceMs: GRACE_MS });
    for (let number = 0; number < 40; number++) await story.put(1, `key${number}`, 'v');
    const { operator, cluster } = story.at(1);
    const plan = await story.run(operator.planReplicationFactor(4));
    expect(plan).toMatchObject({ partitions: 16, replicas: 16, seconds: 1 });
    expect(plan.bytes).toBeGreaterThan(40);
    expect(cluster.ring()?.epoch).toBe(1);
    const { epoch } = await story.run(operator.changeReplicationFactor(4));
    await settles(story, epoch);
    expect(cluster.ring()?.partitions.every(({ replicas }) => replicas.length === 4)).toBe(true);
  });
});

describe('the plan of a removal', () => {
  test('expects of a dead member what the living ones keep', async () => {
    const story = await Story.begin({ nodes: 4, graceMs: GRACE_MS });
    const told = toldBy(story, 1);
    const text = 'v'.repeat(1_000);
    for (let number = 0; number < 200; number++) await story.put(1, `key${number}`, text, 'all');
    story.cluster.crash(story.node(4));
    await story.until(() => told.some(({ type }) => type === 'member.dead'));
    const plan = await story.run(story.at(1).operator.planMember('remove', 'node4'));
    // Of four nodes with three copies each keeps three quarters of the keys.
    expect(plan.replicas).toBe(12);
    expect(plan.bytes).toBeGreaterThan(150 * 1_000 * 0.9);
    expect(plan.bytes).toBeLessThan(150 * 1_000 * 1.2);
  });
});

describe('the alarms in /cluster', () => {
  test('tell of fewer members than replicas, as the check of the ring does, until one more is there', async () => {
    const story = await Story.begin({ nodes: 2, graceMs: GRACE_MS });
    const { cluster } = story.at(1);
    const few = 'fewer members (2) than the replication factor (3): each keeps all keys';
    expect((await story.run(cluster.cluster(1_000))).alarms).toEqual([few]);
    const check = cluster.readiness().find(({ name }) => name === 'ring');
    expect(check).toMatchObject({ ok: true, detail: expect.stringContaining(few) });
    story.join();
    await story.settled(1, 2, 3);
    expect((await story.run(cluster.cluster(1_000))).alarms).toEqual([]);
    const later = cluster.readiness().find(({ name }) => name === 'ring');
    expect(later).toMatchObject({ ok: true, detail: expect.not.stringContaining('fewer') });
  });

  test('name the dead of whose partitions nothing is left, until they are back', async () => {
    const story = await Story.begin({ nodes: 3, replicationFactor: 1, graceMs: GRACE_MS });
    const told = toldBy(story, 1);
    story.cluster.crash(story.node(3));
    await story.until(() => told.some(({ type }) => type === 'member.dead'));
    const { cluster } = story.at(1);
    const alarm = expect.stringMatching(
      /^no copy of 6 of 16 partitions .* node remove node3 --force$/,
    );
    expect((await story.run(cluster.cluster(1_000))).alarms).toEqual([alarm]);
    story.cluster.start(story.node(3));
    await story.until(() => told.some(({ type }) => type === 'member.alive'));
    expect((await story.run(cluster.cluster(1_000))).alarms).toEqual([]);
  });
});

describe('replacement', () => {
  test('is told to be frozen while too many members are dead, and to go on afterwards', async () => {
    const story = await Story.begin({ nodes: 7, graceMs: GRACE_MS });
    const told = toldBy(story, 1);
    const { cluster, gauges } = story.at(1);
    const frozen = (): number => {
      let read = 0;
      gauges.read((name, size) => {
        if (name === 'replacement_frozen') read = size;
      });
      return read;
    };
    for (const number of [5, 6, 7]) story.cluster.crash(story.node(number));
    await story.until(() => told.some(({ type }) => type === 'replacement.frozen'));
    expect(told).toContainEqual({ type: 'replacement.frozen', dead: 3, members: 7 });
    const { alarms } = await story.run(cluster.cluster(1_000));
    expect(alarms[0]).toContain('replacement is frozen');
    const check = cluster.readiness().find(({ name }) => name === 'replacement');
    expect(check).toMatchObject({ ok: true, detail: alarms[0] });
    expect(frozen()).toBe(1);

    story.cluster.start(story.node(7));
    await story.until(() => told.some(({ type }) => type === 'replacement.thawed'));
    const thawed = (await story.run(cluster.cluster(1_000))).alarms;
    expect(thawed.join()).not.toContain('frozen');
    expect(frozen()).toBe(0);
  });
});

test('a member that dies while two others are replaced is replaced, too, and no freeze keeps it', async () => {
  const story = await Story.begin({ nodes: 9, replicationFactor: 2, graceMs: 2_000 });
  const told = toldBy(story, 9);
  const { assignment = [] } = story.rings.newest ?? {};
  /** Nothing is on these two alone. */
  const keepApart = (a: number, b: number): boolean =>
    !assignment.some((set) => set.includes(story.idOf(a)) && set.includes(story.idOf(b)));
  const second = [2, 3, 4, 5, 6, 7, 8].find((number) => keepApart(1, number)) ?? 0;
  const ids = new Map([3, 4, 5, 6, 7, 8, 2].map((number) => [number, story.idOf(number)]));
  const candidates = [...ids].filter(
    ([number]) => number !== second && keepApart(1, number) && keepApart(second, number),
  );
  for (const number of [1, second]) story.cluster.crash(story.node(number));
  story.network.holdUp = ({ type }) => (type.startsWith('transfer.') ? 1_500 : 0);
  await story.until(() => {
    const leaving = story.rings.newest?.members.filter((one) => one.leaving === 'replaced');
    return leaving?.length === 2;
  });
  // One that has to pull: the transition does not end without it.
  const { next = [] } = story.rings.newest ?? {};
  const [third = 0] =
    candidates.find(([, id]) =>
      next.some((set, at) => set.includes(id) && assignment[at]?.includes(id) === false),
    ) ?? [];
  story.cluster.crash(story.node(third));
  const gone = [1, second, third];
  await story.settled(...[2, 3, 4, 5, 6, 7, 8, 9].filter((number) => !gone.includes(number)));
  expect(told.map(({ type }) => type)).not.toContain('replacement.frozen');
});

test('a member that only the node asked finds dead is not removed', async () => {
  const story = await Story.begin({ nodes: 5, graceMs: GRACE_MS });
  const { cluster, operator } = story.at(1);
  const isDead = async (): Promise<boolean> => {
    const { members } = await story.run(cluster.cluster(100));
    return members.some(({ name, state }) => name === 'node5' && state === 'dead');
  };
  for (const other of [2, 3, 4, 5]) story.network.cut('node1', `node${other}`);
  while (!(await isDead())) await story.pass(100);
  story.network.mend();
  story.network.cut('node1', 'node5');
  const warnings: string[] = [];
  const listen = ({ name }: Error): number => warnings.push(name);
  process.on('warning', listen);
  onTestFinished(() => void process.off('warning', listen));
  // However many operators wait, nobody is told of a leak on the node's standard error.
  const asked = Array.from({ length: 20 }, () => operator.changeMember('remove', 'node5'));
  for (const said of await story.run(Promise.allSettled(asked)))
    expect(said).toMatchObject({
      reason: { message: expect.stringMatching(/dead to this node only|is (alive|suspect), not/) },
    });
  expect(warnings).toEqual([]);
  expect(story.rings.newest?.epoch).toBe(1);
});

test('nothing goes on with survivors alone while many are dead, of whom some are being replaced', async () => {
  const story = await Story.begin({ nodes: 9, graceMs: 2_000 });
  const { assignment = [] } = story.rings.newest ?? {};
  const numbers = [2, 3, 4, 5, 6, 7, 8, 9];
  const keptBy = (number: number) => assignment.filter((set) => set.includes(story.idOf(number)));
  const second = numbers.find((number) =>
    keptBy(number).some((set) => set.includes(story.idOf(1))),
  );
  const third = numbers.find((number) => number !== second) ?? 0;
  for (const number of [1, second ?? 0]) story.cluster.crash(story.node(number));
  await story.until(
    () => story.rings.newest?.members.filter((one) => one.leaving === 'replaced').length === 2,
  );
  story.cluster.crash(story.node(third));
  const isRecovering = (): boolean => (story.rings.newest?.recovering.length ?? 0) > 0;
  for (let graces = 0; graces < 20; graces++) {
    await story.pass(2_000);
    expect(isRecovering()).toBe(false);
  }
  const { alarms } = await story.run(story.at(9).cluster.cluster(1_000));
  expect(alarms.length).toBeGreaterThan(0);
  expect(alarms.join()).not.toContain('goes on by itself');

  story.cluster.start(story.node(third));
  await story.until(isRecovering);
});

/** Until somebody proposes the ring that ends the transition. */
async function endIsProposed(story: Story): Promise<void> {
  const told = toldBy(story, 1);
  await story.until(() =>
    told.some((event) => event.type === 'transition.progress' && event.pulled === event.toPull),
  );
  const before = story.trace.last.length;
  await story.until(() =>
    story.trace.last.slice(before).some((line) => / > \w+ ring\.prepare/.test(line)),
  );
}

function toldBy(story: Story, number: number): ClusterEvent[] {
  const told: ClusterEvent[] = [];
  story.at(number).events.listen(undefined, ({ event }) => told.push(event));
  return told;
}

/** Until the transition of `epoch` has ended on every node that still belongs to the cluster. */
async function settles(story: Story, epoch: number): Promise<void> {
  await story.until(() =>
    story.cluster.running.every(
      ({ node }) => (node.cluster.ring()?.epoch ?? Number.POSITIVE_INFINITY) > epoch,
    ),
  );
}
