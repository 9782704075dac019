import { jsonObjectOf, objectsIn, problemOf } from './problem.ts';
import { clientFor, type RequestOptions } from './request-options.ts';
import { cell, table } from './table.ts';
import type { Terminal } from './terminal.ts';

const TASKS_MS = 10_000;

/** What runs in the background, and what of it has ended. */
export async function tasks(options: RequestOptions, terminal: Terminal): Promise<void> {
  const client = clientFor(options, terminal, TASKS_MS);
  const answer = await client.read({ method: 'GET', path: '/cluster/tasks' });
  const reply = jsonObjectOf(answer);
  if (answer.status !== 200 || reply === undefined) throw problemOf(answer);
  if (options.json === true) return terminal.printJson(reply);

  const rows = objectsIn(reply['tasks']).map((task) => [
    cell(task['task']),
    cell(
      task['state'] === 'continued' ? `continued by ${cell(task['continuedBy'])}` : task['state'],
    ),
    cell(task['partitions']),
    cell(task['pulled']),
    cell(task['toPull']),
  ]);
  if (rows.length === 0) terminal.tell('nothing runs, and this node has seen nothing end');
  else {
    const headings = ['TASK', 'STATE', 'PARTITIONS', 'PULLED', 'TO PULL'];
    await terminal.printLine(table(headings, rows));
  }
}
