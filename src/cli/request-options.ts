/** The options that all commands share which ask a node for something. */
import { type Command, Option } from 'commander';
import { parseDuration } from '../config.ts';
import { CommandError } from './command-error.ts';
import { DEFAULT_URLS, NodeClient, parseUrls } from './node-client.ts';
import { asWritten, checked } from './option-value.ts';
import type { Terminal } from './terminal.ts';

export interface RequestOptions {
  readonly url?: string;
  /** As written. */
  readonly timeout?: string;
  readonly consistency?: string;
  readonly json?: boolean;
}

/** How long a node may take when nobody said: above what it gives itself by default. */
const DEFAULT_TOTAL_MS = 30_000;
/** On top of the timeout that the node was given: its own answer says more than ours. */
const MARGIN_MS = 1_000;

export function withNodeOptions(command: Command): Command {
  return withUrlAndJson(command).option(
    '--timeout <duration>',
    'how long to wait, such as 250ms or 5s',
    checked('--timeout', asWritten(parseDuration)),
  );
}

/** For a command that waits for as long as one likes. */
export function withUrlAndJson(command: Command): Command {
  return command
    .option(
      '--url <list>',
      `nodes to ask, in this order (QUORATE_URL; default: 127.0.0.1, ports 7401 to 7405 and 7400)`,
    )
    .option('--json', 'one line of JSON on standard output');
}

export function withConsistency(command: Command): Command {
  const levels = ['one', 'quorum', 'all'];
  return command.addOption(
    new Option('--consistency <level>', "answers to wait for (default: the node's)").choices(
      levels,
    ),
  );
}

export function clientFor(
  options: RequestOptions,
  terminal: Terminal,
  defaultMs?: number,
): NodeClient {
  const totalMs =
    options.timeout === undefined
      ? (defaultMs ?? DEFAULT_TOTAL_MS)
      : parseDuration(options.timeout) + MARGIN_MS;
  return new NodeClient(urlsFor(options, terminal), totalMs);
}

/** The nodes to ask, in their order. @throws CommandError */
export function urlsFor({ url }: RequestOptions, terminal: Terminal): readonly URL[] {
  return parseUrls(url ?? (terminal.environment['QUORATE_URL'] || DEFAULT_URLS));
}

/** `/kv/{key}` with the parameters asked for. @throws CommandError */
export function pathOfValue(key: string, { consistency, timeout }: RequestOptions): string {
  return `/kv/${encodeKey(key)}${queryOf({ consistency, timeout })}`;
}

/** The parameters that are given, with their question mark. */
export function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  if (given.length === 0) return '';
  return `?${new URLSearchParams(given as [string, string][]).toString()}`;
}

/** @throws CommandError */
export function encodeKey(key: string): string {
  if (key === '') {
    throw new CommandError('the key is empty; a key has 1 to 1024 bytes', { exit: 'usage' });
  }
  try {
    return encodeURIComponent(key);
  } catch (error) {
    throw new CommandError('the key is not valid Unicode text', { exit: 'usage', cause: error });
  }
}
