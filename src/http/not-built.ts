/** Paths that the design names and this version does not serve: refused by name, never as typos. */
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { ClientError } from '../errors.ts';

const NOT_BUILT: readonly (readonly [HTTPMethods, string, string])[] = [
  ['GET', '/kv', 'listing keys'],
  ['POST', '/batch', 'several operations in one request'],
  ['GET', '/watch', 'watching keys'],
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
