/** Query parameters. Each may be given once, and one that is not known is a typo, never ignored. */
import { parseDuration } from '../config.ts';
import { ClientError } from '../errors.ts';
import { CONSISTENCY_LEVELS, type ConsistencyLevel } from '../quorum/consistency-level.ts';
import { quoted } from './quoted.ts';

export type Query = ReadonlyMap<string, string>;

/** The parameters of one route. */
export interface Parameters {
  readonly known: readonly string[];
  /** Named by the design, not built yet: refused, so that nobody believes they are in force. */
  readonly notBuilt: readonly string[];
}

const MIN_TIMEOUT_MS = 1;
export const MAX_TIMEOUT_MS = 600_000;

const NOTHING: Query = new Map();

/** @throws ClientError */
export function queryOf(url: string, { known, notBuilt }: Parameters): Query {
  const start = url.indexOf('?');
  if (start === -1) return NOTHING;
  const query = new Map<string, string>();
  for (const pair of url.slice(start + 1).split('&')) {
    if (pair === '') continue;
    const [name, value] = split(pair);
    if (notBuilt.includes(name)) {
      throw new ClientError('not_implemented', `${name}= is not built yet; leave it out`);
    }
    if (!known.includes(name)) throw unknownParameter(name, known);
    if (query.has(name)) {
      throw new ClientError('invalid_parameter', `${name} is given twice; keep one of them`);
    }
    query.set(name, value);
  }
  return query;
}

/** The consistency level asked for. @throws ClientError */
export function consistencyIn(query: Query, fallback: ConsistencyLevel): ConsistencyLevel {
  const text = query.get('consistency');
  if (text === undefined) return fallback;
  const level = CONSISTENCY_LEVELS.find((word) => word === text);
  if (level !== undefined) return level;
  throw new ClientError(
    'invalid_parameter',
    `consistency=${quoted(text)} is no consistency level; use ${CONSISTENCY_LEVELS.join(', ')}`,
  );
}

/** The timeout asked for, milliseconds. @throws ClientError */
export function timeoutIn(query: Query, fallbackMs: number): number {
  const text = query.get('timeout');
  if (text === undefined) return fallbackMs;
  const milliseconds = durationOrNothing(text);
  if (
    milliseconds !== undefined &&
    milliseconds >= MIN_TIMEOUT_MS &&
    milliseconds <= MAX_TIMEOUT_MS
  ) {
    return milliseconds;
  }
  throw new ClientError(
    'invalid_parameter',
    `timeout=${quoted(text)} is not usable; write a duration from 1ms to 10m, such as 250ms or 5s`,
  );
}

/** A parameter that is given or not: `?verbose`, `?verbose=true`. @throws ClientError */
export function flagIn(query: Query, name: string): boolean {
  const text = query.get(name);
  if (text === undefined || text === 'false') return false;
  if (text === '' || text === 'true') return true;
  throw new ClientError(
    'invalid_parameter',
    `${name}=${quoted(text)} is not usable; write ${name}, ${name}=true or ${name}=false`,
  );
}

function split(pair: string): readonly [string, string] {
  const equals = pair.indexOf('=');
  if (equals === -1) return [decode(pair), ''];
  return [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
}

function decode(text: string): string {
  const decoded = decodedOrNothing(text);
  if (decoded !== undefined) return decoded;
  throw new ClientError(
    'invalid_parameter',
    `${quoted(text)} in the query is not percent-encoded UTF-8; write a percent sign as %25`,
  );
}

function unknownParameter(name: string, known: readonly string[]): ClientError {
  const remedy = known.length === 0 ? 'this path takes none' : `known here: ${known.join(', ')}`;
  return new ClientError('invalid_parameter', `unknown parameter ${quoted(name)}; ${remedy}`);
}

function durationOrNothing(text: string): number | undefined {
  try {
    return parseDuration(text);
  } catch {
    return undefined;
  }
}

function decodedOrNothing(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
