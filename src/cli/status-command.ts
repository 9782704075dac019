import { CommandError } from './command-error.ts';
import type { HttpAnswer } from './exchange.ts';
import { type JsonObject, jsonObjectOf, objectsIn, problemOf } from './problem.ts';
import { unreadyChecks } from './readiness.ts';
import { clientFor, type RequestOptions } from './request-options.ts';
import { cell, table } from './table.ts';
import type { Terminal } from './terminal.ts';

export interface StatusOptions extends RequestOptions {
  readonly ready?: boolean;
}

const STATUS_MS = 10_000;
/** A container's health check is asked every few seconds, and gives up soon itself. */
const READY_MS = 2_000;

/** The members as one node sees them; with `--ready`, whether that node takes requests. */
export async function status(options: StatusOptions, terminal: Terminal): Promise<void> {
  if (options.ready === true) return ready(options, terminal);
  const client = clientFor(options, terminal, STATUS_MS);
  const answer = await client.read({ method: 'GET', path: '/cluster' }, isByMember);
  const cluster = jsonObjectOf(answer);
  if (answer.status !== 200 || cluster === undefined) throw problemOf(answer);
  if (options.json === true) await terminal.printJson(cluster);
  else if (isByMember(answer)) await terminal.printLine(described(cluster));
  else await terminal.printLine(await whyNoMember(answer.url, options, terminal));
}

/** A node that has left, or waits to be taken in, knows of no members. */
function isByMember(answer: HttpAnswer): boolean {
  return jsonObjectOf(answer)?.['epoch'] !== 0;
}

async function whyNoMember(
  url: string,
  options: StatusOptions,
  terminal: Terminal,
): Promise<string> {
  const answer = await readiness({ ...options, url }, terminal);
  return [`${url} belongs to no cluster now`, ...unreadyChecks(answer)].join('\n  ');
}

/** Ends with 0 or 1 and nothing else: container engines give other codes meanings of their own. */
async function ready(options: StatusOptions, terminal: Terminal): Promise<void> {
  const answer = await readiness(options, terminal);
  const isReady = answer.status === 200;
  const unready = unreadyChecks(answer);
  if (options.json === true) {
    await terminal.printJson({ url: answer.url, ready: isReady, failing: isReady ? [] : unready });
  }
  if (!isReady) throw new CommandError(`${answer.url} is not ready: ${unready.join('; ')}`);
  if (options.json !== true) terminal.tell(`${answer.url} is ready`);
}

async function readiness(options: StatusOptions, terminal: Terminal): Promise<HttpAnswer> {
  const client = clientFor(options, terminal, READY_MS);
  try {
    return await client.askFirst({ method: 'GET', path: '/readyz' });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new CommandError(`not ready: ${error.message}`, { cause: error });
  }
}

const COLUMNS = ['name', 'state', 'url', 'zone', 'weight', 'partitions', 'keys'] as const;

function described(cluster: JsonObject): string {
  const members = objectsIn(cluster['members']);
  const columns = members.some((member) => 'hints' in member) ? [...COLUMNS, 'hints'] : COLUMNS;
  const alive = members.filter((member) => member['state'] === 'alive').length;
  const heading =
    `cluster ${cell(cluster['name'])}, epoch ${cell(cluster['epoch'])},` +
    ` replication factor ${cell(cluster['replicationFactor'])}, ${alive} of ${members.length} members alive`;
  const rows = members.map((member) => columns.map((column) => cellOf(member, column)));
  const headings = columns.map((column) => column.toUpperCase());
  return [
    heading,
    ...transitionLines(cluster['transition']),
    ...alarmLines(cluster['alarms']),
    ...(rows.length === 0 ? [] : ['', table(headings, rows)]),
  ].join('\n');
}

function cellOf(member: JsonObject, column: string): string {
  const leaving = member['leaving'];
  if (column !== 'state' || leaving === undefined) return cell(member[column]);
  return `${cell(member['state'])}, ${leaving === 'asked' ? 'leaving' : cell(leaving)}`;
}

function transitionLines(transition: unknown): readonly string[] {
  return objectsIn([transition]).map(
    ({ task, partitions, pulled, toPull, members }) =>
      `in transition (${cell(task)}): ${cell(partitions)} partitions change,` +
      ` ${cell(pulled)} of ${cell(toPull)} pulled${stillPulling(members)}`,
  );
}

/** Who keeps the transition from its end. */
function stillPulling(members: unknown): string {
  const names = objectsIn(members)
    .filter(({ pulled, toPull }) => Number(pulled ?? 0) < Number(toPull))
    .map(({ name, pulled }) => cell(name) + (typeof pulled === 'number' ? '' : ' (no answer)'));
  return names.length === 0 ? '' : `; still pulling: ${names.join(', ')}`;
}

function alarmLines(alarms: unknown): readonly string[] {
  return Array.isArray(alarms) ? alarms.map((alarm) => `ALARM: ${cell(alarm)}`) : [];
}
