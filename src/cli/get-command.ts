import type { HttpAnswer } from './exchange.ts';
import { textOf } from './exchange.ts';
import { problemOf } from './problem.ts';
import { clientFor, pathOfValue, type RequestOptions } from './request-options.ts';
import type { Terminal } from './terminal.ts';

/** Prints the value's bytes and nothing else, so that they can go into a file or a pipe. */
export async function get(key: string, options: RequestOptions, terminal: Terminal): Promise<void> {
  const client = clientFor(options, terminal);
  const answer = await client.read({ method: 'GET', path: pathOfValue(key, options) });
  if (answer.status !== 200) throw problemOf(answer);
  if (options.json === true) await terminal.printJson(described(key, answer));
  else await terminal.print(answer.body);
}

/** `value` when the bytes are text, else `valueBase64`. */
function described(key: string, { headers, body }: HttpAnswer): object {
  const text = textOf(body);
  return {
    key,
    version: headers.etag?.replace(/^(W\/)?"(.*)"$/, '$2'),
    contentType: headers['content-type'],
    ...(text === undefined ? { valueBase64: body.toString('base64') } : { value: text }),
  };
}
