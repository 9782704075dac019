import { jsonObjectOf, objectsIn, problemOf } from './problem.ts';
import { clientFor, encodeKey, queryOf, type RequestOptions } from './request-options.ts';
import { cell, table } from './table.ts';
import type { Terminal } from './terminal.ts';

/** Which replicas keep a key, and what each of them holds of it. */
export async function where(
  key: string,
  options: RequestOptions,
  terminal: Terminal,
): Promise<void> {
  const client = clientFor(options, terminal);
  const path = `/cluster/keys/${encodeKey(key)}${queryOf({ timeout: options.timeout })}`;
  const answer = await client.read({ method: 'GET', path });
  const location = jsonObjectOf(answer);
  if (answer.status !== 200 || location === undefined) throw problemOf(answer);
  if (options.json === true) return terminal.printJson(location);

  const replicas = objectsIn(location['replicas']);
  const rows = replicas.map((replica) => [
    cell(replica['name'] ?? replica['node']),
    cell(replica['state']),
    cell(replica['version']),
  ]);
  await terminal.printLine(
    [
      `key        ${cell(key)}`,
      `token      ${cell(location['token'])}`,
      `partition  ${cell(location['partition'])}`,
      '',
      table(['REPLICA', 'STATE', 'VERSION'], rows),
    ].join('\n'),
  );
}
