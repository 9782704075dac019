/**
 * One HTTP request to one node and its whole answer. Paths go out as they are given: a URL object
 * would rewrite `/kv/..`, and `..` is a key like any other.
 */

import type { IncomingHttpHeaders, RequestOptions } from 'node:http';
import { request as plainRequest } from 'node:http';

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Encoded already, with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface HttpAnswer {
  /** What it answers. */
  readonly method: HttpRequest['method'];
  readonly path: string;
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Patience {
  /** Milliseconds for the connection alone. */
  readonly connectMs: number;
  /** Milliseconds for everything. */
  readonly totalMs: number;
}

/**
 * - `unreachable`: no connection, so nothing was sent.
 * - `timeout`, `lost`: no whole answer; what the node did with the request is unknown.
 */
export type FailureKind = 'unreachable' | 'timeout' | 'lost';

export class ExchangeError extends Error {
  override readonly name = 'ExchangeError';
  readonly kind: FailureKind;
  readonly url: string;

  constructor(kind: FailureKind, url: string, reason: string, options?: ErrorOptions) {
    super(`${url}: ${reason}`, options);
    this.kind = kind;
    this.url = url;
  }
}

/** @throws ExchangeError when there is no whole answer. Every status is an answer. */
export async function exchange(
  base: URL,
  request: HttpRequest,
  patience: Patience,
): Promise<HttpAnswer> {
  const url = nameOf(base);
  const start = base.protocol === 'https:' ? (await import('node:https')).request : plainRequest;
  return new Promise((resolve, reject) => {
    const sent = start(optionsOf(base, request));
    let connected = false;
    const connectTimer = setTimeout(() => {
      if (!connected) end('unreachable', `no connection within ${patience.connectMs} ms`);
    }, patience.connectMs);
    const totalTimer = setTimeout(() => {
      end(connected ? 'timeout' : 'unreachable', `no answer within ${patience.totalMs} ms`);
    }, patience.totalMs);

    function end(kind: FailureKind, reason: string, cause?: unknown): void {
      clearTimers();
      reject(new ExchangeError(kind, url, reason, { cause }));
      sent.destroy();
    }
    function clearTimers(): void {
      clearTimeout(connectTimer);
      clearTimeout(totalTimer);
    }
    function fail(error: Error): void {
      end(connected ? 'lost' : 'unreachable', reasonOf(error), error);
    }

    sent.on('socket', (socket) => {
      socket.once('connect', () => {
        connected = true;
      });
    });
    sent.on('error', fail);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => {
        clearTimers();
        const { statusCode: status = 0, headers } = response;
        resolve({
          url,
          method: request.method,
          path: request.path,
          status,
          headers,
          body: Buffer.concat(chunks),
        });
      });
    });
    sent.end(request.body);
  });
}

/** A node's URL as people write it: without the slash that `URL` adds, and without a password. */
export function nameOf(base: URL): string {
  return `${base.origin}${base.pathname}`.replace(/\/$/, '');
}

/** Its text when it is UTF-8 throughout, else `undefined`. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    // `ignoreBOM` keeps the mark: it is part of the value.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function optionsOf(base: URL, { method, path, headers, body }: HttpRequest): RequestOptions {
  return {
    hostname: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port,
    method,
    path: `${base.pathname.replace(/\/$/, '')}${path}`,
    headers: body === undefined ? headers : { ...headers, 'Content-Length': body.byteLength },
    agent: false, // a connection of its own, closed afterwards: nothing keeps the process alive
  };
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection lost before the whole answer',
  EPIPE: 'connection lost before the whole answer',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name cannot be resolved now',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
};

function reasonOf(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return REASONS[code] ?? (error.message || code);
}
