import type { FastifyReply, FastifyRequest } from 'fastify';
import { ClientError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { ClientGoneError } from './bodies.ts';
import type { Connections } from './connections.ts';
import { type Drains, hasBody, isWorthReadingOver } from './drains.ts';
import { keyAfter, pathOf } from './key-path.ts';
import { asClientError, KINDS, PROBLEM_TYPE, problemOf } from './problem.ts';
import type { Problem } from './schemas.ts';

interface RefusalPorts {
  readonly nodeName: string;
  readonly connections: Connections;
  readonly drains: Drains;
  readonly log: Log;
}

/** Prefixes after which the path is a key. */
export const KEY_PREFIXES = ['/kv/', '/cluster/keys/'] as const;

/** Tells clients of errors. Every answer that is not what was asked for leaves through here. */
export class Refusals {
  readonly #ports: RefusalPorts;

  constructor(ports: RefusalPorts) {
    this.#ports = ports;
  }

  /** Whatever was thrown while a request was served, by us or by the framework. */
  send(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
    if (thrown instanceof ClientGoneError || reply.raw.headersSent) {
      reply.hijack();
      reply.raw.destroy();
      return;
    }
    const error = asClientError(frameworkRefusal(thrown) ?? thrown, request.id);
    if (error.code === 'internal') {
      const { method } = request.raw;
      this.#ports.log.error('a request met an unexpected error', {
        requestId: request.id,
        method,
        err: thrown,
      });
    }
    const problem = problemOf(error, request.raw.method ?? '');
    this.sendProblem(problem, request, reply, headersOf(error));
  }

  /** A URL that the router cannot even decode. */
  sendBadUrl(request: FastifyRequest, reply: FastifyReply): void {
    this.send(badUrl(request.raw.url ?? ''), request, reply);
  }

  sendProblem(
    problem: Problem,
    request: FastifyRequest,
    reply: FastifyReply,
    extraHeaders: Readonly<Record<string, string>>,
  ): void {
    const { raw } = request;
    const { connections, drains, nodeName } = this.#ports;
    const isLast = connections.draining || reply.getHeader('connection') === 'close';
    const body = Buffer.from(JSON.stringify(problem));
    const headers = {
      'content-type': PROBLEM_TYPE,
      'cache-control': 'no-store',
      'quorate-node': nodeName,
      'quorate-request-id': request.id,
      ...(isLast ? { connection: 'close' } : {}),
      ...extraHeaders,
    };
    if (hasBody(raw) && !raw.complete) {
      if (isLast || problem.code === 'value_too_large' || !isWorthReadingOver(raw)) {
        reply.hijack();
        drains.answer(raw, reply.raw, { status: problem.status, headers, body });
        return;
      }
      connections.readOver(raw);
    }
    reply.code(problem.status).headers(headers).send(body);
  }
}

export function headersOf({ code }: ClientError): Readonly<Record<string, string>> {
  return KINDS[code].headers ?? {};
}

/** What the framework or a plugin of it refuses by itself, in our words: its own may name files. */
function frameworkRefusal(thrown: unknown): ClientError | undefined {
  if (thrown instanceof ClientError || !(thrown instanceof Error)) return undefined;
  const status = 'statusCode' in thrown ? Number(thrown.statusCode) : 500;
  if (!(status >= 400 && status < 500)) return undefined;
  const known = status === 403 || status === 404;
  return known
    ? new ClientError('unknown_route', 'there is nothing under this path', { cause: thrown })
    : new ClientError('invalid_parameter', 'the request is not valid', { cause: thrown });
}

/** The router's own check comes before ours, so what is wrong with a key is found out here. */
function badUrl(url: string): ClientError {
  const prefix = KEY_PREFIXES.find((start) => pathOf(url).startsWith(start));
  if (prefix !== undefined) {
    try {
      keyAfter(prefix, url);
    } catch (error) {
      if (error instanceof ClientError) return error;
    }
  }
  return new ClientError(
    'invalid_parameter',
    'the path is not valid; it starts with / and is percent-encoded UTF-8',
  );
}
