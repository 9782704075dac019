/** What `docs/reliability.md` says of tests, planted bugs and commits is so. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MUTANTS } from '../mutants/mutants.ts';
import { FAILURE_MODES } from './failure-modes.ts';
import { FOUND_BY_REAL_PROCESSES, FOUND_BY_SIMULATION } from './found-bugs.ts';
import { reliabilityPage } from './page.ts';
import { readRecords } from './records.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const { run, kills } = readRecords(ROOT);
const BUGS = [...FOUND_BY_SIMULATION, ...FOUND_BY_REAL_PROCESSES];

describe('the page on reliability', () => {
  test('is what `make reliability` writes', () => {
    const page = readFileSync(join(ROOT, 'docs', 'reliability.md'), 'utf8');
    expect(page === reliabilityPage({ run, kills }), 'run `make reliability`').toBe(true);
  });

  test('tells of a run without a violation, whose seeds it counts', () => {
    expect(run.violations).toBe(0);
    expect(run.seeds).toBe(run.lastSeed - run.firstSeed + 1);
  });

  test('says so when a run was short, broke a promise, or is of no commit', () => {
    const page = reliabilityPage({
      kills,
      run: { ...run, seeds: 19_999, violations: 2, code: { commit: 'abc', changed: true } },
    });
    expect(page).toContain('**19,999 seeds, 2 violations**');
    expect(page).toContain('this run was shorter');
    expect(page).toContain('commit `abc` **and changes that were not committed**');
    expect(reliabilityPage({ kills, run: { ...run, seeds: 20_000 } })).not.toContain('shorter');
  });
});

describe('the table of failure modes', () => {
  test('has each number that can be met by now exactly once', () => {
    const numbers = [
      ...[...from(1, 16), '16a', ...from(20, 51)],
      ...['53', '56', '58', '68', ...from(70, 72)],
    ];
    expect(FAILURE_MODES.map(({ number }) => number)).toEqual(numbers);
  });

  test.each(FAILURE_MODES)('names tests that are there, or says why not: $number', (mode) => {
    for (const [file, name] of mode.tests) {
      const text = readFileSync(join(ROOT, 'test', file), 'utf8');
      expect(hasTest(text, name), `"${name}" in test/${file}`).toBe(true);
    }
    expect(mode.tests.length === 0).toBe(mode.notYet !== undefined);
  });

  test('names planted bugs that are there', () => {
    const names: readonly string[] = MUTANTS.map(({ name }) => name);
    const named = FAILURE_MODES.flatMap(({ mutants }) => mutants ?? []);
    expect(named.filter((name) => !names.includes(name))).toEqual([]);
  });

  test('would notice a test that was renamed, and takes no group for a test', () => {
    const text =
      "describe('a', () => { test('b', () => {}); test.each([1])(\n  'c %i', () => {}); });";
    expect(['a', 'b', 'c %i', 'c', 'd'].map((name) => hasTest(text, name))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
    expect(hasTest("describe.each([1])('a', () => {})", 'a')).toBe(false);
  });
});

test('each planted bug was found, by somebody', () => {
  for (const { name, alone } of MUTANTS) {
    const kill = kills[name];
    expect(kill?.seed, name).toBeGreaterThan(0);
    expect(kill?.by, name).not.toEqual([]);
    if (alone !== undefined) expect(kill?.alone, name).toBeGreaterThan(0);
  }
  expect(Object.keys(kills).toSorted()).toEqual(MUTANTS.map(({ name }) => name).toSorted());
});

test('each seed that showed a bug is run with every test run', () => {
  const text = readFileSync(join(ROOT, 'test', 'simulation', 'regression-seeds.txt'), 'utf8');
  const run = new Set(text.replace(/^#.*$/gm, '').split(/\s+/).map(Number));
  const seeds = FOUND_BY_SIMULATION.flatMap(({ seeds }) => seeds);
  expect(seeds.filter((seed) => !run.has(seed))).toEqual([]);
});

const history = commits();
describe.skipIf(history === undefined)(
  'the list of bugs (skipped without the history in git)',
  () => {
    test.each(BUGS)('names the commit that mended it: $commit $wrong', ({ commit, subject }) => {
      const found = history?.filter(([hash]) => hash?.startsWith(commit));
      expect(found?.map(([, told]) => told)).toEqual([subject]);
    });
  },
);

/** Whether a file has a test of that name; a group of tests of that name does not count. */
function hasTest(text: string, name: string): boolean {
  return ["'", '"', '`'].some((quote) => {
    const written = escaped(`${quote}${name}${quote},`);
    if (new RegExp(`\\btest\\(\\s*${written}`).test(text)) return true;
    // `test.each(...)('name'`, also `test.skipIf(...)`; the nearest of these words before it decides.
    const later = new RegExp(`\\)\\(\\s*${written}`).exec(text);
    if (later === null) return false;
    const before = text.slice(0, later.index);
    return before.lastIndexOf('test.') > before.lastIndexOf('describe.');
  });
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Hash and subject of each, newest first; `undefined` where there is no history, or only its end. */
function commits(): readonly (readonly string[])[] | undefined {
  const git = (...words: readonly string[]): string =>
    execFileSync('git', words, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' });
  try {
    if (git('rev-parse', '--is-shallow-repository').trim() === 'true') return undefined;
    const lines = git('log', '--format=%H %s').trimEnd().split('\n');
    return lines.map((line) => [line.slice(0, 40), line.slice(41)]);
  } catch {
    return undefined;
  }
}

function from(first: number, last: number): readonly string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => String(first + index));
}
