/** What a `SeedWorker` starts: runs the seeds that it is sent, one after the other. */
import { setPriority } from 'node:os';
import type { Flaw } from './flaw.ts';
import { runTwice, type SeedReport, type Task } from './run-twice.ts';
import { Trace } from './trace.ts';

setPriority(10); // whatever else the machine is asked to do comes first
let current: { readonly task: Task; readonly trace: Trace } | undefined;

process.on('message', (task: Task) => {
  current = { task, trace: new Trace(task.keepLines) };
  void runTwice(task, current.trace).then((report) => process.send?.(report));
});
process.on('disconnect', () => process.exit());

// What nobody caught: the seed is told with the trace up to there, and this process is done.
process.on('uncaughtException', (error) => {
  if (current === undefined) throw error;
  const { task, trace } = current;
  const flaw: Flaw = { checker: 'exception', sentence: error.stack ?? String(error) };
  const report: SeedReport = {
    seed: task.seed,
    result: undefined,
    flaws: [flaw],
    trace: trace.last,
    cpuMs: 0,
  };
  process.send?.(report, undefined, undefined, () => process.exit(1));
});
