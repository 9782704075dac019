import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import type { CheckerName } from '../simulator/flaw.ts';

/** What the judges said of one seed: by judge, its first sentence. */
export interface Judged {
  readonly seed: number;
  readonly spoken: Readonly<Partial<Record<CheckerName, string>>>;
}

/** A seed takes a fraction of a second; one that takes this long never ends. Milliseconds. */
const LONGEST_SEED_MS = 60_000;

/**
 * Runs seeds (`17` or `1-2000`) in a process of their own, in the compiled tree at `root`, until
 * `enough` of one of them. @throws Error when the process broke or hung
 */
export async function runSeeds(
  root: string,
  seeds: readonly string[],
  enough: (judged: Judged) => boolean,
): Promise<void> {
  const worker = spawn(process.execPath, [`${root}/test/mutants/seed-worker.js`, ...seeds], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => worker.on('close', resolve));
  let hung = false;
  const watchdog = setTimeout(() => {
    hung = true;
    worker.kill('SIGKILL');
  }, LONGEST_SEED_MS);
  let satisfied = false;
  try {
    for await (const line of createInterface({ input: worker.stdout })) {
      watchdog.refresh();
      satisfied ||= enough(JSON.parse(line) as Judged);
      if (satisfied) break;
    }
  } finally {
    clearTimeout(watchdog);
    if (satisfied) worker.kill();
  }
  const code = await ended;
  if (hung) throw new Error(`a seed of ${seeds} in ${root} took more than a minute`);
  if (!satisfied && code !== 0) throw new Error(`seeds ${seeds} in ${root} ended with ${code}`);
}

/** Does all jobs, as many at once as there are cores; the results in the order of the jobs. */
export async function inParallel<Job, Result>(
  jobs: readonly Job[],
  work: (job: Job) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const queue = jobs.entries();
  const lane = async (): Promise<void> => {
    for (const [index, job] of queue) results[index] = await work(job);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return results;
}
