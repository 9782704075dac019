/** `PUT`, `GET`, `HEAD` and `DELETE /kv/{key}`. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import type { OperationOptions, Operations } from '../coordinator/operations.ts';
import { ClientError } from '../errors.ts';
import type { Key } from '../ids.ts';
import { invariant } from '../invariant.ts';
import { physicalOf } from '../version/version.ts';
import type { Bodies } from './bodies.ts';
import { contentTypeIn, metadataIn, metaHeader, refuseEncodedBody } from './content.ts';
import { etagOf, isListed } from './etag.ts';
import { httpDate } from './http-date.ts';
import type { InFlight } from './in-flight.ts';
import { keyAfter } from './key-path.ts';
import { problemReplies } from './openapi.ts';
import { consistencyIn, type Parameters, queryOf, timeoutIn } from './query.ts';
import { AnyHeaders, GetHeaders, KeyPath, PutHeaders, PutReply, ValueQuery } from './schemas.ts';
import type { UnsentAnswers } from './unsent-answers.ts';

export interface KvPorts {
  readonly operations: Operations;
  readonly nodeName: string;
  readonly config: Pick<Config, 'consistency' | 'requestTimeoutMs'>;
  readonly bodies: Bodies;
  readonly inFlight: InFlight;
  readonly unsent: UnsentAnswers;
}

const PREFIX = '/kv/';
const READ_PARAMETERS: Parameters = { known: Object.keys(ValueQuery.properties), notBuilt: [] };
const PUT_PARAMETERS: Parameters = { ...READ_PARAMETERS, notBuilt: ['ttl'] };

/** Conditions and promises that would be broken by ignoring them. */
const READ_NOT_BUILT = ['if-match', 'if-unmodified-since'];
const WRITE_NOT_BUILT = [...READ_NOT_BUILT, 'if-none-match', 'idempotency-key'];

const MINIMAL = /(?:^|[,;])[\t ]*return[\t ]*=[\t ]*"?minimal"?[\t ]*(?:$|[,;])/i;

/** Made once: a stack for each key that is not there would cost more than finding it out. */
const NOTHING_STORED = new ClientError('not_found', 'nothing is stored under this key');

export function kvRoutes(fastify: FastifyInstance, ports: KvPorts): void {
  const { operations, nodeName, bodies, inFlight, unsent } = ports;
  const url = `${PREFIX}*`;

  fastify.put(url, { schema: PUT_SCHEMA }, async (request, reply) => {
    const { raw } = request;
    const { key, options } = target(request, PUT_PARAMETERS);
    refuseNotBuilt(request, WRITE_NOT_BUILT);
    const contentType = contentTypeIn(raw.headers);
    const metadata = metadataIn(raw.headers);
    refuseEncodedBody(raw.headers);
    bodies.refuseTooLong(raw);
    inFlight.refuseWhenFull(); // before the body is read, to spare everyone the reading

    const value = await bodies.read(raw, reply.raw);
    try {
      const content = { type: 'value', value, contentType, metadata } as const;
      const result = await inFlight.run(() => operations.put(key, content, options));
      const { version, acknowledged, replicas } = result;
      reply.header('etag', etagOf(version));
      if (wantsNoBody(request)) {
        return reply.code(204).header('preference-applied', 'return=minimal').send();
      }
      const body: PutReply = { key, version, acknowledged, replicas, coordinator: nodeName };
      return reply.code(result.created ? 201 : 200).send(body);
    } finally {
      bodies.release(value);
    }
  });

  fastify.get(url, { schema: GET_SCHEMA, exposeHeadRoute: false }, sendValue);
  const described = { swagger: { exposeHeadRoute: true } };
  fastify.head(url, { schema: HEAD_SCHEMA, config: described }, sendValue);

  fastify.delete(url, { schema: DELETE_SCHEMA }, async (request, reply) => {
    const { key, options } = target(request, READ_PARAMETERS);
    refuseNotBuilt(request, WRITE_NOT_BUILT);
    const deleted = await inFlight.run(() => operations.delete(key, options));
    if (!deleted) throw NOTHING_STORED;
    return reply.code(204).send();
  });

  async function sendValue(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { key, options } = target(request, READ_PARAMETERS);
    refuseNotBuilt(request, READ_NOT_BUILT);
    const record = await inFlight.run(() => operations.get(key, options));
    if (record === undefined) throw NOTHING_STORED;
    const { version, content } = record;
    invariant(content.type === 'value', 'no tombstone where a value is asked for');

    const etag = etagOf(version);
    reply.header('etag', etag);
    reply.header('last-modified', httpDate(physicalOf(version)));
    // Without it, a cache may give back what it saw for a while, and the newest value is promised.
    reply.header('cache-control', 'no-cache');
    const ifNoneMatch = request.raw.headers['if-none-match'];
    if (ifNoneMatch !== undefined && isListed(etag, ifNoneMatch)) {
      reply.code(304).send();
      return;
    }
    for (const [name, value] of content.metadata) reply.header(metaHeader(name), value);
    reply.header('content-type', content.contentType);
    // A value is somebody's bytes: shown in a browser, they are not to act for this node.
    reply.header('x-content-type-options', 'nosniff');
    reply.header('content-security-policy', 'sandbox');
    reply.send(content.value);
    unsent.watch(reply.raw);
  }

  function target(
    { raw: { url: requestTarget = '' } }: FastifyRequest,
    parameters: Parameters,
  ): { readonly key: Key; readonly options: OperationOptions } {
    const key = keyAfter(PREFIX, requestTarget);
    const query = queryOf(requestTarget, parameters);
    const { consistency, requestTimeoutMs } = ports.config;
    const options = {
      consistency: consistencyIn(query, consistency),
      timeoutMs: timeoutIn(query, requestTimeoutMs),
    };
    return { key, options };
  }
}

function wantsNoBody({ raw: { headers } }: FastifyRequest): boolean {
  const prefer = headers['prefer'];
  return prefer !== undefined && MINIMAL.test(String(prefer));
}

function refuseNotBuilt({ raw: { headers } }: FastifyRequest, names: readonly string[]): void {
  for (const name of names) {
    if (headers[name] === undefined) continue;
    throw new ClientError(
      'not_implemented',
      `the header ${name} is not built yet; leave it out, knowing that it is not in force`,
    );
  }
}

const tags = ['values'];

const VALUE_HEADERS = {
  ETag: { type: 'string', description: 'The version, in quotes.' },
  'Last-Modified': { type: 'string', description: 'When the version was drawn.' },
  'Quorate-Meta-Name': { type: 'string', description: 'The pairs stored with it.' },
} as const;

const PUT_SCHEMA = {
  tags,
  operationId: 'putValue',
  summary: 'Store a value',
  description:
    'The body is the value, byte for byte. Its Content-Type comes back with it' +
    ' (application/x-www-form-urlencoded is stored as text/plain, none as' +
    ' application/octet-stream). Nothing is inflated: a Content-Encoding is refused with 415.',
  params: KeyPath,
  querystring: ValueQuery,
  headers: PutHeaders,
  response: {
    200: { description: 'Stored; the key held a value before.', ...PutReply },
    201: { description: 'Stored; the key held nothing before.', ...PutReply },
    204: { description: 'Stored, and no more was asked for.', type: 'null' },
    ...problemReplies([
      ...['invalid_key', 'invalid_parameter', 'value_too_large', 'unsupported_encoding'],
      ...['overloaded', 'not_ready', 'quorum_unavailable', 'timeout', 'storage_full'],
      ...['not_implemented', 'internal'],
    ]),
  },
};

const GET_SCHEMA = {
  tags,
  operationId: 'getValue',
  summary: 'Read a value',
  params: KeyPath,
  querystring: ValueQuery,
  headers: GetHeaders,
  response: {
    200: {
      description: 'The value, byte for byte, with the Content-Type it was stored with.',
      headers: VALUE_HEADERS,
      content: { '*/*': { schema: { type: 'string', format: 'binary' } } },
    },
    304: { description: 'The version is among those of If-None-Match.', type: 'null' },
    ...problemReplies([
      ...['invalid_key', 'invalid_parameter', 'not_found', 'overloaded', 'not_ready'],
      ...['quorum_unavailable', 'timeout', 'not_implemented', 'internal'],
    ]),
  },
};

const HEAD_SCHEMA = {
  ...GET_SCHEMA,
  summary: 'Read what is known of a value, without it',
  response: {
    ...GET_SCHEMA.response,
    200: { description: 'As for GET, without the body.', type: 'null' },
  },
};

const DELETE_SCHEMA = {
  tags,
  operationId: 'deleteValue',
  summary: 'Delete a value',
  params: KeyPath,
  querystring: ValueQuery,
  headers: AnyHeaders,
  response: {
    204: { description: 'Deleted.', type: 'null' },
    ...problemReplies([
      ...['invalid_key', 'invalid_parameter', 'not_found', 'overloaded', 'not_ready'],
      ...['quorum_unavailable', 'timeout', 'storage_full', 'not_implemented', 'internal'],
    ]),
  },
};
