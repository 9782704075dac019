/** A refusal or failure that a node answered (problem+json), told as sentences. */
import { CommandError, type ExitReason } from './command-error.ts';
import { type HttpAnswer, textOf } from './exchange.ts';
import { printable } from './table.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** The exit code of an error's `code`; what is not named here is plain `error`. */
const EXIT_REASON: Readonly<Record<string, ExitReason>> = {
  invalid_key: 'usage',
  invalid_parameter: 'usage',
  not_found: 'notFound',
  precondition_failed: 'precondition',
  quorum_unavailable: 'noQuorum',
  timeout: 'timeout',
};

/** What an unknown outcome means, and how to find it out. */
export function inDoubtOf(path: string): string {
  return path.startsWith('/cluster/')
    ? 'unknown: the change may still be decided; look with `quorate status` before asking again'
    : 'unknown: the write may still become visible; read the key to find out';
}

/** The error to end with when `answer` is not the success that was hoped for. */
export function problemOf(answer: HttpAnswer): CommandError {
  const problem = jsonObjectOf(answer);
  const code = text(problem?.['code']);
  if (problem === undefined || code === undefined) return notAProblem(answer);
  const title = text(problem['title']) ?? code;
  const detail = text(problem['detail']);
  // A read has no outcome worth a line: it never changes anything.
  const outcome = answer.method === 'GET' ? undefined : text(problem['outcome']);
  const lines = [
    detail === undefined || detail === title ? title : `${title}: ${detail}`,
    ...(outcome === undefined ? [] : [`outcome: ${described(outcome, answer.path)}`]),
    ...countsOf(problem),
    ...replicasOf(problem),
  ];
  return new CommandError(lines.map(printable).join('\n  '), {
    exit: EXIT_REASON[code] ?? 'error',
  });
}

function described(outcome: string, path: string): string {
  if (outcome === 'not_applied') return 'not applied: nothing was changed';
  return outcome === 'unknown' ? inDoubtOf(path) : outcome;
}

/** The `outcome` that a failed write was answered with. */
export function outcomeOf(answer: HttpAnswer): string | undefined {
  return text(jsonObjectOf(answer)?.['outcome']);
}

/** The answer's body, when it is a JSON object. */
export function jsonObjectOf(answer: HttpAnswer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(answer.body.toString());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The objects of a list in an answer; nothing when it is not there or of another shape. */
export function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function countsOf(problem: JsonObject): readonly string[] {
  const { required, acknowledged } = problem;
  if (typeof required !== 'number' || typeof acknowledged !== 'number') return [];
  return [`replicas: ${acknowledged} of the ${required} required`];
}

function replicasOf(problem: JsonObject): readonly string[] {
  return objectsIn(problem['replicas']).map((replica) => {
    const node = text(replica['name']) ?? text(replica['node']) ?? 'a replica';
    return `${node}: ${(text(replica['state']) ?? 'unknown').replaceAll('_', ' ')}`;
  });
}

function notAProblem(answer: HttpAnswer): CommandError {
  const said = printable((textOf(answer.body) ?? '').slice(0, 200).trim());
  return new CommandError(
    `${answer.url} answered ${answer.status} in a way no Quorate node does` +
      `${said === '' ? '' : ` (${said})`}; does --url name a node?`,
  );
}
