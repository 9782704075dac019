import type { Flaw } from './flaw.ts';
import type { Omissions } from './omissions.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { Trace } from './trace.ts';

/** What a worker is asked to run. */
export interface Task {
  readonly seed: number;
  readonly omissions: Omissions;
  /** How many of the last lines of the trace are wanted. */
  readonly keepLines: number;
}

/** What came of it. */
export interface SeedReport {
  readonly seed: number;
  /** Absent when the run did not come to its end. */
  readonly result: SeedResult | undefined;
  readonly flaws: readonly Flaw[];
  readonly trace: readonly string[];
  /** Processor time of both runs. */
  readonly cpuMs: number;
}

/**
 * Runs a seed twice, which has to do the same both times; the judges look on the first time, which `trace`
 * takes down.
 */
export async function runTwice({ seed, omissions }: Task, trace: Trace): Promise<SeedReport> {
  const before = process.cpuUsage();
  const first = await runSeed(seed, { omissions, trace });
  const second = await runSeed(seed, { omissions, trace: new Trace(0), judged: false });
  const flaws = [...first.flaws];
  if (first.hash !== second.hash)
    flaws.push({ checker: 'determinism', sentence: await firstDifference(seed, omissions) });
  const { user, system } = process.cpuUsage(before);
  return { seed, result: first, flaws, trace: trace.last, cpuMs: (user + system) / 1_000 };
}

/** Runs the seed two times more: whole traces would be too much to keep for every seed. */
async function firstDifference(seed: number, omissions: Omissions): Promise<string> {
  const traces = [new Trace(Infinity), new Trace(Infinity)] as const;
  for (const trace of traces) await runSeed(seed, { omissions, trace });
  const [first, second] = traces.map(({ last }) => last);
  const at = first?.findIndex((line, index) => line !== second?.[index]) ?? -1;
  if (at < 0) return 'two runs differed, and the next two did not';
  return `two runs differ in line ${at + 1}: "${first?.[at]}" and "${second?.[at]}"`;
}
