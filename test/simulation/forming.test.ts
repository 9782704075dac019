import { describe, expect, test } from 'vitest';
import type { Address } from '../../src/ids.ts';
import { Story } from '../simulator/story.ts';

describe('forming a cluster', () => {
  test('takes all founders, started in any order and far apart', async () => {
    const story = Story.prepare();
    for (const number of [4, 2, 5, 1, 3]) {
      story.cluster.start(story.node(number));
      await story.pass(7_000);
      if (number !== 3) expect(story.at(number).cluster.ring()).toBeUndefined();
    }
    await story.until(() => story.cluster.ready);
    expect((await clusterIds(story)).size).toBe(1);
    expect(story.at(1).cluster.ring()?.epoch).toBe(1);
  });

  test('waits for the one that is missing, says so, and serves nobody meanwhile', async () => {
    const story = Story.prepare();
    for (const number of [1, 2, 3, 4]) story.cluster.start(story.node(number));
    await story.pass(10_000);
    expect(whyNotReady(story, 1)).toMatch(/waiting for these founders: node5:7400/);
    await expect(story.put(1, 'k', 'v')).rejects.toMatchObject({
      code: 'not_ready',
      outcome: 'not_applied',
    });
    await expect(story.get(1, 'k')).rejects.toMatchObject({ code: 'not_ready' });
  });

  test('makes one cluster when founders crash and restart at any moment of it', async () => {
    for (let crashAfterMs = 0; crashAfterMs < 60; crashAfterMs += 3) {
      const story = Story.prepare();
      for (const node of story.cluster.nodes) story.cluster.start(node);
      await story.pass(300 + crashAfterMs);
      for (const number of [1, 2]) {
        story.cluster.crash(story.node(number));
        story.cluster.start(story.node(number));
      }
      await story.until(() => story.cluster.ready);
      expect((await clusterIds(story)).size).toBe(1);
    }
  });

  test.each([
    [{ replicationFactor: 5 }, /node2 .*QUORATE_REPLICATION_FACTOR=5, this node with 3/],
    [{ partitionCount: 32 }, /QUORATE_PARTITIONS=32, this node with 16/],
    [{ clusterName: 'other' }, /QUORATE_CLUSTER_NAME=other/],
    [{ seeds: ['node1:7400', 'node2:7400'] as Address[] }, /QUORATE_SEEDS=node1:7400,node2:7400/],
    [{ nodeName: 'node3' }, /both named node3/],
  ])('is refused while one of them was given %o', async (change, why) => {
    const story = Story.prepare();
    story.node(2).change = change;
    for (const node of story.cluster.nodes) story.cluster.start(node);
    await story.pass(10_000);
    expect(whyNotReady(story, 1)).toMatch(why);
    for (const number of [1, 2, 3, 4, 5]) expect(story.at(number).cluster.ring()).toBeUndefined();
  });

  test('is not for a node that the list does not name: it joins the others', async () => {
    const story = Story.prepare({ nodes: 4 });
    const seeds = ['node1:7400', 'node2:7400', 'node3:7400'] as Address[];
    for (const node of story.cluster.nodes) {
      node.change = { seeds };
      story.cluster.start(node);
    }
    await story.until(() => story.cluster.ready);
    expect((await clusterIds(story)).size).toBe(1);
  });

  test('is not for a node that the list does not name, as long as the others have none: it waits', async () => {
    const story = Story.prepare({ nodes: 4 });
    const seeds = ['node1:7400', 'node2:7400', 'node3:7400'] as Address[];
    for (const node of story.cluster.nodes) node.change = { seeds };
    for (const number of [1, 2, 4]) story.cluster.start(story.node(number));
    await story.pass(10_000);
    expect(story.at(4).cluster.ring()).toBeUndefined();
    expect(whyNotReady(story, 4)).toMatch(/node3:7400/);
  });

  test('is not for a lone node whose address members know: it joins them', async () => {
    const story = await Story.begin({ nodes: 3 });
    const lost = story.node(3);
    story.cluster.crash(lost);
    lost.disk.wipe();
    lost.change = { seeds: [] };
    story.cluster.start(lost);
    await story.until(() => lost.node?.cluster.ring() !== undefined);
    expect((await clusterIds(story)).size).toBe(1);
  });

  test('by a single node without a list takes a moment and no one else', async () => {
    const story = Story.prepare({ nodes: 1 });
    story.node(1).change = { seeds: [] };
    story.cluster.start(story.node(1));
    await story.until(() => story.cluster.ready);
    await story.put(1, 'k', 'v', 'all');
    expect(await story.get(1, 'k')).toBe('v');
  });
});

describe('a node that restarts', () => {
  test('keeps its identity under a higher incarnation', async () => {
    const story = await Story.begin();
    const before = story.at(1).identity;
    await restart(story);
    const after = story.at(1).identity;
    expect(after.nodeId).toBe(before.nodeId);
    expect(after.incarnation).toBe(before.incarnation + 1);
    expect(after.nonce).not.toBe(before.nonce);
  });

  test("with another replication factor than the ring's is refused, naming both", async () => {
    const story = await Story.begin();
    story.node(1).change = { replicationFactor: 5 };
    await restart(story);
    await story.until(() => story.node(1).life.ended);
    const [why] = story.trace.last.filter((line) => line.includes('node1 stops'));
    expect(why).toMatch(/keeps 3 copies.*FACTOR=5/);
  });

  test('with all others under a new replication factor brings it into force', async () => {
    const story = await Story.begin({ nodes: 3 });
    await story.put(1, 'k', 'v');
    for (const node of story.cluster.nodes) {
      story.cluster.crash(node);
      node.change = { replicationFactor: 2 };
      story.cluster.start(node);
    }
    await story.until(() => story.node(1).node?.cluster.ring()?.epoch === 3);
    await story.until(() => story.cluster.ready);
    const { keepers } = await story.replicasOf('k');
    expect(keepers).toHaveLength(2);
  });

  test('without asking for a replication factor takes that of the ring', async () => {
    const story = await Story.begin();
    story.node(1).change = { replicationFactor: 5, replicationFactorGiven: false };
    await restart(story);
    expect(story.node(1).refusal).toBeUndefined();
  });

  test("on another cluster's directory is refused, naming it", async () => {
    const story = await Story.begin();
    story.node(1).change = { clusterName: 'other' };
    await restart(story);
    expect(String(story.node(1).refusal)).toMatch(/belongs to the cluster "simulated"/);
  });
});

async function restart(story: Story): Promise<void> {
  story.cluster.crash(story.node(1));
  story.cluster.start(story.node(1));
  await story.until(() => story.node(1).node !== undefined || story.node(1).refusal !== undefined);
}

/** The clusters that the running nodes belong to. */
async function clusterIds(story: Story): Promise<Set<string | undefined>> {
  const ids = new Set<string | undefined>();
  for (const { node } of story.cluster.running) {
    ids.add((await story.run(node.cluster.cluster(500))).id);
  }
  return ids;
}

function whyNotReady(story: Story, number: number): string {
  return (
    story
      .at(number)
      .cluster.readiness()
      .find(({ ok }) => !ok)?.detail ?? 'ready'
  );
}
