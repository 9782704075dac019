import { describe, expect, test } from 'vitest';
import { ClientError } from '../../src/errors.ts';
import type { Key } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';
import type { ClusterEvent } from '../../src/telemetry/cluster-events.ts';
import { Story } from '../simulator/story.ts';

const GRACE_MS = 2_000;
/** Until copies that nobody asks for any more are removed. */
const SURPLUS_GOES_MS = 20_000;
const KEYS = Array.from({ length: 12 }, (_, number) => `key${number}`);

describe('a member that dies', () => {
  test('is replaced after the grace period: every key has as many copies as before', async () => {
    const story = await filled();
    story.cluster.crash(story.node(5));
    const ring = await story.settled(1, 2, 3, 4);
    expect(ring.epoch).toBe(3);
    for (const key of KEYS) {
      expect(await story.get(1, key)).toBe(`of ${key}`);
      expect(await living(story, key)).toHaveLength(3);
    }
    expectRightRings(story);
  });

  test('for less than the grace period moves nothing (failure mode 31)', async () => {
    const story = await filled();
    story.cluster.crash(story.node(5));
    await story.pass(GRACE_MS);
    story.cluster.start(story.node(5));
    await story.pass(10 * GRACE_MS);
    expect(story.rings.newest?.epoch).toBe(1);
    expect(story.trace.last.filter((line) => line.includes('transfer.'))).toEqual([]);
  });

  test('comes back as another one, and what was deleted meanwhile stays deleted (failure modes 34, 35)', async () => {
    const story = await filled();
    const before = story.idOf(5);
    story.cluster.crash(story.node(5));
    await story.settled(1, 2, 3, 4);
    const [deleted = '', ...others] = KEYS;
    expect(await story.delete(1, deleted)).toBe(true);
    await story.pass(60 * GRACE_MS);
    story.cluster.start(story.node(5));
    await story.settled(1, 2, 3, 4, 5);
    await story.until(() => !story.rings.hasAside('node5'));
    expect(story.idOf(5)).not.toBe(before);
    for (const reader of [1, 5]) {
      expect(await story.get(reader, deleted)).toBeUndefined();
      for (const key of others) expect(await story.get(reader, key)).toBe(`of ${key}`);
    }
    expectRightRings(story);
  });

  test('and had taken a write that nobody else still has, brings it back', async () => {
    const story = await filled();
    for (const other of [1, 2, 3, 4]) story.network.cut('node5', `node${other}`);
    const key = await keyOf(story, 5);
    await story.put(5, key, 'late', 'one');
    story.cluster.crash(story.node(5));
    await story.pass(10); // what it had sent is lost
    story.network.mend();
    await story.settled(1, 2, 3, 4);
    expect(await story.get(1, key)).toBe(`of ${key}`);
    story.cluster.start(story.node(5));
    await story.settled(1, 2, 3, 4, 5);
    await story.until(() => !story.rings.hasAside('node5'));
    expect(await story.get(1, key)).toBe('late');
  });
});

test('a member that comes back when all whom it knew were replaced, too, finds the cluster', async () => {
  const story = await filled({ nodes: 3 });
  story.cluster.crash(story.node(1));
  await story.settled(2, 3);
  story.join();
  await story.settled(2, 3, 4);
  for (const [number, others] of [
    [2, [3, 4]],
    [3, [2, 4]],
  ] as const) {
    story.cluster.crash(story.node(number));
    await story.settled(...others);
    story.cluster.start(story.node(number));
    await story.settled(2, 3, 4);
  }
  story.cluster.start(story.node(1));
  await story.settled(1, 2, 3, 4);
  for (const key of KEYS) expect(await story.get(1, key)).toBe(`of ${key}`);
  expectRightRings(story);
});

describe('several members that die', () => {
  test('two of five at once: what all replicas had is all there (failure mode 32)', async () => {
    const story = await filled();
    for (const number of [4, 5]) story.cluster.crash(story.node(number));
    await story.settled(1, 2, 3);
    await story.until(() => [1, 2, 3].every((number) => countsSurvivors(story, number)));
    for (const key of KEYS) {
      expect(await story.get(1, key)).toBe(`of ${key}`);
      expect(await living(story, key)).toEqual([1, 2, 3]);
    }
    expectRightRings(story);
  });

  test('two of five at once: writes that no survivor has are counted and told', async () => {
    const story = await filled();
    const [key = ''] = KEYS;
    const { keepers, others } = await story.replicasOf(key);
    const [survivor = 0, ...victims] = keepers;
    const [coordinator = 0, bystander = 0] = others;
    const told: ClusterEvent[][] = [coordinator, bystander].map((number) => {
      const events: ClusterEvent[] = [];
      story.at(number).events.listen(undefined, ({ event }) => events.push(event));
      return events;
    });
    story.network.cut(`node${coordinator}`, `node${survivor}`);
    await story.put(coordinator, key, 'on two only');
    await story.put(coordinator, key, 'on these again');
    await story.pass(100);
    for (const number of victims) story.cluster.crash(story.node(number));
    story.network.mend();
    await story.settled(...[survivor, coordinator, bystander].sort());
    expect(await story.get(coordinator, key)).toBe(`of ${key}`);
    await story.pass(1_000);
    const missing = told.map((events) => events.filter(({ type }) => type === 'writes.missing'));
    expect(missing).toEqual([[expect.objectContaining({ writes: 2 })], []]);
    expectRightRings(story);
  });

  test('one after the other, down to two, which serve in full; the last one alone at level one', async () => {
    const story = await filled();
    for (const victim of [5, 4, 3]) {
      story.cluster.crash(story.node(victim));
      await story.settled(...[1, 2, 3, 4].filter((number) => number < victim));
      for (const key of KEYS) expect(await story.get(1, key)).toBe(`of ${key}`);
      await story.put(2, 'latest', `without ${victim}`);
    }
    story.cluster.crash(story.node(2));
    expect(await story.get(1, 'latest', 'one')).toBe('without 3');
    await expect(story.get(1, 'latest')).rejects.toBeInstanceOf(ClientError);
    expectRightRings(story);
  });

  test('three of seven at once: nothing is moved, and an alarm raised, until one is back (failure mode 32)', async () => {
    const story = await filled({ nodes: 7 });
    for (const number of [5, 6, 7]) story.cluster.crash(story.node(number));
    await story.pass(15 * GRACE_MS);
    expect(story.rings.newest?.epoch).toBe(1);
    expect(story.trace.last.some((line) => line.includes('too many members are dead'))).toBe(true);
    story.cluster.start(story.node(5));
    await story.settled(1, 2, 3, 4, 5);
    for (const key of KEYS) expect(await story.get(1, key)).toBe(`of ${key}`);
  });
});

describe('a split for longer than the grace period', () => {
  // Those that serve by the ring before, and those that go on by the next one, have no voter in common.
  test('as the ring with other voters is decided: those that did not hear of it stop', async () => {
    const story = await filled({ nodes: 3 });
    const joined = [story.join(), story.join()];
    await story.until(() => {
      const { newest } = story.rings;
      return newest?.next === undefined && newest?.members.length === 5;
    });
    const { newest } = story.rings;
    const unaware = [1, 2, 3].filter(
      (number) => story.rings.ringsOf(`node${number}`).at(-1) !== newest,
    );
    expect(unaware).toHaveLength(2);
    const aware = [1, 2, 3, ...joined].filter((number) => !unaware.includes(number));
    for (const a of unaware) {
      for (const b of aware) {
        story.network.cut(`node${a}`, `node${b}`);
        story.network.cut(`node${b}`, `node${a}`);
      }
    }
    const ids = unaware.map((number) => story.idOf(number));
    const key = Array.from({ length: 200 }, (_, number) => `other${number}`).find((each) => {
      const replicas = newest?.assignment[newest.partitionOf(each as Key)];
      return ids.every((id) => replicas?.includes(id));
    });
    if (key === undefined || newest === undefined) throw new Error('no such key');
    const [by = 0] = unaware;
    const [through = 0] = aware;
    await story.pass(1.5 * GRACE_MS);
    await expect(story.put(by, key, 'of the few')).rejects.toBeInstanceOf(ClientError);
    await story.until(() => (story.rings.newest?.recovering.length ?? 0) > 0);
    await story.settled(...aware);
    await story.put(through, key, 'of the many');
    await expect(story.put(by, key, 'of the few')).rejects.toBeInstanceOf(ClientError);
    expect(story.rings.flaws).toEqual([]);
  });

  test('2|3: two keep their epoch, move and acknowledge nothing; three go on (failure mode 33)', async () => {
    const story = await filled();
    story.network.island = new Set(['node4', 'node5']);
    await story.settled(1, 2, 3);
    for (const number of [4, 5]) {
      expect(story.at(number).cluster.ring()?.epoch).toBe(1);
      for (const key of KEYS) {
        await expect(story.put(number, key, 'cut off')).rejects.toBeInstanceOf(ClientError);
        await expect(story.get(number, key)).rejects.toBeInstanceOf(ClientError);
      }
    }
    for (const key of KEYS) await story.put(1, key, `later ${key}`);
    story.network.island = new Set();
    await story.settled(1, 2, 3, 4, 5);
    for (const key of KEYS) expect(await story.get(4, key)).toBe(`later ${key}`);
    expectRightRings(story);
  });

  test('in the midst of a transition holds it up, and no longer than that', async () => {
    const story = await filled({ graceMs: 60_000 });
    story.join();
    await story.until(() => story.rings.newest?.next !== undefined);
    story.network.island = new Set(['node5']);
    await story.pass(10_000);
    expect(story.rings.newest?.next).toBeDefined();
    for (const key of KEYS) expect(await story.get(1, key)).toBe(`of ${key}`);
    story.network.island = new Set();
    await story.settled(1, 2, 3, 4, 5, 6);
    expectRightRings(story);
  });
});

describe('changes that meet', () => {
  test('two nodes that join at once', async () => {
    const story = await filled({ nodes: 3 });
    expect([story.join(), story.join()]).toEqual([4, 5]);
    await story.settled(1, 2, 3, 4, 5);
    await story.pass(SURPLUS_GOES_MS);
    for (const key of KEYS) expect(await living(story, key)).toHaveLength(3);
    expectRightRings(story);
  });

  test('a member that leaves while another one joins (failure mode 20)', async () => {
    const story = await filled();
    story.join();
    await story.until(() => story.rings.ringsOf('node2').at(-1)?.next !== undefined);
    await story.run(story.at(2).operator.changeMember('leave', 'node1'));
    expect(story.rings.newest?.next).toBeDefined();
    await story.settled(2, 3, 4, 5, 6);
    for (const key of KEYS) {
      expect(await story.get(6, key)).toBe(`of ${key}`);
      expect((await story.replicasOf(key)).keepers).not.toContain(1);
    }
    expectRightRings(story);
  });

  test('one that was taken in and left again while it waited for an answer asks nobody else', async () => {
    const story = await filled();
    // The member that it asks takes it in, and its answer never comes; the ring comes later, from others.
    let asked = false;
    story.network.onSent = (_, { type }) => {
      asked ||= type === 'membership.join';
    };
    story.join();
    await story.until(() => asked);
    for (const number of [1, 2, 3, 4, 5]) story.network.cut(`node${number}`, 'node6');
    await story.pass(500);
    story.network.mend();
    await story.settled(1, 2, 3, 4, 5, 6);
    await story.run(story.at(1).operator.changeMember('leave', 'node6'));
    const { epoch } = await story.settled(1, 2, 3, 4, 5);
    await story.pass(15_000); // longer than anybody waits for the answer
    expect(story.rings.newest?.epoch).toBe(epoch);
    expectRightRings(story);
  });

  test('who knows only members that have left since hears from them where the cluster went', async () => {
    const story = await filled();
    story.cluster.crash(story.node(5));
    await story.settled(1, 2, 3, 4);
    for (const number of [6, 7, 8]) expect(story.join()).toBe(number);
    await story.settled(1, 2, 3, 4, 6, 7, 8);
    for (const leaver of [1, 2, 3, 4])
      await story.run(story.at(6).operator.changeMember('leave', `node${leaver}`));
    await story.settled(6, 7, 8);
    story.cluster.start(story.node(5));
    await story.settled(5, 6, 7, 8);
    expect(story.join()).toBe(9);
    await story.settled(5, 6, 7, 8, 9);
    for (const key of KEYS) expect(await story.get(9, key)).toBe(`of ${key}`);
    expectRightRings(story);
  });

  test('a node that dies while it joins is given up', async () => {
    const story = await filled();
    const newcomer = story.join();
    await story.until(() => story.rings.newest?.next !== undefined);
    story.cluster.crash(story.node(newcomer));
    await story.settled(1, 2, 3, 4, 5);
    for (const key of KEYS) expect(await story.get(1, key)).toBe(`of ${key}`);
    expectRightRings(story);
  });

  test('two operators that ask at once: exactly one wins (failure mode 26)', async () => {
    const story = await filled();
    const asked = [
      story.at(1).operator.changeReplicationFactor(2),
      story.at(2).operator.changeReplicationFactor(5),
    ];
    const [one, other] = await story.run(Promise.allSettled(asked));
    expect([one?.status, other?.status].toSorted()).toEqual(['fulfilled', 'rejected']);
    const ring = await story.settled(1, 2, 3, 4, 5);
    expect(ring.replicationFactor).toBe(one?.status === 'fulfilled' ? 2 : 5);
    expectRightRings(story);
  });

  test('a member may not leave when fewer would stay than there are copies (failure mode 40)', async () => {
    const story = await filled({ nodes: 3 });
    await expect(
      story.run(story.at(1).operator.changeMember('leave', 'node3')),
    ).rejects.toMatchObject({ code: 'conflict' });
    expect(story.rings.newest?.epoch).toBe(1);
  });

  test('the replication factor goes up and down again, and copies follow', async () => {
    const story = await filled();
    for (const factor of [5, 1, 3]) {
      await story.run(story.at(1).operator.changeReplicationFactor(factor));
      await story.settled(1, 2, 3, 4, 5);
      await story.until(() => story.rings.newest?.replicationFactor === factor);
      await story.pass(SURPLUS_GOES_MS);
      for (const key of KEYS) {
        expect(await story.get(2, key)).toBe(`of ${key}`);
        expect(await living(story, key)).toHaveLength(factor);
      }
    }
    expectRightRings(story);
  });
});

describe('a transition that needs a copy which is damaged, and the other one is gone for good', () => {
  test('goes on with what survives, and keeps what the survivors have', async () => {
    const story = await filled();
    const [key = ''] = KEYS;
    const [damaged = 0, , dead = 0] = (await story.replicasOf(key)).keepers;
    await story.tamper(damaged, key, flipped);
    story.cluster.crash(story.node(dead));
    const left = [1, 2, 3, 4, 5].filter((number) => number !== dead);
    await story.settled(...left);
    for (const each of KEYS) expect(await story.get(left[0] ?? 0, each)).toBe(`of ${each}`);
    expect(await living(story, key)).toHaveLength(3);
    expectRightRings(story);
  });

  test('loses the damaged record that nobody else ever had, and nothing else', async () => {
    const story = await Story.begin({ nodes: 1, replicationFactor: 1, graceMs: 2_000 });
    for (const key of KEYS) await story.put(1, key, `of ${key}`);
    const [key = '', ...sound] = KEYS;
    await story.tamper(1, key, flipped);
    story.join();
    await story.settled(1, 2);
    for (const each of sound) expect(await story.get(2, each)).toBe(`of ${each}`);
    expectRightRings(story);
  });

  test('keeps no other partition waiting', async () => {
    const story = await filled();
    const { assignment = [] } = story.rings.newest ?? {};
    const [damaged, dead, seer] = [story.idOf(1), story.idOf(2), story.at(3)];
    const shared = KEYS.filter((key) => {
      const set = assignment[story.rings.newest?.partitionOf(key as Key) ?? 0] ?? [];
      return set.includes(damaged) && set.includes(dead);
    });
    const partitions = new Set(shared.map((key) => story.rings.newest?.partitionOf(key as Key)));
    expect(partitions.size).toBeGreaterThan(2); // more than are pulled at once
    for (const key of shared) await story.tamper(1, key, flipped);
    const told: ClusterEvent[] = [];
    seer.events.listen(undefined, ({ event }) => told.push(event));
    story.cluster.crash(story.node(2));
    await story.until(() => story.rings.newest?.next !== undefined);
    await story.pass(2 * GRACE_MS);
    const last = told.findLast((event) => event.type === 'transition.progress');
    // What is left, each of three replicas waits for.
    expect(last).toMatchObject({ pulled: (last?.toPull ?? 0) - 3 * partitions.size });
  });
});

test('a read that finds damage is answered, at whatever moment of its healing the ring changes', async () => {
  const story = await filled();
  const [key = ''] = KEYS;
  const { keepers: first } = await story.replicasOf(key);
  const old = await story.onDisk(first[0] ?? 0, key);
  await story.put(1, key, 'newest', 'all');
  for (let beforeMs = 0; beforeMs < 24; beforeMs += 2) {
    const { keepers, others } = await story.replicasOf(key);
    // The one that is asked for the value is behind, so that another one is asked once more.
    await story.tamper(keepers[0] ?? 0, key, (held) =>
      typeof old === 'object' ? old.bytes : held,
    );
    await story.tamper(keepers[1] ?? 0, key, flipped);
    const factor = story.rings.newest?.replicationFactor === 3 ? 4 : 3;
    const changed = story.at(keepers[0] ?? 0).operator.changeReplicationFactor(factor);
    await story.pass(beforeMs);
    const read = story.get(others[0] ?? 0, key, 'all').catch((error: unknown) => {
      if (!(error instanceof ClientError)) throw error;
      return error.code;
    });
    expect(['newest', 'quorum_unavailable']).toContain(await read);
    await story.run(changed);
    await story.settled(1, 2, 3, 4, 5);
    expect(await story.get(1, key)).toBe('newest');
  }
});

test('a coordinator that slept over three changes of the ring acknowledges nothing to those that were replicas (failure modes 22, 23)', async () => {
  const story = await filled({ nodes: 4 });
  const sleeper = story.node(4);
  const keys = KEYS.slice(0, 4);
  // Their requests leave while it still believes in its ring, and arrive when nobody else does.
  sleeper.life.pause();
  await story.settled(1, 2, 3);
  story.join();
  const ring: Ring = await story.settled(1, 2, 3, 5);
  expect(ring.epoch).toBeGreaterThanOrEqual(4);
  for (const key of keys) await story.put(1, key, `newer ${key}`);

  expect(story.rings.ringsOf('node4').at(-1)?.epoch).toBe(1);
  const content = { type: 'value', value: Buffer.from('late'), contentType: 'text/plain' } as const;
  const described = { ...content, metadata: new Map() };
  const options = { consistency: 'quorum', timeoutMs: 1_000 } as const;
  const acknowledged: string[] = [];
  for (const key of keys) {
    story
      .at(4)
      .operations.put(key as Key, described, options)
      .then(() => acknowledged.push(key))
      .catch(() => undefined);
  }
  sleeper.life.resume();
  // It may start again as another node before it has answered: then nobody hears of them any more.
  await story.pass(3_000);
  expect(acknowledged).toEqual([]);
  for (const key of keys) expect(await story.get(1, key)).toBe(`newer ${key}`);
  await story.settled(1, 2, 3, 4, 5);
  for (const key of keys) expect(await story.get(4, key)).toBe(`newer ${key}`);
});

/** A cluster with a value under each key, on all replicas. */
async function filled(options: Parameters<typeof Story.begin>[0] = {}): Promise<Story> {
  const story = await Story.begin({ graceMs: GRACE_MS, ...options });
  for (const key of KEYS) await story.put(1, key, `of ${key}`, 'all');
  return story;
}

/** Numbers of the running nodes on whose disks the key lies. */
async function living(story: Story, key: string): Promise<readonly number[]> {
  const numbers: number[] = [];
  for (const { name } of story.cluster.running) {
    const number = Number(name.slice('node'.length));
    if ((await story.onDisk(number, key)) !== undefined) numbers.push(number);
  }
  return numbers;
}

/** Some key that the node is a replica of. */
async function keyOf(story: Story, number: number): Promise<string> {
  for (const key of KEYS) {
    if ((await story.replicasOf(key)).keepers.includes(number)) return key;
  }
  throw new Error(`node ${number} keeps none of the keys`);
}

function flipped(bytes: Uint8Array | undefined): Uint8Array {
  const changed = Uint8Array.from(bytes ?? []);
  changed[25] = (changed[25] ?? 0) ^ 4;
  return changed;
}

function expectRightRings(story: Story): void {
  expect(story.rings.flaws).toEqual([]);
}

/** Whether a node counted partitions that went on with what survived of their replicas. */
function countsSurvivors(story: Story, number: number): boolean {
  return story.node(number).counters.get('partitions_on_survivors_total') > 0;
}
