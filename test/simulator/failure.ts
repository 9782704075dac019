/** What is printed about a run that failed: all that is needed to see it fail again, in few events. */
import { execFileSync } from 'node:child_process';
import type { Flaw } from './flaw.ts';
import { NOTHING_OMITTED, type Omissions, RUN_FAULTS, replayCommand } from './omissions.ts';
import { drawSettings } from './run-settings.ts';
import type { SeedReport } from './run-twice.ts';
import { shrink } from './shrink.ts';

const MAX_TRIES = 80;
const SHRINK_WITHIN_MS = 60_000;

type Run = (omissions: Omissions) => Promise<SeedReport>;

/** A failure in full: `run` runs the seed of `report` again, with something left out. */
export async function describeFailure(report: SeedReport, run: Run): Promise<string> {
  const lines = [describeRun(report, NOTHING_OMITTED)];
  const [flaw] = report.flaws;
  const shrunk = flaw && (await shrinkReport(report, flaw, run));
  if (shrunk === undefined) return lines.join('\n');
  const { smallest, omissions, tries } = shrunk;
  if (smallest === undefined) lines.push(`  no smaller run fails like that (${tries} tries)`);
  else lines.push(`  and smaller, after ${tries} tries:`, describeRun(smallest, omissions));
  return lines.join('\n');
}

/** Without shrinking: for a run from which something is left out already. */
export function describeRun(report: SeedReport, omissions: Omissions): string {
  const { seed, result, flaws } = report;
  const [first, ...others] = flaws;
  const lines = [
    `seed ${seed} fails: ${first?.checker}: ${first?.sentence}`,
    `  commit ${commit()}, Node ${process.version}, ${eventsOf(report)}`,
    `  settings ${JSON.stringify(result?.settings ?? drawSettings(seed))}`,
  ];
  if (others.length > 0) lines.push(`  and ${others.length} more: ${others.map(nameOf)}`);
  lines.push(`  replay it: ${replayCommand(seed, omissions)}`);
  return lines.join('\n');
}

async function shrinkReport(report: SeedReport, flaw: Flaw, run: Run) {
  const startedMs = performance.now();
  let smallest: SeedReport | undefined;
  const { clients, workloadMs } = drawSettings(report.seed);
  const { omissions, tries } = await shrink({
    faults: report.result === undefined ? RUN_FAULTS : [...report.result.faults.keys()],
    clients,
    workloadMs,
    maxTries: MAX_TRIES,
    fails: async (omissions) => {
      if (performance.now() - startedMs > SHRINK_WITHIN_MS) return false;
      const candidate = await run(omissions);
      if (!candidate.flaws.some(({ checker }) => checker === flaw.checker)) return false;
      smallest = candidate;
      return true;
    },
  });
  return { smallest, omissions, tries };
}

function eventsOf({ result }: SeedReport): string {
  if (result === undefined) return 'it did not come to its end';
  return `${result.events.toLocaleString('en')} events`;
}

function nameOf({ checker }: Flaw): string {
  return checker;
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const changed = git('status', '--porcelain') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}
