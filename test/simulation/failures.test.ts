import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { describeFailure } from '../simulator/failure.ts';
import type { Judge } from '../simulator/flaw.ts';
import {
  NOTHING_OMITTED,
  type Omissions,
  omissionsOf,
  RUN_FAULTS,
  replayCommand,
} from '../simulator/omissions.ts';
import { runSeed, type SeedResult } from '../simulator/run-seed.ts';
import type { SeedReport } from '../simulator/run-twice.ts';
import { SeedWorker } from '../simulator/seed-worker.ts';
import { shrink } from '../simulator/shrink.ts';
import { Summary } from '../simulator/summary.ts';
import { Trace } from '../simulator/trace.ts';

/** As if no coordinator were allowed to die with a request under way. */
const deathIsAFlaw: Judge = ({ operations }) =>
  operations
    .filter(({ endMs, result }) => endMs === undefined && result.is === 'unknown')
    .map(({ startMs }) => ({
      checker: 'availability',
      sentence: `nobody answered (${startMs} ms)`,
    }));

describe('a run that fails', () => {
  test('is printed with what it takes to see it again, and shrunk', async () => {
    const seed = await firstSeedWith(deathIsAFlaw);
    const run = async (omissions: Omissions): Promise<SeedReport> =>
      reportOf(seed, await runSeed(seed, { omissions, judge: deathIsAFlaw }));
    const whole = await run(NOTHING_OMITTED);
    const text = await describeFailure(whole, run);

    expect(text).toMatch(`seed ${seed} fails: availability: nobody answered`);
    expect(text).toMatch(/commit \S+( with changes)?, Node v\d+\S*, [\d,]+ events/);
    expect(text).toMatch(/settings \{.*"replicationFactor":\d.*"faults":\[.*\]\}/);
    expect(text).toMatch(new RegExp(`replay it: make simulate SEED=${seed}\n`));

    const [, words = ''] = /replay it: make simulate (\S+ WITHOUT=.*)$/.exec(text) ?? [];
    const said = new Map(words.split(' ').map((word) => word.split('=') as [string, string]));
    const omissions = omissionsOf(said.get('WITHOUT') ?? '', Number(said.get('UNTIL_MS')));
    const small = await run(omissions);
    expect(small.flaws[0]?.checker).toBe('availability');
    expect(small.result?.events).toBeLessThan((whole.result?.events ?? 0) * 0.7);
    const deadly = ['crash', 'crash_of_all', 'failing_sync', 'torn_write', 'wipe'];
    const left = [...(small.result?.faults.keys() ?? [])];
    expect(deadly).toEqual(expect.arrayContaining(left));
    // A failed sync is counted a moment later, which a run cut short may not live to see.
    expect(left.length).toBeLessThanOrEqual(1);
  });

  test('is cut down to the parts without which it does not fail', async () => {
    const { omissions } = await shrink({
      faults: RUN_FAULTS,
      clients: 10,
      workloadMs: 5_000,
      maxTries: 200,
      fails: async ({ faults, clients, untilMs }) =>
        !faults.includes('pause') &&
        !faults.includes('loss') &&
        !clients.includes(7) &&
        (untilMs ?? 5_000) >= 1_234,
    });
    expect(RUN_FAULTS.filter((kind) => !omissions.faults.includes(kind))).toEqual([
      'pause',
      'loss',
    ]);
    expect(omissions.clients).toEqual([0, 1, 2, 3, 4, 5, 6, 8, 9]);
    expect(omissions.untilMs).toBeGreaterThanOrEqual(1_234);
    expect(omissions.untilMs).toBeLessThan(1_234 + 50);
  });

  test('is not tried more often than allowed', async () => {
    let tries = 0;
    const fails = async () => ++tries % 2 === 0;
    await shrink({ faults: RUN_FAULTS, clients: 10, workloadMs: 5_000, maxTries: 7, fails });
    expect(tries).toBe(7);
  });
});

describe('what is left out', () => {
  test('reads the same on the command line as it was printed', () => {
    const omissions: Omissions = { faults: ['crash', 'loss'], clients: [0, 12], untilMs: 1_800 };
    const command = replayCommand(5, omissions);
    expect(command).toBe('make simulate SEED=5 WITHOUT=crash,loss,client0,client12 UNTIL_MS=1800');
    expect(omissionsOf('crash,loss,client0,client12', 1_800)).toEqual(omissions);
    expect(() => omissionsOf('thunder', undefined)).toThrow(/WITHOUT=thunder/);
  });

  test('leaves what remains as it was: strikes, and what other clients ask first', async () => {
    const faults = ['crash', 'pause', 'loss', 'duplication'] as const;
    const strikes = async (omissions: Omissions) => {
      const trace = new Trace(Number.POSITIVE_INFINITY);
      await runSeed(4, { omissions, trace, settings: { loss: 0.02, duplication: 0.05 } });
      return trace.last.flatMap((line) => / (FAULT .*|\S+ > .*: lost)$/.exec(line)?.[1] ?? []);
    };
    const whole = await strikes(NOTHING_OMITTED);
    const part = await strikes({ ...NOTHING_OMITTED, faults });
    const isLeftOut = (strike: string) =>
      faults.some((kind) => strike.startsWith(`FAULT ${kind} `));
    expect(whole.some(isLeftOut) && whole.some((strike) => strike.endsWith(': lost'))).toBe(true);
    expect(part).not.toEqual([]);
    // One run may end a little earlier than the other.
    const rest = whole.filter((strike) => strike.startsWith('FAULT') && !isLeftOut(strike));
    const length = Math.min(rest.length, part.length);
    expect(length).toBeGreaterThan(2);
    expect(part.slice(0, length)).toEqual(rest.slice(0, length));

    const firsts = async (clients: readonly number[]) => {
      const asked = new Map<number, string>();
      const judge: Judge = ({ operations }) => {
        for (const { client, key, action } of operations)
          if (!asked.has(client)) asked.set(client, `${action.kind} ${key}`);
        return [];
      };
      const settings = { clients: 4, keys: 20, level: 'quorum' } as const;
      await runSeed(4, { settings, judge, omissions: { ...NOTHING_OMITTED, clients } });
      return asked;
    };
    const all = await firsts([]);
    all.delete(1);
    expect(new Map([...(await firsts([1]))].sort())).toEqual(new Map([...all].sort()));
  });

  test('ends early what is to end early', async () => {
    let lastMs = 0;
    const judge: Judge = ({ operations }) => {
      const [first] = operations;
      lastMs = (operations.at(-1)?.startMs ?? 0) - (first?.startMs ?? 0);
      return [];
    };
    await runSeed(1, { judge, settings: { level: 'quorum' } });
    expect(lastMs).toBeGreaterThan(4_000);
    const omissions = { ...NOTHING_OMITTED, untilMs: 700 };
    await runSeed(1, { judge, settings: { level: 'quorum' }, omissions });
    expect(lastMs).toBeLessThan(700);
  });
});

describe('a worker', () => {
  const script = fileURLToPath(new URL('fixtures/unlucky-worker.mjs', import.meta.url));
  const worker = new SeedWorker({ script, deadlineMs: 3_000 });
  const run = (seed: number) => worker.run({ seed, omissions: NOTHING_OMITTED, keepLines: 0 });
  afterEach(() => worker.close());

  test('names the seed that ended its process, and goes on with the next', async () => {
    const [thrown, killed, next] = [await run(1), await run(2), await run(4)];
    expect(thrown.flaws[0]?.checker).toBe('process');
    expect(thrown.flaws[0]?.sentence).toMatch(/seed 1 is too much/);
    expect(killed.flaws[0]?.sentence).toMatch(/SIGKILL/);
    expect(next).toMatchObject({ seed: 4, flaws: [] });
  });

  test('gives up a seed that never ends, and goes on with the next', async () => {
    expect(await run(3)).toMatchObject({ seed: 3, flaws: [{ checker: 'deadline' }] });
    expect(await run(4)).toMatchObject({ seed: 4, flaws: [] });
  });
});

describe('the sum of many runs', () => {
  test('objects to a kind of fault that hardly ever did something', () => {
    const rare = summaryOf(200, (index) => (index < 1 ? RUN_FAULTS : RUN_FAULTS.slice(1)));
    expect(rare.shortcomings).toEqual([`${RUN_FAULTS[0]} did something in 1 of 200 runs only`]);
    const enough = summaryOf(200, (index) => (index < 2 ? RUN_FAULTS : RUN_FAULTS.slice(1)));
    expect(enough.shortcomings).toEqual([]);
  });

  test('does not judge few runs by that', () => {
    expect(summaryOf(199, () => []).shortcomings).toEqual([]);
  });

  test('objects when most operations fail', () => {
    const result = { ...RESULT, succeeded: 4, failed: 5 };
    const summary = new Summary();
    for (let index = 0; index < 20; index++) summary.add(reportOf(index, result));
    expect(summary.shortcomings).toEqual(['44.4 % of the operations succeeded only']);
  });

  test('counts seeds and violations once, events and time for both runs of a seed', () => {
    const [fault] = RUN_FAULTS;
    const summary = summaryOf(3, () => [fault]);
    summary.add({ ...reportOf(3, RESULT), flaws: [{ checker: 'register', sentence: 'broken' }] });
    expect(summary.totals).toMatchObject({ seeds: 4, violations: 1, events: 8 });
    expect(summary.totals).toMatchObject({ simulatedHours: 8 / 3_600_000, succeeded: 20 });
    expect(summary.totals.runsWith).toMatchObject({ [fault]: 3, loss: 0 });
  });
});

const RESULT = {
  settings: {} as SeedResult['settings'],
  hash: '',
  events: 1,
  simulatedMs: 1,
  succeeded: 5,
  failed: 5,
  faults: new Map(),
  flaws: [],
} satisfies SeedResult;

function summaryOf(
  runs: number,
  faults: (index: number) => readonly (typeof RUN_FAULTS)[number][],
) {
  const summary = new Summary();
  for (let index = 0; index < runs; index++) {
    const struck = new Map(faults(index).map((kind) => [kind, 1] as const));
    summary.add(reportOf(index, { ...RESULT, faults: struck }));
  }
  return summary;
}

function reportOf(seed: number, result: SeedResult): SeedReport {
  return { seed, result, flaws: result.flaws, trace: [], cpuMs: 1 };
}

async function firstSeedWith(judge: Judge): Promise<number> {
  for (let seed = 1; seed <= 50; seed++) {
    const { flaws } = await runSeed(seed, { judge });
    if (flaws.length > 0) return seed;
  }
  throw new Error('no seed of fifty');
}
