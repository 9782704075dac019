/** What a command reads and writes: data on standard output, messages on standard error. */
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../config.ts';

export interface Streams {
  readonly environment: Environment;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export class Terminal {
  readonly environment: Environment;
  readonly stdin: Readable;
  readonly #stdout: Writable;
  readonly #stderr: Writable;

  constructor({ environment, stdin, stdout, stderr }: Streams) {
    this.environment = environment;
    this.stdin = stdin;
    this.#stdout = stdout;
    this.#stderr = stderr;
    // A failed write also raises an event, which unheard would end the process; `write` has it already.
    for (const stream of [stdout, stderr]) stream.on('error', () => undefined);
  }

  /** Resolves when the bytes are on their way; also when nobody reads any more, as under `head`. */
  print(data: string | Uint8Array): Promise<void> {
    return write(this.#stdout, data);
  }

  printLine(line: string): Promise<void> {
    return this.print(`${line}\n`);
  }

  printJson(value: unknown): Promise<void> {
    return this.printLine(JSON.stringify(value));
  }

  /** Whether somebody sits there who can be asked. */
  get isInteractive(): boolean {
    return 'isTTY' in this.stdin && this.stdin.isTTY === true;
  }

  /** Asks, on standard error; only `y` and `yes` are a yes. Resolves with false when the input ends. */
  async confirms(question: string): Promise<boolean> {
    const lines = createInterface({ input: this.stdin, output: this.#stderr });
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    try {
      const answer = await Promise.race([lines.question(`${question} [y/N] `), ended]);
      return /^y(es)?$/i.test(answer.trim());
    } finally {
      lines.close();
    }
  }

  /** A message for the person at the terminal. There is nobody to tell when it cannot be written. */
  tell(message: string): void {
    void write(this.#stderr, `${message}\n`).catch(() => undefined);
  }
}

export function processTerminal(): Terminal {
  return new Terminal({
    environment: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
  });
}

const READER_IS_GONE = new Set(['EPIPE', 'ERR_STREAM_DESTROYED']);

function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      const code = (error as NodeJS.ErrnoException | null | undefined)?.code;
      if (error && !READER_IS_GONE.has(code ?? '')) reject(error);
      else resolve();
    });
  });
}
