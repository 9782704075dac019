/**
 * What HTTP alone costs: a fastify server that keeps values in a Map and does nothing else. Prints its
 * URL and ends with its standard input.
 */
import { fastify } from 'fastify';

const values = new Map<string, Buffer>();
const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
app.put<{ Params: { '*': string }; Body: Buffer }>('/kv/*', async (request, reply) => {
  values.set(request.params['*'], request.body);
  return reply.code(201).send({ key: request.params['*'] });
});
app.get<{ Params: { '*': string } }>('/kv/*', async (request, reply) =>
  reply.type('application/octet-stream').send(values.get(request.params['*'])),
);
console.log(await app.listen({ host: '127.0.0.1', port: 0 }));
process.stdin.on('end', () => process.exit()).resume();
