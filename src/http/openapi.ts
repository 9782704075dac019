/**
 * `/openapi.json` and `/docs`, both made of the routes' schemas. Nothing is fetched from elsewhere:
 * the pages come with the package, and their policy allows no other source.
 */
import { fastifySwagger } from '@fastify/swagger';
import { fastifySwaggerUi } from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { ClientError, type ErrorCode } from '../errors.ts';
import { KINDS, MALFORMED_KINDS, PROBLEM_TYPE } from './problem.ts';
import { FactorBody, Problem, RemovalBody } from './schemas.ts';

// No `upgrade-insecure-requests`, which the plugin's own policy has: over plain HTTP, on anything but
// this machine, the browser would ask for the page's files by HTTPS and get none.
const POLICY = {
  'default-src': ["'self'"],
  'script-src': ["'self'"],
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:'],
  'object-src': ["'none'"],
  'base-uri': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/** Of the interface; a change that breaks clients raises the first number. */
const VERSION = '0.1';

const INTRODUCTION = `Raw bodies for single keys, JSON for everything else. Any node takes any request.

Every answer carries \`Quorate-Node\`, the name of the node that gave it, and \`Quorate-Request-Id\`.
Parameters that are not known are refused, never ignored. Errors are \`${PROBLEM_TYPE}\`
(RFC 9457), and \`code\` is one of these:

| code | status | outcome |
|---|---|---|
${codeTable()}

An outcome is told of writes: \`not_applied\` is a promise, \`unknown\` means that the write may still
become visible. The three last codes are told of requests that could not be read.`;

/** To be registered before the routes. */
export function describeRoutes(fastify: FastifyInstance): void {
  fastify.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Quorate', version: VERSION, description: INTRODUCTION },
      tags: [
        { name: 'values', description: 'Values by key' },
        { name: 'cluster', description: 'Members, ring and replicas' },
        { name: 'health', description: 'Whether a node lives, and whether it takes requests' },
      ],
    },
    exposeHeadRoutes: false,
    transform: ({ schema, url }) => ({ schema: withBody(schema, url), url: named(url) }),
  });
  fastify.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: POLICY,
    uiConfig: { validatorUrl: 'none', tryItOutEnabled: true },
  });
  fastify.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    void reply.send(fastify.swagger());
  });
}

/** The problems that a route answers, one description for each status. */
export function problemReplies(codes: readonly string[]): Record<number, object> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of Object.keys(KINDS) as ErrorCode[]) {
    if (!codes.includes(code)) continue;
    const status = statusOf(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, same]) => [
      status,
      {
        description: same.map((code) => `\`${code}\`: ${KINDS[code].title}.`).join(' '),
        content: { [PROBLEM_TYPE]: { schema: Problem } },
      },
    ]),
  );
}

/** The router's wildcard takes a key with its slashes; described, it has a name. */
function named(url: string): string {
  return url.replace(/\*$/, ':key');
}

// The framework is kept from reading bodies (see `server.ts`), so no route may have a schema of one.
function withBody(schema: object, url: string): object {
  if (!('operationId' in schema)) return schema;
  switch (schema.operationId) {
    case 'changeReplicationFactor':
      return { ...schema, body: FactorBody };
    case 'forceRemoval':
      return { ...schema, body: RemovalBody };
    case 'putValue': {
      const body = { type: 'string', format: 'binary' };
      return url.startsWith('/kv/') ? { ...schema, consumes: ['*/*'], body } : schema;
    }
    default:
      return schema;
  }
}

function statusOf(code: ErrorCode): number {
  return new ClientError(code, '').statusCode;
}

function codeTable(): string {
  const known = (Object.keys(KINDS) as ErrorCode[]).map((code) => ({
    code,
    status: statusOf(code),
    outcome: KINDS[code].outcome ?? (code === 'not_found' ? '' : 'in the answer'),
  }));
  const malformed = Object.entries(MALFORMED_KINDS).map(([code, { status, outcome }]) => ({
    code,
    status,
    outcome,
  }));
  return [...known, ...malformed]
    .map(({ code, status, outcome }) => `| \`${code}\` | ${status} | ${outcome ?? ''} |`)
    .join('\n');
}
