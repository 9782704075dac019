/**
 * Errors as clients see them: `application/problem+json` (RFC 9457). `type` is the relative reference
 * `/problems/{code}`: a stable name that is not served; `code` says the same in one word.
 */
import { ClientError, type ErrorCode, type Outcome } from '../errors.ts';
import type { Problem } from './schemas.ts';

/** Of requests that never became one: they cannot be a `ClientError`. */
export type MalformedCode = 'malformed_request' | 'headers_too_large' | 'request_timeout';

interface Kind {
  readonly title: string;
  /** What is true whenever an error of this kind does not say it itself. */
  readonly outcome?: Outcome;
  /** What a client can do about it, as headers that its software may understand. */
  readonly headers?: Readonly<Record<string, string>>;
}

const REFUSED = { outcome: 'not_applied' } as const;
/** In a second it makes sense to try again. */
const SOON = { headers: { 'retry-after': '1' } } as const;
/** A 415 without it would be taken for one about the media type (RFC 9110, 15.5.16). */
const PLAIN = { headers: { 'accept-encoding': 'identity' } } as const;

export const KINDS: Readonly<Record<ErrorCode, Kind>> = {
  invalid_key: { title: 'The key is not valid', ...REFUSED },
  invalid_parameter: { title: 'A parameter or header is not valid', ...REFUSED },
  invalid_body: { title: 'The body is not valid', ...REFUSED },
  conflict: { outcome: 'not_applied', title: 'This does not fit the state of the cluster' },
  not_found: { title: 'Nothing is stored there' },
  unknown_route: { title: 'There is no such path', ...REFUSED },
  method_not_allowed: { title: 'The path does not take this method', ...REFUSED },
  value_too_large: { title: 'The value is too large', ...REFUSED },
  unsupported_encoding: { title: 'Encoded bodies are not taken', ...REFUSED, ...PLAIN },
  overloaded: { title: 'The node has too much to do', ...REFUSED, ...SOON },
  not_ready: { title: 'The node is not ready', ...REFUSED, ...SOON },
  shutting_down: { title: 'The node is shutting down', ...REFUSED, ...SOON },
  quorum_unavailable: { title: 'Too few replicas answered' },
  timeout: { title: 'The replicas did not answer in time' },
  storage_full: { title: 'Too few replicas have room left', ...REFUSED },
  not_implemented: { title: 'Not built yet', ...REFUSED },
  internal: { title: 'Something unexpected went wrong' },
};

export const MALFORMED_KINDS: Readonly<Record<MalformedCode, Kind & { readonly status: number }>> =
  {
    malformed_request: { title: 'This is not a valid HTTP request', status: 400, ...REFUSED },
    request_timeout: { title: 'The request took too long to arrive', status: 408, ...REFUSED },
    headers_too_large: { title: 'The headers are too large', status: 431, ...REFUSED },
  };

export const PROBLEM_TYPE = 'application/problem+json';

/** `method` is the request's: where nothing else is certain, only a write has an outcome. */
export function problemOf(error: ClientError, method: string): Problem {
  const { code, required, acknowledged, replicas } = error;
  const kind = KINDS[code];
  const outcome = error.outcome ?? kind.outcome ?? unknownIfWrite(code, method);
  return {
    type: typeOf(code),
    title: kind.title,
    status: error.statusCode,
    detail: error.message,
    code,
    ...(outcome === undefined ? {} : { outcome }),
    retryable: error.retryable,
    ...(required === undefined ? {} : { required }),
    ...(acknowledged === undefined ? {} : { acknowledged }),
    ...(replicas === undefined ? {} : { replicas: [...replicas] }),
  };
}

export function malformedProblem(code: MalformedCode, detail: string): Problem {
  const { title, status, outcome } = MALFORMED_KINDS[code];
  return {
    type: typeOf(code),
    title,
    status,
    detail,
    code,
    ...(outcome === undefined ? {} : { outcome }),
    retryable: code === 'request_timeout',
  };
}

/**
 * An error as the client may know it. What is not meant for clients becomes `internal` and keeps its
 * text to itself: it could name files or hold a stack.
 */
export function asClientError(error: unknown, requestId: string): ClientError {
  if (error instanceof ClientError) return error;
  return new ClientError(
    'internal',
    `this node met an unexpected error; its log tells more under request id ${requestId}`,
    { cause: error },
  );
}

function typeOf(code: ErrorCode | MalformedCode): string {
  return `/problems/${code}`;
}

function unknownIfWrite(code: ErrorCode, method: string): Outcome | undefined {
  const mayHaveWritten = code !== 'not_found' && method !== 'GET' && method !== 'HEAD';
  return mayHaveWritten ? 'unknown' : undefined;
}
