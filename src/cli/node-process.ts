/** One node of `dev`: a process of its own, so that it can be killed, paused and looked at like one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { DevNode } from './dev-nodes.ts';

/** How a process ended; `failure`: it could not even be started. */
export interface Ending {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly failure: string | undefined;
}

const TAIL_BYTES = 8_192;

export class NodeProcess {
  readonly node: DevNode;
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #logStart: number;
  #running = true;

  /** `command` is what `start` is appended to. */
  constructor(node: DevNode, command: readonly string[]) {
    this.node = node;
    const [program = '', ...args] = command;
    const log = openSync(node.logFile, 'a', 0o600);
    this.#logStart = fstatSync(log).size;
    this.#child = spawn(program, [...args, 'start'], {
      env: node.environment,
      // The log goes straight to the file: it outlives `dev`, and a full pipe cannot stop the node.
      // The channel tells the node, by closing, that `dev` is gone.
      stdio: ['ignore', log, log, 'ipc'],
      // A process group of its own: ctrl-c in the terminal reaches `dev` alone, which then stops the
      // nodes. Otherwise each would be asked twice, and the second time means at once.
      detached: true,
    });
    closeSync(log);
    this.ended = this.#watch();
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Asks it to stop; also when it is paused. */
  stop(): void {
    if (!this.#running) return;
    this.#child.kill('SIGTERM');
    this.#child.kill('SIGCONT');
  }

  kill(): void {
    if (this.#running) this.#child.kill('SIGKILL');
  }

  /** The last lines that it wrote in this life. */
  lastLines(count: number): readonly string[] {
    const log = openSync(this.node.logFile, 'r');
    try {
      const { size } = fstatSync(log);
      const from = Math.max(this.#logStart, size - TAIL_BYTES);
      const bytes = Buffer.alloc(Math.max(0, size - from));
      const read = readSync(log, bytes, 0, bytes.length, from);
      return bytes.subarray(0, read).toString().trim().split('\n').slice(-count);
    } finally {
      closeSync(log);
    }
  }

  #watch(): Promise<Ending> {
    return new Promise((resolve) => {
      const end = (ending: Partial<Ending>): void => {
        this.#running = false;
        resolve({ exitCode: undefined, signal: undefined, failure: undefined, ...ending });
      };
      this.#child.on('exit', (exitCode, signal) => {
        end({ exitCode: exitCode ?? undefined, signal: signal ?? undefined });
      });
      this.#child.on('error', (error) => {
        if (this.#child.pid === undefined) end({ failure: error.message });
      });
    });
  }
}
