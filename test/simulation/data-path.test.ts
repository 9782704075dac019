import { describe, expect, test } from 'vitest';
import type { OperationOptions } from '../../src/coordinator/operations.ts';
import { ClientError } from '../../src/errors.ts';
import type { Key } from '../../src/ids.ts';
import { recordKey } from '../../src/storage/keys.ts';
import { openSealed, sealRecord } from '../../src/version/record-codec.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { Story } from '../simulator/story.ts';
import { versionAt } from '../version/version-at.ts';

describe.each([1, 2, 3, 5])('with a replication factor of %i', (replicationFactor) => {
  test('any node takes any request', async () => {
    const story = await Story.begin({ replicationFactor });
    for (const [by, to] of [
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 5],
      [5, 1],
    ] as const) {
      expect((await story.put(by, 'k', `by ${by}`)).created).toBe(true);
      for (const level of ['one', 'quorum', 'all'] as const) await story.get(to, 'k', level);
      expect(await story.get(to, 'k')).toBe(`by ${by}`);
      expect((await story.put(to, 'k', 'again')).created).toBe(false);
      expect(await story.get(by, 'k', 'all')).toBe('again');
      expect(await story.delete(by, 'k')).toBe(true);
      expect(await story.get(to, 'k')).toBeUndefined();
      expect(await story.delete(to, 'k')).toBe(false);
    }
  });

  test('keys are kept by so many nodes and no others', async () => {
    const story = await Story.begin({ replicationFactor });
    await story.put(1, 'k', 'v', 'all');
    const { keepers, others } = await story.replicasOf('k');
    expect(keepers).toHaveLength(replicationFactor);
    for (const number of keepers) expect(await story.onDisk(number, 'k')).toBeDefined();
    for (const number of others) expect(await story.onDisk(number, 'k')).toBeUndefined();
  });
});

describe('with replicas down', () => {
  test('one of three changes nothing for quorum requests through every other node', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'before');
    const { keepers } = await story.replicasOf('k');
    story.cluster.crash(story.node(keepers[0] ?? 0));
    for (const number of [1, 2, 3, 4, 5].filter((number) => number !== keepers[0])) {
      await story.put(number, 'k', `by ${number}`);
      expect(await story.get(number, 'k')).toBe(`by ${number}`);
    }
    await expect(story.put(firstOf(story), 'k', 'x', 'all')).rejects.toMatchObject({
      code: 'quorum_unavailable',
      outcome: 'unknown',
    });
  });

  test('two of three are told by name, and nothing is written', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'before', 'all');
    const { keepers } = await story.replicasOf('k');
    for (const number of keepers.slice(0, 2)) story.cluster.crash(story.node(number));
    await expect(story.put(firstOf(story), 'k', 'after')).rejects.toMatchObject({
      code: 'quorum_unavailable',
      statusCode: 503,
      outcome: 'not_applied',
      required: 2,
      replicas: expect.arrayContaining([
        { node: `node${keepers[0]}`, id: expect.any(String), state: 'unreachable' },
        { node: `node${keepers[1]}`, id: expect.any(String), state: 'unreachable' },
      ]),
    });
    await expect(story.get(firstOf(story), 'k')).rejects.toMatchObject({
      code: 'quorum_unavailable',
    });
    expect(await story.get(firstOf(story), 'k', 'one')).toBe('before');
  });

  test('a single replica serves level one', async () => {
    const story = await Story.begin();
    const { keepers } = await story.replicasOf('k');
    for (const number of keepers.slice(0, 2)) story.cluster.crash(story.node(number));
    await story.put(firstOf(story), 'k', 'v', 'one');
    expect(await story.get(firstOf(story), 'k', 'one')).toBe('v');
  });
});

describe('a read at quorum', () => {
  test('brings a version that one replica alone holds to a quorum before it returns it (failure mode 8)', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'old', 'all');
    const { keepers } = await story.replicasOf('k');
    const [first = 0, second = 0, third = 0] = keepers;
    const old = await story.onDisk(first, 'k');
    await story.put(1, 'k', 'new', 'all');
    // As if the coordinator had died after the first replica had it.
    for (const number of [second, third]) await story.tamper(number, 'k', () => bytesOf(old));
    expect(await story.get(first, 'k')).toBe('new');
    const holders = await Promise.all(keepers.map((number) => story.onDisk(number, 'k')));
    expect(
      holders.filter(
        (record) => record !== undefined && record !== 'damaged' && record.version > versionOf(old),
      ).length,
    ).toBeGreaterThanOrEqual(2);
    // From now on it stays, whoever is asked.
    story.cluster.crash(story.node(first));
    for (const number of [second, third]) expect(await story.get(number, 'k')).toBe('new');
  });

  test('repairs every stale replica, not only those that answered first', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    const last = keepers.at(-1) ?? 0;
    await story.tamper(last, 'k', () => undefined);
    for (const number of keepers) expect(await story.get(number, 'k')).toBe('v');
    await story.pass(100);
    expect(await story.onDisk(last, 'k')).toEqual(await story.onDisk(keepers[0] ?? 0, 'k'));
  });

  test('spreads what a straggler alone holds, though the answer did not wait for it', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'old', 'all');
    const { keepers } = await story.replicasOf('k');
    const [slow = 0, second = 0, third = 0] = keepers;
    const old = await story.onDisk(slow, 'k');
    await story.put(1, 'k', 'new', 'all');
    for (const number of [second, third]) await story.tamper(number, 'k', () => bytesOf(old));
    // A write that reached one replica only, which is slow to answer.
    story.node(slow).disk.slowness = 100;
    expect(await story.get(second, 'k')).toBe('old');
    await story.pass(1_000);
    const copies = await Promise.all(keepers.map((number) => story.onDisk(number, 'k')));
    for (const copy of copies) expect(versionOf(copy) > versionOf(old)).toBe(true);
  });

  test('takes "nothing" from an empty replica for an answer, and returns what another holds (failure mode 13)', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    for (const empty of keepers) {
      await story.pass(100);
      await story.tamper(empty, 'k', () => undefined);
      expect(await story.get(empty, 'k')).toBe('v');
    }
  });
});

describe('a delete', () => {
  test('that finds a tombstone on one replica alone brings it to a quorum before it says so', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    const [first = 0, second = 0, third = 0] = keepers;
    const value = await story.onDisk(first, 'k');
    await story.delete(1, 'k', 'all');
    for (const number of [second, third]) await story.tamper(number, 'k', () => bytesOf(value));
    expect(await story.delete(first, 'k')).toBe(false);
    story.cluster.crash(story.node(first));
    expect(await story.get(second, 'k')).toBeUndefined();
  });
});

describe('a damaged record', () => {
  test('is never returned, and a read heals it', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    for (const damaged of keepers) {
      await story.tamper(damaged, 'k', flip);
      expect(await story.onDisk(damaged, 'k')).toBe('damaged');
      for (const level of ['one', 'quorum'] as const)
        expect(await story.get(damaged, 'k', level)).toBe('v');
      await story.pass(100);
      expect(await story.onDisk(damaged, 'k')).toEqual(
        await story.onDisk(otherOf(keepers, damaged), 'k'),
      );
    }
  });

  test('is no "nothing" for a write either: the write counts the others, and the copy is healed', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    const [damaged = 0, other = 0] = keepers;
    await story.tamper(damaged, 'k', flip);
    expect(await story.put(damaged, 'k', 'w')).toMatchObject({ acknowledged: 2, created: false });
    await story.pass(200);
    expect(await story.onDisk(damaged, 'k')).toEqual(await story.onDisk(other, 'k'));
    expect(await story.get(damaged, 'k', 'one')).toBe('w');
  });

  test('is not healed from fewer others than would have met an acknowledged write', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    const [damaged = 0, down = 0, up = 0] = keepers;
    await story.tamper(damaged, 'k', flip);
    story.cluster.crash(story.node(down));
    await expect(story.get(up, 'k')).rejects.toMatchObject({
      replicas: expect.arrayContaining([
        { node: `node${damaged}`, id: story.idOf(damaged), state: 'damaged' },
      ]),
    });
    await story.pass(100);
    expect(await story.onDisk(damaged, 'k')).toBe('damaged');
  });

  test('is healed when it keeps a quorum from being met: two replicas, one of them damaged', async () => {
    for (const work of ['get', 'put', 'delete'] as const) {
      const story = await Story.begin({ replicationFactor: 2 });
      await story.put(1, 'k', 'v', 'all');
      const { keepers } = await story.replicasOf('k');
      const [damaged = 0, other = 0] = keepers;
      await story.tamper(damaged, 'k', flip);
      if (work === 'get') expect(await story.get(1, 'k')).toBe('v');
      if (work === 'put') expect((await story.put(1, 'k', 'w')).created).toBe(false);
      if (work === 'delete') expect(await story.delete(1, 'k')).toBe(true);
      expect(await story.onDisk(damaged, 'k')).toEqual(await story.onDisk(other, 'k'));
    }
  });

  test('is found by the scrub when nobody reads it, and healed', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    const [damaged = 0, other = 0] = keepers;
    await story.tamper(damaged, 'k', flip);
    await story.pass(3_000);
    expect(await story.onDisk(damaged, 'k')).toEqual(await story.onDisk(other, 'k'));
  });

  test('is not healed below what it acknowledged by those who were asked before, though the healing comes much later', async () => {
    const tale = await HalfStored.begin(500, 1_000, 5_000); // as long as a repair
    const { story, damaged, reader } = tale;
    await tale.damage();
    story.network.onSent = (_from, { type }) => {
      if (type === 'replica.heal') story.node(damaged).life.pause();
    };
    expect(await story.get(reader, 'k')).toBe('old'); // of the two that lack the write still
    await story.until(() => story.node(damaged).life.paused);
    expect(tale.isStored).toBe(false);
    expect(await story.run(tale.stored)).toMatchObject({ acknowledged: 2 });
    story.network.onSent = () => undefined;
    await story.pass(1_500); // by now the end of the write's request is past
    await tale.expectNotUndone(() => story.node(damaged).life.resume());
    await tale.expectHealed();
  });

  test('is not healed below what it acknowledged in the life before', async () => {
    const tale = await HalfStored.begin(1_500, 2_000);
    const { story, damaged, reader } = tale;
    story.cluster.crash(story.node(damaged));
    await tale.damage();
    story.cluster.start(story.node(damaged));
    await story.until(() => story.cluster.ready);
    expect(await story.get(reader, 'k')).toBe('old');
    await story.pass(100);
    expect(tale.isStored).toBe(false);
    expect(await story.run(tale.stored)).toMatchObject({ acknowledged: 2 });
    await tale.expectNotUndone(() => undefined);
    await story.pass(2_000);
    await tale.expectHealed();
  });

  test('that vanished without a trace is missed by the scrub: "nothing" is no answer any more', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    const [lossy = 0, down = 0, up = 0] = keepers;
    await story.tamper(lossy, 'k', () => undefined);
    await story.pass(3_000);
    story.cluster.crash(story.node(lossy));
    story.cluster.start(story.node(lossy));
    await story.until(() => story.cluster.ready);
    // Two of three replicas are asked, and the one that lost the key does not count as one of them.
    story.cluster.crash(story.node(down));
    await expect(story.get(up, 'k')).rejects.toMatchObject({
      replicas: expect.arrayContaining([expect.objectContaining({ state: 'damaged' })]),
    });
    story.cluster.start(story.node(down));
    await story.until(() => story.cluster.ready);
    await story.pass(1_000); // what the life before acknowledged may be under way until then
    expect(await story.get(lossy, 'k')).toBe('v');
    await story.pass(500);
    expect(await story.onDisk(lossy, 'k')).toEqual(await story.onDisk(up, 'k'));
  });

  test('that was a tombstone leaves no negative count', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    await story.delete(1, 'k', 'all');
    const { keepers } = await story.replicasOf('k');
    for (const damaged of keepers) {
      await story.tamper(damaged, 'k', flip);
      await story.get(damaged, 'k');
      await story.pass(200);
    }
    const { members } = await story.run(story.at(1).cluster.cluster(1_000));
    expect(members.map(({ keys }) => keys)).toEqual([0, 0, 0, 0, 0]);
  });

  test('with no other replica to heal it is an error, never a wrong value', async () => {
    const story = await Story.begin({ replicationFactor: 1 });
    await story.put(1, 'k', 'v');
    const { keepers } = await story.replicasOf('k');
    await story.tamper(keepers[0] ?? 0, 'k', flip);
    for (const level of ['one', 'quorum', 'all'] as const) {
      await expect(story.get(1, 'k', level)).rejects.toMatchObject({ code: 'quorum_unavailable' });
    }
    await expect(story.put(1, 'k', 'w')).rejects.toMatchObject({ outcome: 'not_applied' });
  });
});

describe('a write that two of three replicas hold and one of them loses', () => {
  test.each<readonly [string, (story: Story, number: number, held: Uint8Array) => Promise<void>]>([
    ['with its disk', (story, number) => loseDisk(story, number)],
    ['by a flipped bit', (story, number, held) => story.tamper(number, 'k', () => flip(held))],
  ])(
    '%s is what a read returns, whichever replicas it reaches, or else it fails (failure mode 10)',
    async (_how, lose) => {
      // Nobody is replaced meanwhile: what is left has to do.
      const story = await Story.begin({ graceMs: 24 * 3_600_000 });
      const random = new SeededRandom(1, 'who is reached');
      await story.put(1, 'k', 'old', 'all');
      const { keepers } = await story.replicasOf('k');
      const [, loser = 0, stale = 0] = keepers;
      const old = await story.onDisk(stale, 'k');
      await story.put(1, 'k', 'new', 'all');
      const held = bytesOf(await story.onDisk(loser, 'k'));
      const seen = { new: 0, failed: 0 };
      for (let read = 0; read < 1_000; read++) {
        // Each time anew, or the first read that succeeds would have repaired it for all others.
        await story.tamper(stale, 'k', () => bytesOf(old));
        await lose(story, loser, held);
        for (const { name } of story.cluster.nodes) {
          if (random.chance(0.3)) isolate(story, name);
        }
        const reader = random.pick(story.cluster.running);
        const text = await story.get(Number(reader.name.slice('node'.length)), 'k').catch(codeOf);
        if (text === 'new') seen.new += 1;
        else if (NO_ANSWER.has(text)) seen.failed += 1;
        else expect(text, `read ${read + 1}`).toBe('new');
        story.network.mend();
        await story.pass(1_000); // until repairs of this read are over
      }
      expect(seen.new).toBeGreaterThan(100);
      expect(seen.failed).toBeGreaterThan(100);
    },
  );
});

describe('a replica whose disk was replaced by an empty one', () => {
  test('answers for nothing, so no read misses what it had acknowledged (failure mode 14)', async () => {
    const story = await Story.begin();
    const { keepers, others } = await story.replicasOf('k');
    const [holder = 0, wiped = 0, behind = 0] = keepers;
    const [by = 0] = others;
    story.cluster.crash(story.node(behind));
    expect(await story.put(by, 'k', 'v')).toMatchObject({ acknowledged: 2 });
    isolate(story, `node${wiped}`); // or it would be taken in again, and pull
    await wipe(story, wiped);
    story.cluster.start(story.node(behind));
    await story.until(() => isReady(story, behind));
    story.cluster.crash(story.node(holder));

    const alone = {
      replicas: expect.arrayContaining([
        expect.objectContaining({
          node: `node${wiped}`,
          state: expect.stringMatching(/^(unreachable|timeout)$/),
        }),
      ]),
    };
    for (const reader of [by, behind]) {
      await expect(story.get(reader, 'k')).rejects.toMatchObject(alone);
      await expect(story.put(reader, 'k', 'w')).rejects.toMatchObject(alone);
    }
    for (const level of ['one', 'quorum'] as const)
      await expect(story.get(wiped, 'k', level)).rejects.toMatchObject({ code: 'not_ready' });

    expect(await story.onDisk(wiped, 'k')).toBeUndefined();

    story.network.mend();
    story.cluster.start(story.node(holder));
    await story.until(() => story.cluster.ready && story.at(wiped).cluster.ring() !== undefined);
    for (const reader of [by, behind, holder, wiped])
      expect(await story.get(reader, 'k')).toBe('v');
  });
});

describe('clocks', () => {
  test('that are apart by less than the allowed skew change no order (failure mode 1)', async () => {
    const story = await Story.begin();
    story.node(1).clockFault.offsetMs = 4_000;
    story.node(2).clockFault.offsetMs = -4_000;
    await story.pass(3_000);
    for (const [by, text] of [
      [1, 'a'],
      [2, 'b'],
      [1, 'c'],
      [2, 'd'],
    ] as const) {
      await story.put(by, 'k', text);
      expect(await story.get(3, 'k')).toBe(text);
    }
  });

  test('that are far off keep a node from coordinating writes, in either direction, and from nothing else', async () => {
    for (const offsetMs of [3_600_000, -3_600_000]) {
      const story = await Story.begin();
      await story.put(2, 'k', 'v');
      story.node(1).clockFault.offsetMs = offsetMs;
      await story.pass(3_000);
      await expect(story.put(1, 'k', 'w')).rejects.toMatchObject({
        code: 'not_ready',
        outcome: 'not_applied',
        message: expect.stringMatching(/clock is 3600\.0 s/),
      });
      await expect(story.delete(1, 'k')).rejects.toMatchObject({ code: 'not_ready' });
      expect(await story.get(1, 'k')).toBe('v');
      for (const by of [2, 3, 4, 5]) await story.put(by, 'k', `by ${by}`);
    }
  });

  test('cannot poison a key with a version far ahead, at any level (failure mode 5)', async () => {
    for (const level of ['quorum', 'one'] as const) {
      const story = await Story.begin();
      await story.put(2, 'k', 'v');
      story.node(1).clockFault.offsetMs = 10 * 365 * 86_400_000; // before anyone could notice
      await expect(story.put(1, 'k', 'poison', level)).rejects.toThrow();
      story.node(1).clockFault.offsetMs = 0;
      await story.pass(3_000);
      await story.put(3, 'k', 'fresh');
      expect(await story.get(4, 'k')).toBe('fresh');
    }
  });
});

describe('a clock that is wrong when its node starts', () => {
  test('is noticed before the node coordinates a write, so no version of it spreads', async () => {
    for (const level of ['quorum', 'one'] as const) {
      const story = await Story.begin();
      await story.put(2, 'k', 'v', 'all');
      const { keepers } = await story.replicasOf('k');
      const [wrong = 0, good = 0] = keepers;
      story.cluster.crash(story.node(wrong));
      story.node(wrong).clockFault.offsetMs = 10 * 365 * 86_400_000;
      story.cluster.start(story.node(wrong));
      await story.until(() => story.node(wrong).node !== undefined);
      // At once, and while it meets its peers.
      for (let attempt = 0; attempt < 40; attempt++) {
        await expect(story.put(wrong, 'k', 'poison', level)).rejects.toMatchObject({
          code: 'not_ready',
        });
        await story.pass(50);
      }
      story.node(wrong).clockFault.offsetMs = 0;
      await story.pass(3_000);
      for (const by of [good, wrong]) {
        await story.put(by, 'k', `by ${by}`);
        await story.put(by, 'another', `by ${by}`);
      }
      expect(await story.get(good, 'k')).toBe(`by ${wrong}`);
    }
  });
});

describe('wall clocks that are all set back by an hour', () => {
  test('stop no writes, before a restart of all nodes or after it', async () => {
    const story = Story.prepare();
    for (const node of story.cluster.nodes) node.clockFault.offsetMs = 3_600_000;
    for (const node of story.cluster.nodes) story.cluster.start(node);
    await story.until(() => story.cluster.ready);
    for (const by of [1, 2]) await story.put(by, `before${by}`, 'v');
    await story.pass(3_000);
    for (const node of story.cluster.nodes) node.clockFault.offsetMs = 0;
    await story.pass(3_000); // until they have read each other's clocks again
    for (const by of [1, 2, 3, 4, 5]) {
      for (const key of ['before1', 'before2', 'fresh']) {
        await story.put(by, key, `by ${by}`);
        expect(await story.get(1, key)).toBe(`by ${by}`);
      }
    }
    await story.pass(2_000);
    for (const node of story.cluster.nodes) story.cluster.crash(node);
    for (const node of story.cluster.nodes) story.cluster.start(node);
    await story.until(() => story.cluster.ready);
    for (const by of [1, 2, 3, 4, 5]) await story.put(by, 'before1', `again by ${by}`);
  });
});

describe('a version far ahead that one replica holds all the same', () => {
  test('is brought to a quorum and followed, and carries no other key along', async () => {
    const story = await Story.begin();
    const { keepers } = await story.replicasOf('k');
    const [first = 0] = keepers;
    const farAhead = versionAt(1_800_000_000_000 * 1.2);
    const content = {
      type: 'value',
      value: Buffer.from('far'),
      contentType: 'text/plain',
      metadata: new Map<string, string>(),
    } as const;
    const record = sealRecord({ key: 'k' as Key, version: farAhead, content });
    await story.tamper(first, 'k', () => record.bytes);
    // Its holder meets it in the first phase; the others then find it on a quorum.
    for (const by of [first, 1, 2, 3, 4, 5]) {
      const { version } = await story.put(by, 'k', `by ${by}`);
      expect(version > farAhead).toBe(true);
      expect((await story.put(by, 'other', 'v')).version < farAhead).toBe(true);
    }
    expect(await story.get(1, 'k')).toBe('by 5');
  });
});

describe('deadlines', () => {
  test("a coordinator's own slow disk delays no answer beyond the timeout, and nothing is sent late", async () => {
    const story = await Story.begin();
    const { keepers, others } = await story.replicasOf('k');
    const [outsider = 0] = others;
    // Past the bound of its versions, so that the next one needs a sync.
    await story.pass(5_000);
    story.node(outsider).disk.slowness = 10_000;
    const startMs = story.scheduler.nowMs;
    await expect(story.put(outsider, 'k', 'late')).rejects.toMatchObject({
      code: 'timeout',
      outcome: 'not_applied',
    });
    expect(story.scheduler.nowMs - startMs).toBeLessThan(1_050);
    await story.pass(60_000);
    for (const number of keepers) expect(await story.onDisk(number, 'k')).toBeUndefined();
  });

  test('a hanging disk of the node that is asked costs a request its timeout and no more', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    const [keeper = 0] = keepers;
    story.node(keeper).disk.slowness = 1_000_000;
    for (const work of [
      () => story.put(keeper, 'k', 'w', 'one'),
      () => story.delete(keeper, 'k', 'one'),
      () => story.delete(keeper, 'k', 'all'),
    ]) {
      const startMs = story.scheduler.nowMs;
      await work().catch(() => undefined);
      expect(story.scheduler.nowMs - startMs).toBeLessThan(1_050);
    }
  });
});

describe('a full disk', () => {
  test('is announced before anything is sent: 507 and nothing applied; reads and deletes go on', async () => {
    const story = await Story.begin();
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    for (const number of keepers.slice(0, 2)) story.node(number).disk.room = 'low';
    await story.pass(3_000);
    await expect(story.put(1, 'k', 'w')).rejects.toMatchObject({
      code: 'storage_full',
      statusCode: 507,
      outcome: 'not_applied',
    });
    expect(await story.get(1, 'k')).toBe('v');
    expect(await story.delete(1, 'k')).toBe(true);
    for (const number of keepers) story.node(number).disk.room = 'ample';
    await story.pass(3_000);
    await story.put(1, 'k', 'w');
    expect(await story.get(2, 'k')).toBe('w');
  });

  test("of one replica of three is in nobody's way", async () => {
    const story = await Story.begin();
    const { keepers } = await story.replicasOf('k');
    story.node(keepers[0] ?? 0).disk.room = 'exhausted';
    await story.pass(3_000);
    expect(await story.put(1, 'k', 'v')).toMatchObject({ acknowledged: 2 });
    expect(await story.get(2, 'k')).toBe('v');
  });
});

describe('after a crash of all nodes at once', () => {
  test('every acknowledged write is there', async () => {
    const story = await Story.begin();
    for (let key = 0; key < 20; key++) await story.put(1 + (key % 5), `key${key}`, `v${key}`);
    for (const node of story.cluster.nodes) story.cluster.crash(node);
    for (const node of story.cluster.nodes) story.cluster.start(node);
    await story.until(() => story.cluster.ready);
    for (let key = 0; key < 20; key++) {
      expect(await story.get(1 + ((key + 2) % 5), `key${key}`)).toBe(`v${key}`);
    }
  });
});

type OnDisk = Awaited<ReturnType<Story['onDisk']>>;

function bytesOf(record: OnDisk): Uint8Array {
  if (record === undefined || record === 'damaged') throw new Error('no record there');
  return record.bytes;
}

function versionOf(record: OnDisk): string {
  if (record === undefined || record === 'damaged') throw new Error('no record there');
  return record.version;
}

function flip(bytes: Uint8Array | undefined): Uint8Array {
  const flipped = Uint8Array.from(bytes ?? []);
  flipped[25] = (flipped[25] ?? 0) ^ 4;
  return flipped;
}

/** Codes of errors that say that too few replicas could be asked. */
const NO_ANSWER: ReadonlySet<unknown> = new Set(['quorum_unavailable', 'timeout', 'not_ready']);

function codeOf(error: unknown): unknown {
  return error instanceof ClientError ? error.code : error;
}

/** Gives a node an empty disk, starts it again, and leaves it time to find the others. */
function isReady(story: Story, number: number): boolean {
  return (
    story
      .node(number)
      .node?.cluster.readiness()
      .every(({ ok }) => ok) === true
  );
}

/** Its process ends with its disk, and nobody starts it again. */
async function loseDisk(story: Story, number: number): Promise<void> {
  story.cluster.crash(story.node(number));
  story.node(number).disk.wipe();
}

async function wipe(story: Story, number: number): Promise<void> {
  const node = story.node(number);
  story.cluster.crash(node);
  node.disk.wipe();
  story.cluster.start(node);
  await story.pass(1_000);
}

/** Until the network is mended, nothing reaches `name`, and nobody hears of it. */
function isolate({ network, cluster }: Story, name: string): void {
  for (const other of cluster.nodes) {
    if (other.name === name) continue;
    network.cut(name, other.name);
    network.cut(other.name, name);
  }
}

function firstOf(story: Story): number {
  return Number(story.cluster.running[0]?.name.slice('node'.length));
}

function otherOf(keepers: readonly number[], not: number): number {
  return keepers.find((number) => number !== not) ?? 0;
}

/** A write that one replica has stored, which another one stores when its disk gets to it, and the third never hears of. */
class HalfStored {
  readonly story: Story;
  /** Has the record on its way to its disk. */
  readonly stalled: number;
  readonly cutOff: number;
  /** Has stored and acknowledged the record, and is going to lose it. */
  readonly damaged: number;
  readonly reader: number;
  readonly stored: Promise<unknown>;
  isStored = false;
  readonly #place: Uint8Array;

  private constructor(
    story: Story,
    nodes: Pick<HalfStored, 'stalled' | 'cutOff' | 'damaged' | 'reader'>,
    place: Uint8Array,
    stored: Promise<unknown>,
  ) {
    this.story = story;
    this.#place = place;
    this.stalled = nodes.stalled;
    this.cutOff = nodes.cutOff;
    this.damaged = nodes.damaged;
    this.reader = nodes.reader;
    this.stored = stored;
    void stored.then(() => {
      this.isStored = true;
    });
  }

  /**
   * The disk that stalls does so for `stallMs`. `longestMs`: what the longest request before took at most;
   * a longer one has to wait for the disk.
   */
  static async begin(
    stallMs: number,
    timeoutMs: number,
    longestMs = timeoutMs,
  ): Promise<HalfStored> {
    const story = await Story.begin();
    const put = (by: number, text: string, options: OperationOptions, key = 'k') => {
      const value = Buffer.from(text);
      const metadata = new Map<string, string>();
      const content = { type: 'value', value, contentType: 'text/plain', metadata } as const;
      return story.at(by).operations.put(key as Key, content, options);
    };
    // Of other keys, so that each node is asked, and nothing more is told of this one.
    for (let each = 0; each < 16; each++)
      await story.run(put(1, '', { consistency: 'all', timeoutMs: longestMs }, `other${each}`));
    await story.run(put(1, 'old', { consistency: 'all', timeoutMs }));
    const { keepers, others } = await story.replicasOf('k');
    const [stalled = 0, cutOff = 0, damaged = 0] = keepers;
    const [writer = 0, reader = 0] = others;
    const located = story.at(writer).operations.locate('k' as Key, 1_000);
    const place = recordKey(1, (await story.run(located)).partition, 'k' as Key);
    const { disk } = story.node(stalled);
    story.network.onSent = (_from, { type }) => {
      if (type !== 'replica.write') return;
      disk.stallMs = stallMs;
      story.network.cut(`node${writer}`, `node${cutOff}`);
    };
    const stored = put(writer, 'new', { consistency: 'quorum', timeoutMs });
    await story.until(() => disk.writesRecord);
    story.network.onSent = () => undefined;
    disk.stallMs = 0;
    await story.pass(20);
    const nodes = { stalled, cutOff, damaged, reader };
    const tale = new HalfStored(story, nodes, place, stored);
    const [first, second, third] = [stalled, cutOff, damaged].map((number) => tale.onDisk(number));
    expect(await first).toEqual(await second);
    expect(versionOf(await third) > versionOf(await first)).toBe(true);
    return tale;
  }

  /** What lies on a node's disk; no replica is asked for the place. */
  async onDisk(number: number): Promise<OnDisk> {
    const bytes = await this.story.node(number).disk.durable.get(this.#place);
    return bytes && (openSealed(bytes) ?? 'damaged');
  }

  async damage(): Promise<void> {
    const { durable } = this.story.node(this.damaged).disk;
    const value = flip(await durable.get(this.#place));
    await durable.batch([{ type: 'put', key: this.#place, value }]);
  }

  /**
   * Whoever reads of the other two replicas, after what `happens` then, is not told of what was there
   * before the write.
   */
  async expectNotUndone(happens: () => void): Promise<void> {
    const { story, stalled, reader } = this;
    story.network.mend();
    story.cluster.crash(story.node(stalled));
    happens();
    await story.pass(100);
    expect(await story.get(reader, 'k').catch(codeOf)).toBe('quorum_unavailable');
    story.cluster.start(story.node(stalled));
    await story.until(() => story.cluster.ready);
  }

  async expectHealed(): Promise<void> {
    const { story, stalled, damaged, reader } = this;
    expect(await story.get(reader, 'k')).toBe('new');
    await story.pass(100);
    expect(await this.onDisk(damaged)).toEqual(await this.onDisk(stalled));
  }
}
