/**
 * `make simulate`: runs seeds, each one twice, and judges what happened.
 *
 *     SEED=s           one seed, with the last lines of its trace
 *     RUNS=n [SEED=s]  the seeds s to s+n-1, on all cores; RECORD=1 writes down what came of it
 *     WITHOUT=a,b      leaves out faults (crash) and clients (client3), UNTIL_MS=t all that begins later
 *
 * The last line sums up. The exit code is 1 when a promise was broken, a seed did not do the same twice,
 * or the runs proved too little.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describeFailure, describeRun } from './failure.ts';
import { type Omissions, omissionsOf } from './omissions.ts';
import { codeVersion, type RunRecord } from './run-record.ts';
import type { SeedReport } from './run-twice.ts';
import { SeedWorker } from './seed-worker.ts';
import { Summary } from './summary.ts';

const TRACE_LINES = 2_000;
/** Of many failures these are enough to shrink. */
const MAX_SHRUNK = 3;
const PROGRESS_MS = 1_000;
/** From `build/test/simulator`. */
const PROJECT = join(import.meta.dirname, '..', '..', '..');
const RECORD = 'test/simulation/last-long-run.json';

const seed = wholeNumber('SEED') ?? 1;
const runs = wholeNumber('RUNS');
const untilMs = wholeNumber('UNTIL_MS');
const omissions = omissionsOf(process.env['WITHOUT'] ?? '', untilMs);
const isWhole = omissions.faults.length + omissions.clients.length === 0 && untilMs === undefined;
const recorded = (process.env['RECORD'] ?? '') !== '';
if (recorded && (runs === undefined || !isWhole))
  throw new Error('RECORD=1 goes with RUNS=n, and with whole runs only');
// At the start: who waits for a long run may go on working.
const origin = { date: new Date().toISOString(), code: codeVersion(PROJECT, RECORD) };
const summary = new Summary();
const failures = runs === undefined ? await replay() : await runMany(runs);

const shrinker = new SeedWorker();
for (const [index, report] of failures.entries()) {
  const { seed } = report;
  const run = (omissions: Omissions) => shrinker.run({ seed, omissions, keepLines: 0 });
  const inFull = isWhole && index < MAX_SHRUNK;
  console.log(inFull ? await describeFailure(report, run) : describeRun(report, omissions));
}
shrinker.close();
console.log((runs === undefined ? summary.lines.slice(-1) : summary.lines).join('\n'));
if (recorded) record();
const enough = runs === undefined || summary.shortcomings.length === 0;
process.exitCode = summary.violations === 0 && enough ? 0 : 1;

async function replay(): Promise<readonly SeedReport[]> {
  const worker = new SeedWorker();
  const report = await worker.run({ seed, omissions, keepLines: TRACE_LINES });
  worker.close();
  summary.add(report);
  const { result, trace, flaws } = report;
  for (const line of trace) console.log(line);
  if (result !== undefined) {
    const { hash, events, succeeded, failed } = result;
    console.log(
      `seed ${seed}: hash ${hash}, ${events} events, ${succeeded} operations succeeded, ${failed} failed`,
    );
  }
  return flaws.length === 0 ? [] : [report];
}

async function runMany(count: number): Promise<readonly SeedReport[]> {
  const failures: SeedReport[] = [];
  let next = seed;
  let toldMs = performance.now();
  const work = async (): Promise<void> => {
    const worker = new SeedWorker();
    while (next < seed + count) {
      const report = await worker.run({ seed: next++, omissions, keepLines: 0 });
      summary.add(report);
      const [flaw] = report.flaws;
      if (flaw !== undefined) {
        failures.push(report);
        // At once: whoever waits for hours wants to know. The rest follows at the end.
        console.error(`seed ${report.seed}: ${flaw.checker}: ${flaw.sentence.slice(0, 200)}`);
      }
      if (!process.stdout.isTTY || performance.now() - toldMs < PROGRESS_MS) continue;
      toldMs = performance.now();
      process.stdout.write(`\r${next - seed} of ${count} seeds begun, ${failures.length} failed\r`);
    }
    worker.close();
  };
  await Promise.all(Array.from({ length: Math.min(count, availableParallelism()) }, work));
  return failures.sort((a, b) => a.seed - b.seed);
}

function record(): void {
  const { totals } = summary;
  const written: RunRecord = {
    firstSeed: seed,
    lastSeed: seed + totals.seeds - 1,
    ...origin,
    ...totals,
  };
  writeFileSync(join(PROJECT, RECORD), `${JSON.stringify(written, undefined, 2)}\n`);
}

function wholeNumber(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === '') return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`${name}=${text} is not a whole number`);
  return Number(text);
}
