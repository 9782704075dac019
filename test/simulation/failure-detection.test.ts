/** Whole nodes that lose sight of each other: who is believed dead, and how soon (protocol, section 6). */
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { Story } from '../simulator/story.ts';

const ALL = [1, 2, 3, 4, 5];
const STRUCK = 3;
const OTHERS = ALL.filter((number) => number !== STRUCK);

describe('a node', () => {
  test.each([2, 3, 5])(
    'of %i that is killed is dead for all others in less than 3 s',
    async (nodes) => {
      const story = await settled(nodes);
      story.cluster.crash(story.node(nodes));
      const deaths = await deathsWithin(story, 10_000);
      expectDeathOf(nodes, deaths);
      for (const { afterMs } of deaths) expect(afterMs).toBeLessThan(3_000);
    },
  );

  test.each([2, 3, 5])('of %i that hangs is dead for all others after 4 to 8 s', async (nodes) => {
    const story = await settled(nodes);
    story.node(nodes).life.pause();
    const deaths = await deathsWithin(story, 10_000);
    expectDeathOf(nodes, deaths);
    for (const { afterMs } of deaths) {
      expect(afterMs).toBeGreaterThan(4_000);
      expect(afterMs).toBeLessThan(8_000);
    }
  });

  test('that is cut off is dead for all others after 4 to 8 s, and they are for it', async () => {
    const story = await settled();
    for (const other of OTHERS) cutBothWays(story, STRUCK, other);
    const deaths = await deathsWithin(story, 12_000);
    for (const { afterMs } of deaths) expect(afterMs).toBeGreaterThan(4_000);
    const [byIt, byOthers] = [`node${STRUCK}`, undefined].map((by) =>
      deaths.filter((death) => (by === undefined) !== (death.by === `node${STRUCK}`)),
    );
    expect(byIt?.map(({ of }) => of).sort()).toEqual(OTHERS.map((other) => `node${other}`));
    expect(byOthers?.map(({ by }) => by).sort()).toEqual(OTHERS.map((other) => `node${other}`));
    for (const { afterMs } of byOthers ?? []) expect(afterMs).toBeLessThan(8_000);
  });

  test.each([2, 3, 5])(
    'of %i that pauses for 3 s convicts nobody, and nobody it',
    async (nodes) => {
      const story = await settled(nodes);
      for (let pause = 0; pause < 5; pause++) {
        story.node(nodes).life.pause();
        await story.pass(3_000);
        const woke = story.trace.lines;
        story.node(nodes).life.resume();
        await story.pass(4_000 + pause * 170);
        const said = story.trace.last.slice(woke);
        expect(said.filter((line) => line.includes(` node${nodes} warn: a member is`))).toEqual([]);
        expectAllAlive(story);
      }
      expect(deaths(story, 0)).toEqual([]);
    },
  );

  test('that is started again is alive at once, for those who believed it dead, too', async () => {
    const story = await settled();
    story.cluster.crash(story.node(STRUCK));
    await story.pass(5_000);
    const dead = await states(story, 1);
    expect(dead.get(`node${STRUCK}`)).toBe('dead');
    story.cluster.start(story.node(STRUCK));
    await story.until(() => story.node(STRUCK).node !== undefined);
    await story.pass(100);
    expectAllAlive(story);
  });

  test('that hangs for long and goes on is alive again soon', async () => {
    const story = await settled();
    story.node(STRUCK).life.pause();
    await story.pass(20_000);
    story.node(STRUCK).life.resume();
    await story.pass(1_000);
    expectAllAlive(story);
  });

  test('that hears little makes none of the others believe another dead or suspect', async () => {
    const story = await settled();
    story.network.deafen(`node${STRUCK}`, 0.9);
    const wrong: string[] = [];
    for (let look = 0; look < 600; look++) {
      await story.pass(100);
      for (const by of OTHERS) {
        for (const [of, state] of await states(story, by)) {
          if (of !== `node${STRUCK}` && state !== 'alive') wrong.push(`${by} ${of} ${state}`);
        }
      }
    }
    expect(wrong.filter((each) => each.includes('dead'))).toEqual([]);
    // Of 600 looks at twelve beliefs.
    expect(wrong.length).toBeLessThan(20);
  });
});

describe('a node to which no other one can connect, though it reaches them,', () => {
  test('is dead for all others, once, and alive again when they can', async () => {
    const story = await settled();
    story.network.closed = new Set([`node${STRUCK}`]);
    const found = await deathsWithin(story, 12_000);
    expect(found.map(({ by }) => by).sort()).toEqual(OTHERS.map((other) => `node${other}`));
    expect(new Set(found.map(({ of }) => of))).toEqual(new Set([`node${STRUCK}`]));
    for (const { afterMs } of found) expect(afterMs).toBeGreaterThan(4_000);
    expect(await deathsWithin(story, 30_000)).toEqual([]);
    expect([...(await states(story, STRUCK)).values()]).toEqual(ALL.map(() => 'alive'));
    story.network.closed = new Set();
    await story.pass(3_000);
    expectAllAlive(story);
    expect(deaths(story, 0)).toHaveLength(OTHERS.length);
  });

  test('is replaced after the grace period, and not taken in again before they can', async () => {
    const story = await Story.begin({ nodes: 5, graceMs: 10_000 });
    await story.pass(3_000);
    await story.put(1, 'a key', 'a value');
    story.network.closed = new Set([`node${STRUCK}`]);
    await story.settled(...OTHERS);
    expect(await story.get(1, 'a key', 'all')).toBe('a value');

    await story.pass(20_000);
    expect(story.rings.newest?.members).toHaveLength(OTHERS.length);
    expect(story.at(STRUCK).cluster.readiness()).toContainEqual(
      expect.objectContaining({ ok: false, detail: expect.stringContaining('QUORATE_ADVERTISE') }),
    );
    story.network.closed = new Set();
    await story.settled(...ALL);
  });
});

describe('nobody is believed dead, or suspect,', () => {
  test('when one way between two nodes is cut', () =>
    expectNoDoubts(({ network }) => network.cut('node1', 'node2')));

  test('when two nodes are cut off from each other', () =>
    expectNoDoubts((story) => cutBothWays(story, 1, 2)));

  test('when each node has lost another one', () =>
    expectNoDoubts((story) => {
      for (const number of ALL) cutBothWays(story, number, (number % 5) + 1);
    }));

  async function expectNoDoubts(strike: (story: Story) => void): Promise<void> {
    const story = await settled();
    const before = story.trace.lines;
    strike(story);
    await story.pass(30_000);
    const said = story.trace.last.slice(before);
    expect(said.filter((line) => line.includes('a member is'))).toEqual([]);
  }
});

test('over a day of nodes with pauses of 0.5 to 30 s, nobody who did not pause for 3 s is believed dead (failure mode 27)', async () => {
  const story = await settled();
  const random = new SeededRandom(27, 'pauses');
  const pauses: { readonly of: string; readonly fromMs: number; readonly untilMs: number }[] = [];
  while (story.scheduler.nowMs < DAY_MS / ALL.length) {
    await story.pass(random.between(5_000, 60_000));
    // Two at once now and then: one of them may be who is asked about the other.
    const struck = [random.pick(ALL), random.pick(ALL)].slice(0, random.pick([1, 1, 2]));
    const fromMs = story.scheduler.nowMs;
    const untilMs = fromMs + random.pick([500, 1_000, 2_000, 2_900, 5_000, 10_000, 30_000]);
    for (const number of struck) {
      story.node(number).life.pause();
      pauses.push({ of: `node${number}`, fromMs, untilMs });
    }
    await story.pass(untilMs - fromMs);
    for (const number of struck) story.node(number).life.resume();
  }
  await story.pass(10_000);
  expectAllAlive(story);
  const found = deaths(story, 0);
  const wrong = found.filter(
    ({ of, afterMs: atMs }) =>
      !pauses.some(
        (pause) => pause.of === of && pause.fromMs + 3_000 < atMs && atMs < pause.untilMs + 1_000,
      ),
  );
  expect(wrong).toEqual([]);
  expect(found.length).toBeGreaterThan(100);
  expect(pauses.length).toBeGreaterThan(300);
}, 120_000);

const DAY_MS = 24 * 3_600_000;

test('both sides of a split believe each other dead; healed, everybody is alive again', async () => {
  const story = await settled();
  for (const here of [1, 2, 3]) for (const there of [4, 5]) cutBothWays(story, here, there);
  await story.pass(12_000);
  const [left, right] = [await states(story, 1), await states(story, 5)];
  expect([...left.values()]).toEqual(['alive', 'alive', 'alive', 'dead', 'dead']);
  expect([...right.values()]).toEqual(['dead', 'dead', 'dead', 'alive', 'alive']);
  story.network.mend();
  await story.pass(3_000);
  expectAllAlive(story);
});

test('a run with deaths repeats itself', async () => {
  const hash = async () => {
    const story = await settled();
    story.cluster.crash(story.node(STRUCK));
    story.network.deafen('node1', 0.5);
    await story.pass(10_000);
    return story.trace.hash;
  };
  expect(await hash()).toBe(await hash());
});

/** A cluster in which all have met. */
async function settled(nodes = 5): Promise<Story> {
  const story = await Story.begin({ nodes });
  await story.pass(3_000);
  return story;
}

interface Death {
  readonly afterMs: number;
  readonly by: string;
  readonly of: string;
}

/** Who said that whom is dead, since `sinceMs`. */
function deaths(story: Story, sinceMs: number): readonly Death[] {
  return story.trace.last.flatMap((line) => {
    const [, at, by = '', of = ''] =
      /^(\S+) (\S+) warn: a member is dead \((\S+)\)$/.exec(line) ?? [];
    const afterMs = Number(at) - sinceMs;
    return at !== undefined && afterMs >= 0 ? [{ afterMs, by, of }] : [];
  });
}

async function deathsWithin(story: Story, ms: number): Promise<readonly Death[]> {
  const sinceMs = story.scheduler.nowMs;
  await story.pass(ms);
  return deaths(story, sinceMs);
}

/** The last one of them, for all others and nobody else. */
function expectDeathOf(nodes: number, found: readonly Death[]): void {
  const others = ALL.slice(0, nodes - 1).map((number) => `node${number}`);
  expect(found.map(({ by }) => by).sort()).toEqual(others);
  expect(new Set(found.map(({ of }) => of))).toEqual(new Set([`node${nodes}`]));
}

/** What a node says of the members, by name. */
async function states(story: Story, by: number): Promise<ReadonlyMap<string, string>> {
  const { members } = await story.run(story.at(by).cluster.cluster(1));
  return new Map(members.map(({ name, state }) => [name, state]));
}

function expectAllAlive(story: Story): void {
  for (const { node } of story.cluster.running) {
    const members = node.cluster.readiness().find(({ name }) => name === 'members');
    expect(members).toEqual({ name: 'members', ok: true, detail: 'all answer' });
  }
}

function cutBothWays({ network }: Story, one: number, other: number): void {
  network.cut(`node${one}`, `node${other}`);
  network.cut(`node${other}`, `node${one}`);
}
