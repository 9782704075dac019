/**
 * `make simulate`: runs seeds, each one twice, and judges what happened.
 *
 *     SEED=s           one seed, with the last lines of its trace
 *     RUNS=n [SEED=s]  the seeds s to s+n-1
 *
 * The last line sums up; the exit code is 1 when a promise was broken, or a seed did not do the same twice.
 */
import { runSeed, type SeedResult } from './run-seed.ts';

const TRACE_LINES = 2_000;

const seed = wholeNumber('SEED', 1);
const runs = wholeNumber('RUNS', 1);
const single = process.env['RUNS'] === undefined;
const started = performance.now();
let violations = 0;
let events = 0;
let simulatedMs = 0;
let succeeded = 0;
let failed = 0;
const faults = new Map<string, number>();

for (let current = seed; current < seed + runs; current++) {
  const first = await runSeed(current, TRACE_LINES);
  const second = await runSeed(current, TRACE_LINES);
  events += first.events + second.events;
  simulatedMs += first.simulatedMs + second.simulatedMs;
  succeeded += first.succeeded;
  failed += first.failed;
  for (const kind of first.faults.keys()) faults.set(kind, (faults.get(kind) ?? 0) + 1);
  if (single) console.log(first.trace.join('\n'));
  if (single) console.log(`seed ${current}: hash ${first.hash}, ${tally(first)}`);
  const flaws = [...first.flaws];
  if (first.hash !== second.hash) flaws.push(`two runs differ: ${firstDifference(first, second)}`);
  if (flaws.length === 0) continue;
  violations += 1;
  for (const flaw of flaws) console.log(`seed ${current}: ${flaw}`);
  console.log(`  replay it: make simulate SEED=${current}`);
}

if (!single) {
  const kinds = [...faults].map(([kind, count]) => `${kind} in ${count}`).sort();
  console.log(`faults, in runs: ${kinds.join(', ')}`);
  console.log(`operations: ${succeeded} succeeded, ${failed} failed`);
}
const seconds = (performance.now() - started) / 1_000;
console.log(
  `simulate: ${runs} seeds, ${violations} violations, ${events.toLocaleString('en')} events, ` +
    `${(simulatedMs / 1_000).toFixed(0)} s simulated, ${seconds.toFixed(0)} s`,
);
process.exitCode = violations === 0 ? 0 : 1;

function tally({ events, succeeded, failed }: SeedResult): string {
  return `${events} events, ${succeeded} operations succeeded, ${failed} failed`;
}

function firstDifference(first: SeedResult, second: SeedResult): string {
  const at = first.trace.findIndex((line, index) => line !== second.trace[index]);
  return `"${first.trace[at]}" and then "${second.trace[at]}"`;
}

function wholeNumber(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined) return fallback;
  if (!/^\d+$/.test(text)) throw new Error(`${name}=${text} is not a whole number`);
  return Number(text);
}
