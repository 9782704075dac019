/** What happens to members and rings, as it happens: follows one node, and the next one when that fails. */
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError } from './command-error.ts';
import { eventsIn, openEvents, type ServerEvent } from './event-source.ts';
import { ExchangeError } from './exchange.ts';
import { type JsonObject, problemOf } from './problem.ts';
import { type RequestOptions, urlsFor } from './request-options.ts';
import { cell } from './table.ts';
import type { Terminal } from './terminal.ts';

const PATH = '/cluster/events';
const AGAIN_AFTER_MS = 1_000;

/** Follows until the process ends, or no node sends any. @throws CommandError */
export async function events(options: RequestOptions, terminal: Terminal): Promise<void> {
  const urls = urlsFor(options, terminal);
  const lastIds = new Map<URL, string>();
  for (;;) {
    await followFirst(urls, (url) => follow(url, lastIds, options, terminal));
    terminal.tell('the stream has ended; connecting again');
    await delay(AGAIN_AFTER_MS);
  }
}

/** Follows the first node that sends events. @throws CommandError when none does */
async function followFirst(
  urls: readonly URL[],
  follow: (url: URL) => Promise<'ended' | CommandError>,
): Promise<void> {
  const failures: string[] = [];
  let refusal: CommandError | undefined;
  for (const url of urls) {
    try {
      const outcome = await follow(url);
      if (outcome === 'ended') return;
      refusal = outcome;
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      failures.push(error.message);
    }
  }
  if (refusal !== undefined) throw refusal;
  throw new CommandError(`cannot connect to any node\n  ${failures.join('\n  ')}`, {
    exit: 'cannotConnect',
  });
}

/** Until the stream ends; or why this node sends none, which another one may. @throws ExchangeError, CommandError */
async function follow(
  url: URL,
  lastIds: Map<URL, string>,
  options: RequestOptions,
  terminal: Terminal,
): Promise<'ended' | CommandError> {
  const response = await openEvents(url, PATH, lastIds.get(url));
  if (response.statusCode === 503) return refusalIn(url, response);
  if (response.statusCode !== 200) throw await refusalIn(url, response);
  terminal.tell(`following ${url.origin}; ctrl-c ends it`);
  for await (const event of eventsIn(response)) {
    if (event.id !== undefined) lastIds.set(url, event.id);
    if (options.json === true) await terminal.printLine(event.data);
    else await terminal.printLine(lineOf(event));
  }
  return 'ended';
}

async function refusalIn(url: URL, response: Awaited<ReturnType<typeof openEvents>>) {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const { statusCode: status = 0, headers } = response;
  const body = Buffer.concat(chunks);
  return problemOf({ method: 'GET', path: PATH, url: url.origin, status, headers, body });
}

function lineOf({ data }: ServerEvent): string {
  const { id: _, type, timeMs, ...fields } = parsed(data);
  if (type === 'missed') return '(events before this one are not kept any more)';
  const time = typeof timeMs === 'number' ? new Date(timeMs).toISOString() : cell(timeMs);
  const rest = Object.entries(fields).map(([name, value]) => `${cell(name)}=${shown(value)}`);
  return [time, cell(type).padEnd(20), ...rest].join(' ').trimEnd();
}

function shown(value: unknown): string {
  return Array.isArray(value) ? cell(value.join(',')) : cell(value);
}

function parsed(data: string): JsonObject {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? { ...value } : { type: data };
  } catch {
    return { type: data };
  }
}
