/** Paths that the design names and this version does not serve: refused by name, never as typos. */
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { ClientError } from '../errors.ts';

const NOT_BUILT: readonly (readonly [HTTPMethods, string, string])[] = [
  ['GET', '/kv', 'listing keys'],
  ['POST', '/batch', 'several operations in one request'],
  ['GET', '/watch', 'watching keys'],
  ['POST', '/cluster/members/:name/leave', 'making a member leave'],
  ['POST', '/cluster/members/:name/remove', 'removing a member'],
  ['POST', '/cluster/members/:name/replace', 'replacing a member'],
  ['PUT', '/cluster/replication-factor', 'changing the replication factor'],
  ['GET', '/cluster/tasks', 'the list of background tasks'],
  ['GET', '/cluster/events', 'the stream of events'],
  ['GET', '/metrics', 'metrics'],
  ['GET', '/ui', 'the dashboard'],
  ['GET', '/ui/*', 'the dashboard'],
];

export function notBuiltRoutes(fastify: FastifyInstance): void {
  for (const [method, url, what] of NOT_BUILT) {
    fastify.route({
      method,
      url,
      schema: { hide: true },
      handler: () => {
        throw new ClientError('not_implemented', `${what}: not built in this version`);
      },
    });
  }
}
