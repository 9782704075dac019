/** Two of three replicas that are gone for good where `QUORATE_LAST_SURVIVOR` is `wait`, and changing that. */
import { describe, expect, test } from 'vitest';
import type { ConfigChange } from '../simulator/simulated-cluster.ts';
import { Story } from '../simulator/story.ts';

const GRACE_MS = 2_000;
const KEYS = Array.from({ length: 24 }, (_, number) => `key${number}`);
const WAIT: ConfigChange = { lastSurvivor: 'wait' };

describe('where survivors are to wait', () => {
  test('nothing goes on by itself, /cluster says so, and an operator brings service back by force', async () => {
    const story = await filled();
    const { keepers } = await story.replicasOf('key0');
    const gone = keepers.slice(1).sort();
    const [by = 0, ...others] = [1, 2, 3, 4, 5].filter((number) => !gone.includes(number));
    const { cluster, operator } = story.at(by);
    for (const number of gone) story.cluster.crash(story.node(number));
    await story.pass(20 * GRACE_MS);

    await expect(story.get(by, 'key0')).rejects.toMatchObject({ code: 'quorum_unavailable' });
    expect(story.rings.newest).toMatchObject({ lastSurvivor: 'wait', recovering: [] });
    const names = gone.map((number) => `node${number}`);
    const { alarms, transition, ...settings } = await story.run(cluster.cluster(1_000));
    expect(settings).toMatchObject({ lastSurvivor: 'wait', replaceAfterMs: GRACE_MS });
    expect(alarms).toEqual([expect.stringMatching(/^too few copies of \d+ of 16 partitions/)]);
    expect(alarms[0]).not.toContain('by itself');
    expect(alarms[0]).toContain(`node remove ${names.join(' ')} --force`);
    expect(transition?.pulled).toBeLessThan(transition?.toPull ?? 0);

    await story.run(operator.forceRemoval(names));
    await story.settled(by, ...others);
    for (const key of KEYS) {
      expect(await story.get(by, key)).toBe(`of ${key}`);
      await story.put(by, key, `new ${key}`);
    }
    expect((await story.run(cluster.cluster(1_000))).alarms).toEqual([]);
    expect(story.rings.flaws).toEqual([]);
  });

  test('one of the missing that comes back is enough', async () => {
    const story = await filled();
    const { keepers } = await story.replicasOf('key0');
    const [, back = 0, gone = 0] = keepers;
    const [by = 0] = [1, 2, 3, 4, 5].filter((number) => ![back, gone].includes(number));
    for (const number of [back, gone]) story.cluster.crash(story.node(number));
    await story.pass(20 * GRACE_MS);
    await expect(story.get(by, 'key0')).rejects.toMatchObject({ code: 'quorum_unavailable' });
    story.cluster.start(story.node(back));
    await story.settled(...[1, 2, 3, 4, 5].filter((number) => number !== gone));
    for (const key of KEYS) expect(await story.get(by, key)).toBe(`of ${key}`);
    expect(story.rings.flaws).toEqual([]);
  });
});

test('members that were all restarted with other values, one by one, change the ring, and no fewer do', async () => {
  const story = await Story.begin({ graceMs: GRACE_MS });
  expect(story.rings.newest).toMatchObject({ lastSurvivor: 'use', graceMs: GRACE_MS });
  const { epoch } = story.at(1).cluster.ring() ?? { epoch: 0 };
  for (const node of story.cluster.nodes) {
    await story.pass(5_000); // long enough for those that were restarted before to compare
    expect(story.rings.newest?.epoch).toBe(epoch);
    story.cluster.crash(node);
    node.change = { ...WAIT, replaceAfterMs: 5_000 };
    story.cluster.start(node);
    await story.until(() => story.cluster.ready);
  }
  await story.until(() => story.rings.newest?.epoch !== epoch);
  const ring = await story.settled(1, 2, 3, 4, 5);
  expect(ring).toMatchObject({ lastSurvivor: 'wait', graceMs: 5_000, epoch: epoch + 1 });
});

// A part that is cut off serves on by the ring that it holds: for ever, or for a grace period of that one.
test('a member that missed that others need wait no longer keeps them waiting', async () => {
  const story = await filled();
  const LONG_MS = 9_000;
  await restartAll(story, { ...WAIT, replaceAfterMs: LONG_MS });
  await story.until(() => story.rings.newest?.graceMs === LONG_MS);
  const { epoch } = await story.settled(1, 2, 3, 4, 5);
  const seen: unknown[] = [];
  story.rings.whenDecided(({ lastSurvivor, graceMs }) => seen.push([lastSurvivor, graceMs]));
  await restartAll(story, { lastSurvivor: 'use', replaceAfterMs: 2_000 });
  await story.until(() => story.rings.newest?.epoch === epoch + 1);
  story.network.cut('node1', 'node5');
  for (const other of [2, 3, 4, 5]) story.network.cut(`node${other}`, 'node1');
  for (const other of [2, 3, 4, 5]) story.network.cut('node1', `node${other}`);
  await story.pass(3_000);
  expect(seen).toEqual([['announced', 4_500]]);
  story.network.mend();
  await story.until(() => story.rings.newest?.graceMs === 2_000);
  expect(seen).toEqual([
    ['announced', 4_500],
    ['use', 2_250],
    ['use', 2_000],
  ]);
});

async function restartAll(story: Story, change: ConfigChange): Promise<void> {
  for (const node of story.cluster.nodes) {
    story.cluster.crash(node);
    node.change = change;
    story.cluster.start(node);
    await story.until(() => story.cluster.ready);
  }
}

async function filled(): Promise<Story> {
  const story = Story.prepare({ graceMs: GRACE_MS });
  for (const node of story.cluster.nodes) {
    node.change = WAIT;
    story.cluster.start(node);
  }
  await story.until(() => story.cluster.ready);
  for (const key of KEYS) await story.put(1, key, `of ${key}`, 'all');
  return story;
}
