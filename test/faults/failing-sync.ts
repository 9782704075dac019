import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const SOURCE = join(import.meta.dirname, 'failing-sync.c');

/** `failing-sync.c`, compiled for this machine. */
export class FailingSync {
  readonly #folder: string;

  static async compile(): Promise<FailingSync> {
    const shim = new FailingSync(await mkdtemp(join(tmpdir(), 'quorate-shim-')));
    const options = ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', shim.#library, SOURCE];
    await promisify(execFile)('gcc', [...options, '-ldl']);
    return shim;
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** The environment of a node whose sync number `call` fails, counted from its start. */
  at(call: number): Readonly<Record<string, string>> {
    return { LD_PRELOAD: this.#library, FAULT_SYNC: String(call) };
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true });
  }

  get #library(): string {
    return join(this.#folder, 'failing-sync.so');
  }
}
