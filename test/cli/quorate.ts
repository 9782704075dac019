/** Runs a command of this process, with streams that are kept instead of shown. */
import { Readable, Writable } from 'node:stream';
import { runProgram } from '../../src/cli/program.ts';
import { Terminal } from '../../src/cli/terminal.ts';

export interface Ran {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Surroundings {
  readonly environment?: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array | string;
  /** Whether standard input is a terminal, with somebody who types `stdin`. */
  readonly interactive?: boolean;
}

export async function quorate(args: readonly string[], given: Surroundings = {}): Promise<Ran> {
  const stdout = new Recorder();
  const stderr = new Recorder();
  const stdin = Readable.from(given.stdin === undefined ? [] : [Buffer.from(given.stdin)]);
  const terminal = new Terminal({
    environment: given.environment ?? {},
    stdin: given.interactive === true ? Object.assign(stdin, { isTTY: true }) : stdin,
    stdout,
    stderr,
  });
  const exitCode = await runProgram(['node', 'quorate', ...args], {
    startNode: () => Promise.reject(new Error('no node is started in these tests')),
    terminal,
  });
  return { exitCode, stdout: stdout.bytes, stderr: stderr.bytes.toString() };
}

class Recorder extends Writable {
  readonly #chunks: Buffer[] = [];

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }
}
