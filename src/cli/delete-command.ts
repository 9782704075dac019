import { problemOf } from './problem.ts';
import { clientFor, pathOfValue, type RequestOptions } from './request-options.ts';
import { cell } from './table.ts';
import type { Terminal } from './terminal.ts';

export async function deleteKey(
  key: string,
  options: RequestOptions,
  terminal: Terminal,
): Promise<void> {
  const client = clientFor(options, terminal);
  const answer = await client.write({ method: 'DELETE', path: pathOfValue(key, options) });
  if (answer.status !== 204) throw problemOf(answer);
  if (options.json === true) await terminal.printJson({ key, deleted: true });
  else terminal.tell(`deleted ${cell(key)}`);
}
