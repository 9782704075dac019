import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** From the project's folder, where all runs begin: a compiled copy of this file lies elsewhere. */
const MAIN = join(process.cwd(), 'dist', 'main.js');

/** One `quorate start` as a user would run it, with settings by environment. */
export class StartProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  #said = '';

  /** `within`: a command that runs the one behind it, with limits of its own perhaps. */
  constructor(settings: Readonly<Record<string, string>>, within: readonly string[] = []) {
    this.url = `http://127.0.0.1:${settings['QUORATE_PORT']}`;
    const [command = process.execPath, ...args] = [...within, process.execPath, MAIN, 'start'];
    this.#child = spawn(command, args, {
      // The channel is all that it is for: a node ends when the process at its other end does.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...settings },
    });
    this.#child.stderr?.on('data', (text: Buffer) => {
      this.#said += text.toString();
    });
  }

  /** Everything on standard error so far: messages and log lines. */
  get said(): string {
    return this.#said;
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the process was not started');
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** SIGSTOP and SIGCONT, to hold it up and to let it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  /** The exit code, once it ended by itself. */
  async ended(): Promise<number | null> {
    if (this.isRunning) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  /** The body of `/readyz?verbose`, and whether it is ready; `undefined` while it does not listen. */
  async readiness(): Promise<{ ready: boolean; text: string } | undefined> {
    try {
      const answer = await fetch(`${this.url}/readyz?verbose`);
      return { ready: answer.status === 200, text: await answer.text() };
    } catch {
      return undefined;
    }
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill(signal);
    await once(this.#child, 'exit');
  }
}
