/** Processes of their own for what only a process can show: being killed, and being two. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');

export interface CompiledFixture {
  readonly script: string;
  remove(): Promise<void>;
}

/** Compiles one file of `fixtures`, and what it imports, to where the packages are found. */
export async function compileFixture(name: string): Promise<CompiledFixture> {
  const parent = join(ROOT, 'node_modules', '.cache');
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'quorate-storage-'));
  const settings = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { rootDir: ROOT, outDir: join(folder, 'built'), noCheck: true },
    include: [],
    files: [join(ROOT, 'test', 'storage', 'fixtures', `${name}.ts`)],
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await promisify(execFile)(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', folder]);
  return {
    script: join(folder, 'built', 'test', 'storage', 'fixtures', `${name}.js`),
    remove: () => rm(folder, { recursive: true }),
  };
}

/** A running script; it is killed when the test ends. */
export class RunningScript {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = '';
  #wake: (() => void) | undefined;

  constructor(script: string, args: readonly string[]) {
    this.#child = spawn(execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#output += chunk;
      this.#wake?.();
    });
    this.#ended = once(this.#child, 'close');
    void this.#ended.then(() => this.#wake?.());
    onTestFinished(() => this.kill());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** All that it has printed, as far as the lines are whole. */
  get lines(): readonly string[] {
    return this.#output.split('\n').slice(0, -1);
  }

  /** Resolves when it has printed `count` lines. @throws when it ends before that. */
  async printed(count: number): Promise<readonly string[]> {
    while (this.lines.length < count) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`the script ended; it printed ${JSON.stringify(this.#output)}`);
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.lines;
  }

  /** Ends its input, and waits for its end. */
  async finish(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }

  /** As a loss of power would: at once. Resolves when it is gone and its output has been read. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
