import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { CommandError } from './command-error.ts';
import { jsonObjectOf, problemOf } from './problem.ts';
import { clientFor, pathOfValue, type RequestOptions } from './request-options.ts';
import { cell } from './table.ts';
import type { Terminal } from './terminal.ts';

export interface PutOptions extends RequestOptions {
  readonly file?: string;
  readonly contentType?: string;
}

/** The largest value that any node can be set to take. More is not even read. */
const MOST_BYTES = 16 * 1024 * 1024;

export async function put(
  key: string,
  value: string | undefined,
  options: PutOptions,
  terminal: Terminal,
): Promise<void> {
  const client = clientFor(options, terminal);
  const path = pathOfValue(key, options);
  const content = await contentFrom(value, options, terminal);
  const headers = { 'Content-Type': options.contentType ?? content.type };
  const answer = await client.write({ method: 'PUT', path, headers, body: content.bytes });
  const result = jsonObjectOf(answer);
  if ((answer.status !== 200 && answer.status !== 201) || result === undefined) {
    throw problemOf(answer);
  }
  if (options.json === true) return terminal.printJson(result);
  terminal.tell(
    `${answer.status === 201 ? 'stored' : 'replaced'} ${cell(key)}, version ${cell(result['version'])},` +
      ` acknowledged by ${cell(result['acknowledged'])} of ${cell(result['replicas'])} replicas`,
  );
}

interface Content {
  readonly bytes: Uint8Array;
  readonly type: string;
}

async function contentFrom(
  value: string | undefined,
  { file }: PutOptions,
  terminal: Terminal,
): Promise<Content> {
  if (file !== undefined) {
    if (value !== undefined) {
      throw new CommandError('both a value and --file are given; keep one of them', {
        exit: 'usage',
      });
    }
    return { bytes: await readFile(file), type: 'application/octet-stream' };
  }
  if (value !== undefined && value !== '-') {
    return { bytes: Buffer.from(value), type: 'text/plain; charset=utf-8' };
  }
  if ('isTTY' in terminal.stdin && terminal.stdin.isTTY === true) {
    terminal.tell('reading the value from the terminal; ctrl-d ends it');
  }
  return { bytes: await readAll(terminal.stdin), type: 'application/octet-stream' };
}

async function readFile(file: string): Promise<Uint8Array> {
  try {
    return await readAll(createReadStream(file));
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const reason = (error as Error).message;
    throw new CommandError(`--file: cannot read ${file} (${reason})`, { cause: error });
  }
}

async function readAll(source: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk as Uint8Array);
    size += bytes.length;
    if (size > MOST_BYTES) {
      throw new CommandError('the value is over 16 MiB, more than any node takes');
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
