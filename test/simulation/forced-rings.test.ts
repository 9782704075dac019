/** Members that an operator gives up for good, in a cluster of simulated nodes. */
import { describe, expect, test } from 'vitest';
import { ClientError } from '../../src/errors.ts';
import type { Key, Partition } from '../../src/ids.ts';
import type { ClusterEvent } from '../../src/telemetry/cluster-events.ts';
import type { Record } from '../../src/version/record.ts';
import { Story } from '../simulator/story.ts';

const GRACE_MS = 2_000;
const KEYS = Array.from({ length: 24 }, (_, number) => `key${number}`);

describe('when most members are gone for good', () => {
  test('those who are left go on as soon as an operator forces it, with all that they have', async () => {
    const story = await filled();
    const survived = await keysOf(story, (keepers) => keepers.some((number) => number <= 2));
    const told = toldBy(story, 1);
    await lose(story, 3, 4, 5);
    await story.pass(GRACE_MS);
    await expect(story.get(1, 'key0')).rejects.toMatchObject({ code: 'quorum_unavailable' });
    const names = ['node3', 'node4', 'node5'];
    const plan = await story.run(story.at(2).operator.planForcedRemoval(names));
    expect(plan.lost).toBeGreaterThan(0);
    await story.run(story.at(2).operator.forceRemoval(names));
    await story.settled(1, 2);
    for (const key of survived) {
      expect(await story.get(1, key)).toBe(`of ${key}`);
      expect(await story.get(2, key)).toBe(`of ${key}`);
    }
    expect(survived.length).toBeLessThan(KEYS.length);
    for (const key of KEYS) await story.put(2, key, `new ${key}`);
    expect(told).toContainEqual(expect.objectContaining({ type: 'ring.forced', givenUp: names }));
    expect(story.rings.flaws).toEqual([]);
  });

  test('those who come back all the same are new members, and bring what only they had', async () => {
    const story = await filled();
    const before = [3, 4, 5].map((number) => story.idOf(number));
    const told = toldBy(story, 1);
    await lose(story, 3, 4, 5);
    await story.run(story.at(1).operator.forceRemoval(['node3', 'node4', 'node5']));
    await story.settled(1, 2);
    await story.put(1, 'key0', 'later');
    await story.pass(60_000);
    for (const number of [3, 4, 5]) story.cluster.start(story.node(number));
    await story.settled(1, 2, 3, 4, 5);
    await story.until(() => [3, 4, 5].every((number) => !story.rings.hasAside(`node${number}`)));
    expect([3, 4, 5].map((number) => story.idOf(number))).not.toEqual(before);
    const returned = told.flatMap((event) =>
      event.type === 'member.returned' ? [event.member] : [],
    );
    expect(returned.sort()).toEqual(['node3', 'node4', 'node5']);
    expect(await story.get(4, 'key0')).toBe('later');
    for (const key of KEYS.slice(1)) expect(await story.get(3, key)).toBe(`of ${key}`);
    expect(story.rings.flaws).toEqual([]);
  });

  test('what comes back loses to what was written since, however far its clock was ahead', async () => {
    const story = await filled();
    const [key = ''] = await keysOf(story, (keepers) => keepers.every((number) => number > 2));
    for (const number of [3, 4, 5]) story.node(number).clockFault.offsetMs = 9_000;
    await story.pass(3_000); // a jump of the clock ends the leases; they are had again soon
    await story.put(3, key, 'before');
    await lose(story, 3, 4, 5);
    await story.run(story.at(1).operator.forceRemoval(['node3', 'node4', 'node5']));
    await story.settled(1, 2);
    await story.put(1, key, 'since');
    for (const number of [3, 4, 5]) story.cluster.start(story.node(number));
    await story.settled(1, 2, 3, 4, 5);
    await story.until(() => [3, 4, 5].every((number) => !story.rings.hasAside(`node${number}`)));
    expect(await story.get(2, key)).toBe('since');
    expect(story.rings.flaws).toEqual([]);
  });

  test('those who come back together do not answer as the majority they were (found by seed 2887)', async () => {
    const story = await filled();
    const [key = ''] = await keysOf(
      story,
      (keepers) => keepers.filter((number) => number > 2).length >= 2,
    );
    await lose(story, 3, 4, 5);
    await story.run(story.at(1).operator.forceRemoval(['node3', 'node4', 'node5']));
    await story.settled(1, 2);
    await story.put(1, key, 'later');
    for (const name of ['node1', 'node2']) story.network.slow(name, 50); // they are heard late
    for (const number of [3, 4, 5]) story.cluster.start(story.node(number));
    const answers: unknown[] = [];
    while (!story.rings.isMember('node3')) {
      await story.pass(0.5);
      const { node } = story.node(3);
      if (node === undefined) continue;
      const before = answers.length;
      const options = { consistency: 'quorum', timeoutMs: 1_000 } as const;
      node.operations.get(key as Key, options).then(
        (record) => answers.push(Buffer.from(bytesOf(record)).toString()),
        (error: unknown) => answers.push(error),
      );
      // The process that is asked may end before it answers.
      await story.until(() => answers.length > before || story.node(3).node !== node);
    }
    expect(answers.length).toBeGreaterThan(1);
    for (const answer of answers) expect([expect.any(ClientError), 'later']).toContainEqual(answer);
  });

  test('a damaged record of which no other copy is left is lost, and nothing else is', async () => {
    const story = await filled({ nodes: 3 });
    await lose(story, 2, 3);
    await story.tamper(1, 'key0', (bytes) =>
      bytes?.map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
    );
    await story.run(story.at(1).operator.forceRemoval(['node2', 'node3']));
    await story.settled(1);
    expect(await story.get(1, 'key0')).toBeUndefined();
    for (const key of KEYS.slice(1)) expect(await story.get(1, key)).toBe(`of ${key}`);
    await story.put(1, 'key0', 'anew');
    story.cluster.start(story.node(2));
    await story.settled(1, 2);
    await story.until(() => !story.rings.hasAside('node2'));
    expect(await story.get(2, 'key0')).toBe('anew');
  });

  test('a single one that is left serves alone', async () => {
    const story = await filled();
    await lose(story, 2, 3, 4, 5);
    await story.run(story.at(1).operator.forceRemoval(['node2', 'node3', 'node4', 'node5']));
    await story.settled(1);
    await story.put(1, 'key0', 'alone');
    expect(await story.get(1, 'key0')).toBe('alone');
  });

  test('all who are left have to be there, to agree, and to be asked for nobody who lives', async () => {
    const story = await filled();
    const refused = async (by: number, names: readonly string[], why: RegExp) => {
      const asked = story.run(story.at(by).operator.forceRemoval(names));
      await expect(asked).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringMatching(why),
        outcome: 'not_applied',
      });
    };
    await refused(1, ['node5'], /node5 is alive, not dead/);
    await lose(story, 3, 4, 5);
    await refused(1, ['node3', 'node4', 'node2'], /node2 is alive, not dead/);
    await refused(1, ['node3', 'node4', 'node9'], /no member named node9/);
    await refused(1, ['node3', 'node4'], /dead as well: node5/);
    story.network.cut('node1', 'node2');
    await refused(1, ['node3', 'node4', 'node5'], /these did not: node2/);
    expect(story.rings.newest?.epoch).toBe(1);
  });

  test('two operators are not told both that they won', async () => {
    const story = await filled();
    await lose(story, 3, 4, 5);
    const names = ['node3', 'node4', 'node5'];
    const asked = [1, 2].map((by) => story.at(by).operator.forceRemoval(names));
    const outcomes = await story.run(Promise.allSettled(asked));
    await story.settled(1, 2);
    const won = outcomes.filter(({ status }) => status === 'fulfilled');
    expect(won).toHaveLength(1);
    expect(story.rings.flaws).toEqual([]);
  });

  test('what was accepted when the one that forced it died is carried on', async () => {
    const story = await filled();
    await lose(story, 4, 5);
    await lose(story, 3);
    const accepts = story.network.onSent;
    story.network.onSent = (from, request) => {
      accepts?.(from, request);
      if (request.type === 'ring.decided') story.cluster.crash(story.node(1));
    };
    void story
      .at(1)
      .operator.forceRemoval(['node3', 'node4', 'node5'])
      .catch(() => undefined);
    await story.until(() => story.node(1).life.ended);
    story.network.onSent = accepts;
    const forced = story.rings.newest;
    story.cluster.start(story.node(1));
    await story.settled(1, 2);
    expect(story.rings.newest?.lineage).toBe(forced?.lineage);
    expect(story.rings.flaws).toEqual([]);
  });
});

describe('when a majority is left, but nothing of some partition', () => {
  test('the plan says so, before and after those that are gone were replaced', async () => {
    const story = await filled({ replicationFactor: 1 });
    await lose(story, 5);
    const plan = await story.run(story.at(1).operator.planForcedRemoval(['node5']));
    expect(plan.lost).toBeGreaterThan(0);
    await story.until(() => story.rings.newest?.next !== undefined);
    const later = await story.run(story.at(1).operator.planForcedRemoval(['node5']));
    expect(later.lost).toBe(plan.lost);
  });

  test('a member that was asked to leave, and died before it had handed over, is given up, too', async () => {
    const story = await filled({ replicationFactor: 1, graceMs: 1_000 });
    await story.run(story.at(1).operator.changeMember('leave', 'node5'));
    story.cluster.crash(story.node(5));
    await story.pass(10_000);
    expect(story.rings.newest?.next).toBeDefined();
    await story.run(story.at(1).operator.forceRemoval(['node5']));
    await story.settled(1, 2, 3, 4);
    expect(story.rings.flaws).toEqual([]);
  });

  test('it waits for those that are gone, until an operator gives them up', async () => {
    const story = await filled({ replicationFactor: 1 });
    const lost = await keysOf(story, (keepers) => keepers.includes(5));
    expect(lost.length).toBeGreaterThan(0);
    await lose(story, 5);
    await story.pass(6 * GRACE_MS);
    expect(story.rings.newest?.next).toBeDefined();
    await story.run(story.at(1).operator.forceRemoval(['node5']));
    await story.settled(1, 2, 3, 4);
    for (const key of KEYS)
      expect(await story.get(1, key)).toBe(lost.includes(key) ? undefined : `of ${key}`);
    story.cluster.start(story.node(5));
    await story.settled(1, 2, 3, 4, 5);
    await story.until(() => !story.rings.hasAside('node5'));
    for (const key of lost) expect(await story.get(2, key)).toBe(`of ${key}`);
    expect(story.rings.flaws).toEqual([]);
  });

  test('nobody is given up before three grace periods of silence, so that those that are cut off have stopped serving', async () => {
    const story = await filled({ replicationFactor: 1 });
    await lose(story, 5);
    const asked = story.run(story.at(1).operator.forceRemoval(['node5']));
    await expect(asked).rejects.toThrow(/3 grace periods \(6 s\)/);
  });

  test('where enough is left of everything, force is refused: it would not be needed', async () => {
    const story = await filled();
    await lose(story, 5);
    const asked = story.run(story.at(1).operator.forceRemoval(['node5']));
    await expect(asked).rejects.toThrow(/remove it without force/);
  });
});

test('what one survivor has is read at once, though those it was on its way to count as survivors, too', async () => {
  const story = await filled({ nodes: 6 });
  const [key = ''] = KEYS;
  const { keepers } = await story.replicasOf(key);
  const [survivor = 0, ...lost] = keepers;
  const partition = story.rings.newest?.partitionOf(key as Key) ?? (0 as Partition);
  story.network.holdUp = ({ type }) => (type.startsWith('transfer.') ? 120_000 : 0);
  await lose(story, ...lost);
  await story.until(
    () => story.rings.newest?.members.filter((one) => one.leaving === 'replaced').length === 2,
  );
  const wanted = story.rings.newest?.next?.[partition] ?? [];
  const others = [1, 2, 3, 4, 5, 6].filter((number) => !keepers.includes(number));
  const [third = 0] = others.filter((number) => !wanted.includes(story.idOf(number)));
  await lose(story, third);
  const names = [...lost, third].map((number) => `node${number}`);
  await story.run(story.at(survivor).operator.forceRemoval(names));
  await story.until(() =>
    story.cluster.running.every(({ node }) => (node.cluster.ring()?.epoch ?? 0) >= 1_000_000_000),
  );
  expect(story.rings.newest?.assignment[partition]).toHaveLength(3);
  story.network.slow(`node${survivor}`, 20); // the one that has it answers last
  for (const number of others.filter((each) => each !== third))
    expect(await story.get(number, key)).toBe(`of ${key}`);
});

describe('a ring that was forced by mistake, while the others lived behind a split', () => {
  test('ends the former lineage when they meet; what either side wrote is there, and what the forced one wrote wins', async () => {
    const story = await filled();
    const [one = '', other = '', alone = ''] = await keysOf(
      story,
      (keepers) => keepers.filter((number) => number > 2).length === 2,
    );
    story.network.island = new Set(['node1', 'node2']);
    await seenDead(story, [3, 4, 5]);
    await story.run(story.at(1).operator.forceRemoval(['node3', 'node4', 'node5']));
    await story.settled(1, 2);
    const former = [3, 4, 5].map((number) => story.idOf(number));
    await story.put(1, one, 'forced');
    await story.pass(100);
    await story.put(3, one, 'former');
    await story.put(3, other, 'former');
    await story.put(4, alone, 'former');
    await story.pass(100);
    await story.put(1, other, 'forced');
    story.network.island = new Set();
    await story.settled(1, 2, 3, 4, 5);
    await story.until(() => [3, 4, 5].every((number) => !story.rings.hasAside(`node${number}`)));
    expect([3, 4, 5].map((number) => story.idOf(number))).not.toEqual(former);
    for (const reader of [1, 4]) {
      expect(await story.get(reader, one)).toBe('forced');
      expect(await story.get(reader, other)).toBe('forced');
      expect(await story.get(reader, alone)).toBe('former');
      for (const key of KEYS)
        if (![one, other, alone].includes(key))
          expect(await story.get(reader, key)).toBe(`of ${key}`);
    }
  });
});

describe('after a split that lasted until either part had gone on without the other', () => {
  test('the forced part looks for those whom it gave up, and tells them', async () => {
    const story = await filled();
    story.network.island = new Set(['node1', 'node2']);
    await seenDead(story, [3, 4, 5]);
    await story.run(story.at(1).operator.forceRemoval(['node3', 'node4', 'node5']));
    await story.until(() => isSettledOn(story, 3, ['node3', 'node4', 'node5']));
    story.network.island = new Set();
    await story.settled(1, 2, 3, 4, 5);
    expect(story.rings.newest?.epoch).toBeGreaterThan(1_000_000_000);
  });

  test('a forced ring that only one of its members ever held ends no cluster that lives', async () => {
    const story = await filled();
    story.network.island = new Set(['node1', 'node2']);
    await seenDead(story, [3, 4, 5]);
    story.network.onSent = (_, request) => {
      if (request.type === 'ring.decided') story.network.cut('node1', 'node2');
    };
    void story
      .at(1)
      .operator.forceRemoval(['node3', 'node4', 'node5'])
      .catch(() => undefined);
    await story.until(() => (story.at(1).cluster.ring()?.epoch ?? 0) > 1_000_000);
    story.cluster.crash(story.node(1));
    story.network.onSent = () => undefined;
    await story.until(() => isSettledOn(story, 3, ['node3', 'node4', 'node5']));
    story.network.island = new Set();
    story.network.mend();
    const names = ['node2', 'node3', 'node4', 'node5'];
    await story.until(() => isSettledOn(story, 3, names));
    story.cluster.start(story.node(1));
    await story.pass(60_000);
    expect(isSettledOn(story, 3, names)).toBe(true);
    await story.put(4, 'key0', 'lives');
    expect(await story.get(2, 'key0')).toBe('lives');
  });
});

/** As node `by` sees it. */
function isSettledOn(story: Story, by: number, names: readonly string[]): boolean {
  const ring = story.rings.ringsOf(`node${by}`).at(-1);
  const listed = ring?.members.map(({ name }) => name).sort();
  return ring?.next === undefined && listed?.join() === names.join();
}

async function filled(options: Parameters<typeof Story.begin>[0] = {}): Promise<Story> {
  const story = await Story.begin({ graceMs: GRACE_MS, ...options });
  for (const key of KEYS) await story.put(1, key, `of ${key}`, 'all');
  return story;
}

/** They die, and all others know it. */
async function lose(story: Story, ...numbers: readonly number[]): Promise<void> {
  for (const number of numbers) story.cluster.crash(story.node(number));
  await seenDead(story, numbers);
}

async function seenDead(story: Story, numbers: readonly number[]): Promise<void> {
  const names = numbers.map((number) => `node${number}`);
  for (const { name, node } of story.cluster.running) {
    if (names.includes(name)) continue;
    for (;;) {
      const { members } = await story.run(node.cluster.cluster(100));
      const dead = members.filter(({ state }) => state === 'dead').map((member) => member.name);
      if (names.every((each) => dead.includes(each))) break;
      await story.pass(100);
    }
  }
}

/** Those whose replicas are `wanted`. */
async function keysOf(
  story: Story,
  wanted: (keepers: readonly number[]) => boolean,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const key of KEYS) if (wanted((await story.replicasOf(key)).keepers)) found.push(key);
  return found;
}

function bytesOf(record: Record | undefined): Uint8Array {
  return record?.content.type === 'value' ? record.content.value : new Uint8Array();
}

function toldBy(story: Story, number: number): ClusterEvent[] {
  const told: ClusterEvent[] = [];
  story.at(number).events.listen(undefined, ({ event }) => told.push(event));
  return told;
}
