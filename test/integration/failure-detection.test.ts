/** How soon real processes notice that one of them has ended or hangs (failure mode 27). */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FaultCluster } from '../faults/fault-cluster.ts';
import { pause } from '../faults/pause.ts';

const STRUCK = 3;
const OTHERS = [1, 2, 4, 5];
const LOOK_EVERY_MS = 50;

let cluster: FaultCluster;

beforeAll(async () => {
  cluster = await FaultCluster.start({ nodes: 5 });
});

afterEach(async () => {
  cluster.node(STRUCK).resume();
  await allAlive();
});

afterAll(() => cluster.stop());

test('one that hangs for 3 s and goes on is dead for nobody, and nobody for it', async () => {
  cluster.node(STRUCK).pause();
  await pause(3_000);
  cluster.node(STRUCK).resume();
  await pause(6_000); // longer than any suspicion lasts
  for (const node of cluster.nodes) expect(node.said).not.toMatch(/a member is dead/);
});

test('one that hangs is dead for all others after 4 to 8 s', async () => {
  const watch = new Watch();
  cluster.node(STRUCK).pause();
  const deadAfterMs = await watch.untilAllSayDead();
  console.info(`hanging, dead after ${deadAfterMs.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  for (const ms of deadAfterMs) {
    expect(ms).toBeGreaterThan(4_000);
    expect(ms).toBeLessThan(8_000);
  }
});

test('one that is killed is dead for all others in less than 3 s, and alive at once when it is back', async () => {
  const watch = new Watch();
  await cluster.node(STRUCK).kill();
  const deadAfterMs = await watch.untilAllSayDead();
  console.info(`killed, dead after ${deadAfterMs.map((ms) => ms.toFixed(0)).join(', ')} ms`);
  for (const ms of deadAfterMs) expect(ms).toBeLessThan(3_000);

  cluster.node(STRUCK).start();
  await cluster.node(STRUCK).ready();
  await allAlive();
});

/** When each of the others noticed, by its own log: the time of an answer would be late, or too early. */
class Watch {
  readonly #startMs = Date.now();

  /** Milliseconds from the start, for each node. */
  async untilAllSayDead(): Promise<readonly number[]> {
    for (;;) {
      const deaths = OTHERS.flatMap((number) => deathsSeenBy(number, this.#startMs).slice(0, 1));
      if (deaths.length === OTHERS.length) return deaths.map((atMs) => atMs - this.#startMs);
      expect(Date.now() - this.#startMs, 'dead for all').toBeLessThan(20_000);
      await pause(LOOK_EVERY_MS);
    }
  }
}

/** When it found the struck one dead, milliseconds since 1970; not before `sinceMs`. */
function deathsSeenBy(number: number, sinceMs: number): readonly number[] {
  const lines = cluster.node(number).said.split('\n').slice(0, -1); // the last one may not be complete
  return lines
    .filter((line) => line.includes('a member is dead') && line.includes(`"node${STRUCK}"`))
    .map((line) => (JSON.parse(line) as { readonly time: number }).time)
    .filter((atMs) => atMs >= sinceMs);
}

async function statesBy(number: number): Promise<ReadonlyMap<string, string>> {
  const answer = await cluster.node(number).ask({ method: 'GET', path: '/cluster' });
  const { members } = JSON.parse(answer.body.toString()) as {
    readonly members: readonly { readonly name: string; readonly state: string }[];
  };
  return new Map(members.map(({ name, state }) => [name, state]));
}

async function allAlive(): Promise<void> {
  for (const { number } of cluster.nodes) {
    const states = async () => new Set((await statesBy(number)).values());
    await expect.poll(states, { timeout: 15_000, interval: 50 }).toEqual(new Set(['alive']));
  }
}
