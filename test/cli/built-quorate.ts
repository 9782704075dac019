/** Processes of the built program, with a node that is only an HTTP server (see `fixtures`). */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished, vi } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SCRIPT = fileURLToPath(new URL('fixtures/fake-quorate.mjs', import.meta.url));

export interface BuiltQuorate {
  /** What FAKE_PROGRAM is set to. */
  readonly program: string;
  remove(): Promise<void>;
}

/** Compiles the commands alone: what is not finished in other rooms is not in the way. */
export async function buildQuorate(): Promise<BuiltQuorate> {
  // Below node_modules, so that the packages are found.
  const parent = join(ROOT, 'node_modules', '.cache');
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'quorate-cli-'));
  const settings = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { rootDir: join(ROOT, 'src'), outDir: join(folder, 'dist'), noCheck: true },
    include: [join(ROOT, 'src', 'cli')],
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  await writeFile(join(folder, 'package.json'), '{ "type": "module", "version": "1.2.3" }');
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  await promisify(execFile)(tsc, ['-p', folder]);
  return {
    program: pathToFileURL(join(folder, 'dist', 'cli', 'program.js')).href,
    remove: () => rm(folder, { recursive: true }),
  };
}

export function commandLine(args: readonly string[]): readonly string[] {
  return [process.execPath, SCRIPT, ...args];
}

export interface Ended {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** A running command; it is killed when the test ends. */
export class RunningQuorate {
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;

  constructor(
    built: BuiltQuorate,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ) {
    const [program = '', ...programArgs] = commandLine(args);
    this.#child = spawn(program, programArgs, {
      env: {
        PATH: process.env['PATH'],
        TMPDIR: tmpdir(),
        FAKE_PROGRAM: built.program,
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (exitCode, signal) => resolve({ exitCode, signal }));
    });
    onTestFinished(async () => {
      this.#child.kill('SIGKILL');
      await this.ended;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Nobody reads any more, as when `head` has seen enough. */
  stopReading(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  async firstOutput(): Promise<void> {
    await eventually(() => this.stdout !== '' || this.hasEnded());
  }

  /** The first line of standard output, when it is there. */
  async firstLine(): Promise<string> {
    await eventually(() => this.stdout.includes('\n') || this.hasEnded());
    return this.stdout.split('\n')[0] ?? '';
  }

  hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

/** Whether there is a process with this id that is more than a body waiting to be buried. */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
    // In a container nobody may collect the orphans of a killed parent: they stay as zombies.
    const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    return !/^\d+ \(.*\) Z/.test(status);
  } catch {
    return false;
  }
}

export function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  return vi.waitFor(
    async () => {
      if (!(await condition())) throw new Error('it did not happen in time');
    },
    { timeout: 30_000, interval: 20 },
  );
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-cli-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
