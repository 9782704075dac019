/**
 * `make mutants`: plants each bug in a copy of the compiled tree and runs seeds in it until the judges
 * speak. A judge that has never caught anything proves nothing by its silence.
 *
 *     make mutants            the recorded seeds first; a search where they no longer do
 *     FRESH=1 make mutants    searches seeds from 1 up, and writes the record anew
 *     ONLY=a,b SEEDS=300      only these mutants; how many seeds a search may take
 *
 * Exit code 1 when a mutant survives, when a judge is never the only one to speak, or when the same
 * seeds are not clean without mutants.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKERS, type CheckerName } from '../simulator/flaw.ts';
import { MUTANTS, type Mutant } from './mutants.ts';
import { patched } from './patched.ts';
import { inParallel, type Judged, runSeeds } from './seed-runs.ts';

const PROJECT = join(import.meta.dirname, '..', '..', '..');
const BUILD = join(PROJECT, 'build');
const RECORD = join(PROJECT, 'test', 'mutants', 'killing-seeds.json');
const MOST_SEEDS = Number(process.env['SEEDS'] ?? 2_000);

/** The seed that killed a mutant, and one under which only the judge spoke that it is planted for. */
interface Kill {
  readonly seed?: number | undefined;
  readonly by?: readonly CheckerName[] | undefined;
  readonly alone?: number | undefined;
}

const fresh = (process.env['FRESH'] ?? '') !== '';
const started = performance.now();
const recorded = readRecord();
const only = process.env['ONLY']?.split(',');
const mutants = MUTANTS.filter(({ name }) => only?.includes(name) ?? true);

for (const mutant of mutants) plant(mutant);
const kills = await inParallel(mutants, kill);
const dirty = await withoutMutants(kills);
report();

function plant(mutant: Mutant): void {
  const root = rootOf(mutant);
  rmSync(root, { recursive: true, force: true });
  for (const part of ['src', 'test'])
    cpSync(join(BUILD, part), join(root, part), { recursive: true });
  const file = join(root, mutant.file);
  writeFileSync(file, patched(readFileSync(file, 'utf8'), mutant));
}

function rootOf({ name }: Mutant): string {
  return join(BUILD, 'mutants', name);
}

async function kill(mutant: Mutant): Promise<Kill> {
  const { seed, alone } = recorded[mutant.name] ?? {};
  const seeds = [seed, alone].filter((each) => each !== undefined).map(String);
  if (!fresh && seeds.length > 0) {
    const known = await search(mutant, seeds);
    if (isDead(mutant, known)) return known;
    console.log(`${mutant.name}: the recorded seeds do not do any more, searching`);
  }
  const found = await search(mutant, [`1-${MOST_SEEDS}`]);
  console.log(
    `${mutant.name}: seed ${found.seed ?? 'none'}, ${found.by?.join(', ') ?? 'survives'}`,
  );
  return found;
}

async function search(mutant: Mutant, seeds: readonly string[]): Promise<Kill> {
  let found: Kill = {};
  await runSeeds(rootOf(mutant), seeds, (judged) => {
    found = withNews(mutant, found, judged);
    return isDead(mutant, found);
  });
  return found;
}

function withNews({ alone }: Mutant, known: Kill, { seed, spoken }: Judged): Kill {
  const by = CHECKERS.filter((checker) => checker in spoken);
  const [first] = by;
  if (first === undefined) return known;
  const isAlone = by.length === 1 && first === alone;
  return {
    seed: known.seed ?? seed,
    by: known.by ?? by,
    alone: known.alone ?? (isAlone ? seed : undefined),
  };
}

function isDead({ alone }: Mutant, { seed, alone: aloneSeed }: Kill): boolean {
  return seed !== undefined && (alone === undefined || aloneSeed !== undefined);
}

/** What the judges say under the same seeds when nothing is planted: it should be nothing. */
async function withoutMutants(kills: readonly Kill[]): Promise<readonly string[]> {
  const seeds = new Set(kills.flatMap(({ seed, alone }) => [seed, alone]));
  seeds.delete(undefined);
  const said: string[] = [];
  await inParallel([...seeds], async (seed) => {
    await runSeeds(BUILD, [String(seed)], ({ spoken }) => {
      for (const [checker, sentence] of Object.entries(spoken))
        said.push(`seed ${seed} without a mutant: ${checker}: ${sentence}`);
      return false;
    });
  });
  return said;
}

function report(): void {
  const survivors = mutants.filter((_, index) => kills[index]?.seed === undefined);
  const missed = mutants.filter((mutant, index) => {
    const killed = kills[index] ?? {};
    return killed.seed !== undefined && !isDead(mutant, killed);
  });
  table(
    ['mutant', 'seed', 'caught by'],
    mutants.map(({ name }, index) => {
      const { seed, by = [] } = kills[index] ?? {};
      return [name, String(seed ?? 'survives'), by.join(', ')];
    }),
  );
  table(
    ['the only judge to speak', 'seed', 'mutant'],
    CHECKERS.flatMap((checker) => {
      const index = mutants.findIndex(({ alone }) => alone === checker);
      if (index === -1) return [];
      return [[checker, String(kills[index]?.alone ?? 'never'), mutants[index]?.name ?? '']];
    }),
  );
  for (const { name, wrong } of survivors) console.log(`${name} survives: ${wrong}`);
  for (const { name, alone } of missed) console.log(`${name}: ${alone} was never the only one`);
  for (const sentence of dirty) console.log(sentence);
  if (fresh) record();
  const seconds = ((performance.now() - started) / 1_000).toFixed(0);
  console.log(
    `mutants: ${mutants.length - survivors.length} of ${mutants.length} found, ${seconds} s`,
  );
  process.exitCode = survivors.length + missed.length + dirty.length === 0 ? 0 : 1;
}

function readRecord(): Readonly<Partial<Record<string, Kill>>> {
  return JSON.parse(readFileSync(RECORD, 'utf8'));
}

/** What was not searched for stays as it was. */
function record(): void {
  const found = new Map(mutants.map(({ name }, index) => [name, kills[index]]));
  const before = readRecord();
  const entries = MUTANTS.map(({ name }) => [name, found.get(name) ?? before[name]]);
  writeFileSync(RECORD, `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`);
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): void {
  const all = [heads, ...rows];
  const widths = heads.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  for (const row of all)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  console.log('');
}
