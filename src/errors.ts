/**
 * What a client can be told. Each error has a stable `code`, an HTTP `statusCode`, and for writes
 * the `outcome`; the text is for people, says what is true, and names the remedy.
 */
import type { NodeId } from './ids.ts';

/**
 * Whether a failed write may still show. `not_applied` is a promise: no replica took it. Anything
 * less certain, silence above all, is `unknown`.
 */
export type Outcome = 'not_applied' | 'unknown';

/** How one replica stood when a request was decided. */
export type ReplicaState =
  | 'acknowledged'
  | 'answered'
  | 'waiting'
  | 'unreachable'
  | 'timeout'
  | 'lost'
  | 'damaged'
  | 'full'
  | 'overloaded'
  | 'clock_skew'
  | 'not_ready'
  | 'failed';

export interface ReplicaReport {
  /** Its name. */
  readonly node: string;
  readonly id: NodeId;
  readonly state: ReplicaState;
}

export type ErrorCode =
  | 'invalid_key'
  | 'invalid_parameter'
  | 'invalid_body'
  | 'not_found'
  | 'conflict'
  | 'unknown_route'
  | 'method_not_allowed'
  | 'value_too_large'
  | 'unsupported_encoding'
  | 'overloaded'
  | 'not_ready'
  | 'shutting_down'
  | 'quorum_unavailable'
  | 'timeout'
  | 'storage_full'
  | 'not_implemented'
  | 'internal';

export interface ErrorDetails {
  readonly outcome?: Outcome;
  readonly required?: number;
  readonly acknowledged?: number;
  readonly replicas?: readonly ReplicaReport[];
  readonly cause?: unknown;
}

const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid_key: 400,
  invalid_parameter: 400,
  invalid_body: 400,
  not_found: 404,
  conflict: 409,
  unknown_route: 404,
  method_not_allowed: 405,
  value_too_large: 413,
  unsupported_encoding: 415,
  overloaded: 503,
  not_ready: 503,
  shutting_down: 503,
  quorum_unavailable: 503,
  timeout: 504,
  storage_full: 507,
  not_implemented: 501,
  internal: 500,
};

/** Trying again later, unchanged, may succeed. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'overloaded',
  'not_ready',
  'shutting_down',
  'quorum_unavailable',
  'timeout',
  'storage_full',
]);

/** A refusal or failure that the client is told of as it is. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ErrorCode;
  readonly statusCode: number;
  readonly retryable: boolean;
  readonly outcome: Outcome | undefined;
  readonly required: number | undefined;
  readonly acknowledged: number | undefined;
  readonly replicas: readonly ReplicaReport[] | undefined;

  constructor(code: ErrorCode, detail: string, details: ErrorDetails = {}) {
    super(detail, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.statusCode = STATUS[code];
    this.retryable = RETRYABLE.has(code);
    this.outcome = details.outcome;
    this.required = details.required;
    this.acknowledged = details.acknowledged;
    this.replicas = details.replicas;
  }
}

/** A setting, a directory or a neighbour makes it impossible to run. The text names value and remedy. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
}
