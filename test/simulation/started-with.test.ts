/** The replication factor that nodes are started with, beside the one that operators change. */
import { describe, expect, test } from 'vitest';
import { Story } from '../simulator/story.ts';

/** Members look at what the others were started with once a second, and act in turn. */
const LOOKS_MS = 15_000;
const ALL = [1, 2, 3];

describe('a replication factor that was changed while all run', () => {
  test.each(['all', 'some_founders'] as const)(
    'stays, and ends nobody, when it was given at the start to %s',
    async (factorGivenTo) => {
      const story = await Story.begin({ factorGivenTo });
      for (const factor of [5, 2]) {
        await changeTo(factor, story);
        await stays(factor, story);
      }
    },
  );

  test('stays when all are started again with what they were started with before', async () => {
    const story = await changedTo2();
    for (let again = 0; again < 2; again++) {
      restart(story, ALL);
      await stays(2, story);
    }
    expect(story.trace.last.join('\n')).toContain('was changed and is in force');
  });

  test('stays when all crash at any moment of the change', async () => {
    for (let crashAfterMs = 0; crashAfterMs < 30; crashAfterMs += 3) {
      const story = await Story.begin({ nodes: 3 });
      void story
        .at(1)
        .operator.changeReplicationFactor(2)
        .catch(() => undefined);
      await story.pass(crashAfterMs);
      restart(story, ALL);
      await story.until(() => story.cluster.ready);
      const ring = await story.settled(...ALL);
      await stays(ring.replicationFactor, story);
    }
  });

  test('stays when a member that was replaced meanwhile comes back', async () => {
    const story = await Story.begin({ nodes: 4, graceMs: 1_000 });
    story.cluster.crash(story.node(4));
    await story.settled(1, 2, 3);
    await changeTo(2, story, 1, 2, 3);
    story.cluster.start(story.node(4));
    await story.settled(1, 2, 3, 4);
    await stays(2, story);
  });

  test('stays when a member starts with the new one that was away', async () => {
    const story = await Story.begin();
    story.cluster.crash(story.node(5));
    await story.run(story.at(1).operator.changeReplicationFactor(4));
    restart(story, [5], 4);
    await stays(4, story);
  });

  test('ends nobody who was started with a wish that came to nothing', async () => {
    const story = await Story.begin({ nodes: 3 });
    for (const number of ALL) restart(story, [number], [1, 2, 2][number - 1]);
    await story.until(() => story.cluster.ready);
    await stays(3, story);
    await changeTo(2, story);
    await stays(2, story);
    restart(story, ALL);
    await stays(2, story);
  });
});

describe('a replication factor that is given at a start', () => {
  test('comes into force when all were started again with it, one after the other', async () => {
    const story = await Story.begin({ nodes: 3 });
    for (let round = 0; round < 2; round++) {
      for (const number of [1, 2]) {
        restart(story, [number], 2);
        await story.until(() => story.node(number).life.ended); // the others go by 3 yet
      }
    }
    restart(story, [3], 2);
    await story.pass(LOOKS_MS);
    restart(story, [2], 2);
    await story.pass(LOOKS_MS);
    restart(story, [2, 1], 2);
    await becomes(2, story);
    await stays(2, story);
  });

  test('comes into force after the ring was changed, if it is another one than before', async () => {
    const story = await changedTo2();
    restart(story, ALL, 1);
    await becomes(1, story);
    restart(story, ALL, 3);
    await becomes(3, story);
    await changeTo(2, story);
    await stays(2, story);
  });

  test('comes into force though a member was away when the ring was changed', async () => {
    const story = await Story.begin({ nodes: 3 });
    story.cluster.crash(story.node(3));
    await story.run(story.at(1).operator.changeReplicationFactor(2));
    await story.until(() => story.at(2).cluster.ring()?.replicationFactor === 2);
    restart(story, ALL, 1);
    await becomes(1, story);
  });

  test('is refused of a single member after the ring was changed, with both numbers', async () => {
    const story = await changedTo2();
    restart(story, [1], 1);
    await story.until(() => story.node(1).life.ended);
    expect(story.trace.last.filter((line) => line.includes('node1 stops'))).toEqual([
      expect.stringMatching(/keeps 2 copies.*FACTOR=1/),
    ]);
    restart(story, [1], 3);
    await stays(2, story);
  });

  test('is refused of a node with an empty disk unless the ring has it', async () => {
    const story = await changedTo2();
    const newcomer = story.join();
    await story.until(() => story.node(newcomer).life.ended);
    expect(story.trace.last.join('\n')).toMatch(/node4 stops: .*keeps 2 copies.*FACTOR=3/);
  });
});

async function changedTo2(): Promise<Story> {
  const story = await Story.begin({ nodes: 3 });
  await changeTo(2, story);
  return story;
}

async function changeTo(factor: number, story: Story, ...members: readonly number[]) {
  await story.run(story.at(1).operator.changeReplicationFactor(factor));
  await story.settled(
    ...(members.length > 0 ? members : story.cluster.nodes.map((_, at) => at + 1)),
  );
}

/** At once, with this factor given from now on, or as they were started before. */
function restart(story: Story, numbers: readonly number[], replicationFactor?: number): void {
  for (const number of numbers) {
    const node = story.node(number);
    if (!node.life.ended) story.cluster.crash(node);
    if (replicationFactor !== undefined) node.change = { replicationFactor };
    story.cluster.start(node);
  }
}

async function becomes(factor: number, story: Story): Promise<void> {
  await story.until(() => story.cluster.ready);
  await story.until(() => story.rings.newest?.replicationFactor === factor);
  await story.settled(...story.cluster.nodes.map((_, at) => at + 1));
}

/** Nodes look several times, and do nothing, and all of them run. */
async function stays(factor: number, story: Story): Promise<void> {
  await story.until(() => story.cluster.ready);
  await story.settled(...story.cluster.nodes.map((_, at) => at + 1));
  const before = story.rings.newest;
  expect(before?.replicationFactor).toBe(factor);
  await story.pass(LOOKS_MS);
  expect(story.rings.newest).toBe(before);
  expect(story.cluster.obstacles).not.toMatch(/does not run/);
  expect(story.cluster.ready).toBe(true);
}
