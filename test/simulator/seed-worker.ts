import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Breakdown } from './flaw.ts';
import type { SeedReport, Task } from './run-twice.ts';

const SCRIPT = join(import.meta.dirname, 'worker-process.js');
/** A seed takes a fraction of a second; this is for one that never ends, on a busy machine. */
const DEADLINE_MS = 60_000;
/** Young objects die before they are looked at: a tenth less time. */
const NODE_OPTIONS = ['--max-semi-space-size=64'];

/** Runs seeds in a process of its own, one at a time. A seed that ends or blocks the process costs only itself. */
export class SeedWorker {
  readonly #script: string;
  readonly #deadlineMs: number;
  #child: ChildProcess | undefined;

  constructor(options: { readonly script?: string; readonly deadlineMs?: number } = {}) {
    this.#script = options.script ?? SCRIPT;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  }

  /** Always resolves: what happened to the process is a flaw of the seed. */
  run(task: Task): Promise<SeedReport> {
    const child = this.#child ?? this.#start();
    let said = '';
    return new Promise((resolve) => {
      const hear = (text: Buffer): void => {
        said = `${said}${text}`.slice(-4_000);
      };
      const end = (report: SeedReport): void => {
        clearTimeout(deadline);
        child.stderr?.off('data', hear);
        child.off('message', end);
        child.off('close', died);
        // After an exception the process is on its way out.
        if (report.result === undefined) this.close();
        resolve(report);
      };
      const died = (code: number | null, signal: string | null): void => {
        this.#child = undefined;
        end(flawed(task, 'process', `its process ended (${code ?? signal})\n${said}`));
      };
      const deadline = setTimeout(() => {
        end(flawed(task, 'deadline', `did not end within ${this.#deadlineMs / 1_000} s`));
      }, this.#deadlineMs);
      child.stderr?.on('data', hear);
      child.on('message', end);
      child.on('close', died);
      child.send(task);
    });
  }

  close(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  #start(): ChildProcess {
    const child = fork(this.#script, {
      execArgv: NODE_OPTIONS,
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.on('error', () => undefined); // a message to one that just ended; `close` follows
    return child;
  }
}

function flawed({ seed }: Task, checker: Breakdown, sentence: string): SeedReport {
  return { seed, result: undefined, flaws: [{ checker, sentence }], trace: [], cpuMs: 0 };
}
