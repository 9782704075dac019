/**
 * Changes of the cluster that move data: planned and shown, confirmed, asked for, and followed to their
 * end. `quorate node leave|remove|replace` and `quorate replication-factor`.
 */
import { CommandError } from './command-error.ts';
import type { HttpRequest } from './exchange.ts';
import type { NodeClient } from './node-client.ts';
import { type JsonObject, jsonObjectOf, problemOf } from './problem.ts';
import { clientFor, type RequestOptions } from './request-options.ts';
import { cell } from './table.ts';
import { followTask } from './task-progress.ts';
import type { Terminal } from './terminal.ts';

export interface ChangeOptions extends RequestOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly wait: boolean;
}

export interface RemoveOptions extends ChangeOptions {
  readonly force?: boolean;
}

/** How long one node may take to say how far a task is. */
const LOOK_MS = 3_000;

/** What is wanted: how it is asked for, and said. */
interface Change {
  readonly request: HttpRequest;
  /** "let node3 leave": with "Really" before it, the question. */
  readonly sentence: string;
}

export function changeMember(
  change: 'leave' | 'remove' | 'replace',
  name: string,
  options: ChangeOptions,
  terminal: Terminal,
): Promise<void> {
  const path = `/cluster/members/${encodeURIComponent(name)}/${change}`;
  const verb = { leave: 'let', remove: 'remove', replace: 'replace' }[change];
  const sentence = `${verb} ${cell(name)}${change === 'leave' ? ' leave' : ''}`;
  return carryOut({ request: { method: 'POST', path }, sentence }, options, terminal);
}

/** Gives members up for good. With `force` several at once, whatever is lost with them. */
export function removeMembers(
  names: readonly string[],
  options: RemoveOptions,
  terminal: Terminal,
): Promise<void> {
  const [name = '', ...others] = names;
  if (options.force === true) {
    const request = {
      method: 'POST',
      path: '/cluster/forced-removal',
      headers: { 'Content-Type': 'application/json' },
      body: Buffer.from(JSON.stringify({ members: names })),
    } as const;
    const sentence = `give up ${names.map(cell).join(', ')} for good`;
    return carryOut({ request, sentence }, options, terminal);
  }
  if (others.length === 0) return changeMember('remove', name, options, terminal);
  throw new CommandError(
    'one member is removed at a time; several at once only with --force, when most of them are gone for good',
    { exit: 'usage' },
  );
}

export function changeReplicationFactor(
  replicationFactor: number,
  options: ChangeOptions,
  terminal: Terminal,
): Promise<void> {
  const request = {
    method: 'PUT',
    path: '/cluster/replication-factor',
    headers: { 'Content-Type': 'application/json' },
    body: Buffer.from(JSON.stringify({ replicationFactor })),
  } as const;
  const sentence = `keep ${replicationFactor} ${replicationFactor === 1 ? 'copy' : 'copies'} of each key`;
  return carryOut({ request, sentence }, options, terminal);
}

async function carryOut(change: Change, options: ChangeOptions, terminal: Terminal): Promise<void> {
  const isSure = options.yes === true || options.dryRun === true;
  if (!isSure && !terminal.isInteractive) {
    throw new CommandError(
      'this moves data and asks first, but there is no terminal to ask on; add --yes, or --dry-run to see what it would move',
      { exit: 'usage' },
    );
  }
  const client = clientFor(options, terminal);
  if (!isSure || options.dryRun === true) {
    const plan = await planOf(change, client);
    if (options.dryRun === true) return showPlan(plan, options, terminal);
    const question = `${planned(plan)}. Really ${change.sentence}?`;
    if (!(await terminal.confirms(question)))
      throw new CommandError('left as it is: it was not confirmed');
  }
  await start(change, client, options, terminal);
}

async function planOf({ request }: Change, client: NodeClient): Promise<JsonObject> {
  const answer = await client.write({ ...request, path: `${request.path}?dryRun=true` });
  const plan = jsonObjectOf(answer);
  if (answer.status !== 200 || plan === undefined) throw problemOf(answer);
  return plan;
}

function showPlan(plan: JsonObject, options: ChangeOptions, terminal: Terminal): Promise<void> {
  return options.json === true ? terminal.printJson(plan) : terminal.printLine(planned(plan));
}

async function start(
  { request, sentence }: Change,
  client: NodeClient,
  options: ChangeOptions,
  terminal: Terminal,
): Promise<void> {
  const answer = await client.write(request);
  const started = jsonObjectOf(answer);
  if ((answer.status !== 200 && answer.status !== 202) || started === undefined)
    throw problemOf(answer);
  const { task } = started;
  if (typeof task !== 'string') {
    terminal.tell(`decided: ${sentence}; nothing has to move`);
  } else {
    terminal.tell(`decided: ${sentence}; task ${cell(task)}`);
    if (options.wait) {
      await followTask(task, clientFor(options, terminal, LOOK_MS), terminal);
      terminal.tell('done');
    } else terminal.tell('it goes on in the background; see: quorate tasks');
  }
  if (options.json === true) {
    await terminal.printJson({ ...started, ...(options.wait ? { state: 'done' } : {}) });
  }
}

function planned(plan: JsonObject): string {
  const lost = Number(plan['lost'] ?? 0);
  const moved = movedBy(plan);
  if (lost === 0) return moved;
  return `NO COPY IS LEFT of ${lost} partitions, what was stored in them is lost; ${moved}`;
}

function movedBy(plan: JsonObject): string {
  const bytes = Number(plan['bytes'] ?? 0);
  if (plan['partitions'] === 0) return 'nothing has to move';
  return (
    `${cell(plan['partitions'])} partitions change, ${cell(plan['replicas'])} new copies of them,` +
    ` about ${sizeOf(bytes)} in about ${cell(plan['seconds'])} s`
  );
}

function sizeOf(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1_000 ** power).toFixed(1)} ${units[power - 1]}`;
}
