/** `/kv/{key}` as clients meet it. */
import { describe, expect, test } from 'vitest';
import { ClientError } from '../../src/errors.ts';
import type { Key } from '../../src/ids.ts';
import { edge, NODE_ID, WRITTEN_MS } from './edge.ts';

const VERSION = /^"[0-9a-f]{12}-[0-9a-f]{4}-0123456789abcdef-00000001"$/;

const STATUS = { invalid_parameter: 400, unsupported_encoding: 415, not_implemented: 501 } as const;

describe('PUT', () => {
  test('stores the body byte for byte, and tells the version', async () => {
    const { http, operations } = edge();
    const value = Buffer.from([0, 255, 10, 13, 0]);
    const answer = await http.fastify.inject({
      method: 'PUT',
      url: '/kv/a%2Fb',
      headers: { 'content-type': 'image/png' },
      payload: value,
    });
    expect(answer.statusCode).toBe(201);
    expect(answer.headers['etag']).toMatch(VERSION);
    expect(answer.json()).toEqual({
      key: 'a/b',
      version: answer.headers['etag']?.slice(1, -1),
      acknowledged: 2,
      replicas: 3,
      coordinator: 'node1',
    });
    const content = operations.records.get('a/b' as Key)?.content;
    expect(content).toMatchObject({ contentType: 'image/png' });
    expect(content?.type === 'value' && Buffer.from(content.value)).toEqual(value);
  });

  test('answers 200 when the key held a value', async () => {
    const { http } = edge();
    const put = { method: 'PUT', url: '/kv/k', payload: 'x' } as const;
    expect((await http.fastify.inject(put)).statusCode).toBe(201);
    expect((await http.fastify.inject(put)).statusCode).toBe(200);
  });

  test('takes an empty value', async () => {
    const { http } = edge();
    expect((await http.fastify.inject({ method: 'PUT', url: '/kv/k' })).statusCode).toBe(201);
    const answer = await http.fastify.inject({ method: 'GET', url: '/kv/k' });
    expect(answer.rawPayload).toHaveLength(0);
    expect(answer.headers['content-length']).toBe('0');
  });

  test.each(['return=minimal', 'respond-async, return=minimal', 'return="minimal"; x=y'])(
    'answers without a body to Prefer: %s',
    async (prefer) => {
      const { http } = edge();
      const answer = await http.fastify.inject({
        method: 'PUT',
        url: '/kv/k',
        payload: 'x',
        headers: { prefer },
      });
      expect([answer.statusCode, answer.payload]).toEqual([204, '']);
      expect(answer.headers['etag']).toMatch(VERSION);
      expect(answer.headers['preference-applied']).toBe('return=minimal');
    },
  );

  test.each([
    [{ 'content-encoding': 'gzip' }, 'unsupported_encoding'],
    [{ 'content-range': 'bytes 0-1/2' }, 'invalid_parameter'],
    [{ 'content-type': 'nonsense' }, 'invalid_parameter'],
    [{ 'quorate-meta-x': 'y'.repeat(2048) }, 'invalid_parameter'],
    [{ 'if-match': '"x"' }, 'not_implemented'],
    [{ 'if-none-match': '*' }, 'not_implemented'],
    [{ 'if-unmodified-since': 'x' }, 'not_implemented'],
    [{ 'idempotency-key': 'x' }, 'not_implemented'],
  ] as const)('with the headers %j is refused and nothing is stored', async (headers, code) => {
    const { http, operations } = edge();
    const answer = await http.fastify.inject({
      method: 'PUT',
      url: '/kv/k',
      payload: 'x',
      headers,
    });
    expect(answer.json()).toMatchObject({ code, outcome: 'not_applied' });
    expect(answer.statusCode).toBe(STATUS[code]);
    expect(operations.asked).toEqual([]);
  });

  test('names what is taken in place of an encoded body', async () => {
    const { http } = edge();
    const headers = { 'content-encoding': 'gzip' };
    const answer = await http.fastify.inject({
      method: 'PUT',
      url: '/kv/k',
      payload: 'x',
      headers,
    });
    expect(answer.headers['accept-encoding']).toBe('identity');
  });

  test.each([
    ['ttl=5s', 'not_implemented'],
    ['consistency=two', 'invalid_parameter'],
    ['timeout=1h', 'invalid_parameter'],
    ['tiemout=1s', 'invalid_parameter'],
  ])('with ?%s is refused', async (query, code) => {
    const { http, operations } = edge();
    const answer = await http.fastify.inject({
      method: 'PUT',
      url: `/kv/k?${query}`,
      payload: 'x',
    });
    expect(answer.json()).toMatchObject({ code, outcome: 'not_applied' });
    expect(operations.asked).toEqual([]);
  });
});

describe('GET', () => {
  test('gives back the bytes, the type and the pairs that were stored', async () => {
    const { http } = edge();
    await http.fastify.inject({
      method: 'PUT',
      url: '/kv/k',
      payload: 'hé',
      headers: { 'content-type': 'text/plain;charset=UTF-8', 'Quorate-Meta-Owner': 'me, "you"' },
    });
    const answer = await http.fastify.inject({ method: 'GET', url: '/kv/k' });
    expect([answer.statusCode, answer.payload]).toEqual([200, 'hé']);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain;charset=UTF-8',
      'content-length': '3',
      'quorate-meta-owner': 'me, "you"',
      'last-modified': new Date(WRITTEN_MS).toUTCString(),
      'quorate-node': 'node1',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'content-security-policy': 'sandbox',
    });
    expect(answer.headers['etag']).toMatch(VERSION);
  });

  test('answers 304 to a tag that still holds', async () => {
    const { http } = edge();
    await http.fastify.inject({ method: 'PUT', url: '/kv/k', payload: 'x' });
    const first = await http.fastify.inject({ method: 'GET', url: '/kv/k' });
    const etag = String(first.headers['etag']);
    const get = {
      method: 'GET',
      url: '/kv/k',
      headers: { 'if-none-match': `"x", ${etag}` },
    } as const;
    const second = await http.fastify.inject(get);
    expect([second.statusCode, second.payload, second.headers['etag']]).toEqual([304, '', etag]);
    await http.fastify.inject({ method: 'PUT', url: '/kv/k', payload: 'y' });
    expect((await http.fastify.inject(get)).payload).toBe('y');
  });

  test('answers 404 when there is nothing', async () => {
    const { http } = edge();
    const answer = await http.fastify.inject({ method: 'GET', url: '/kv/nothing' });
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toEqual({
      type: '/problems/not_found',
      title: 'Nothing is stored there',
      status: 404,
      detail: 'nothing is stored under this key',
      code: 'not_found',
      retryable: false,
    });
  });

  test('refuses If-Match, which would not be in force', async () => {
    const { http } = edge();
    const headers = { 'if-match': '"x"' };
    const answer = await http.fastify.inject({ method: 'GET', url: '/kv/k', headers });
    expect(answer.statusCode).toBe(501);
  });
});

test('HEAD answers as GET does', async () => {
  const { http } = edge();
  await http.fastify.inject({ method: 'PUT', url: '/kv/k', payload: 'hello' });
  const get = await http.fastify.inject({ method: 'GET', url: '/kv/k' });
  const head = await http.fastify.inject({ method: 'HEAD', url: '/kv/k' });
  const { 'quorate-request-id': _one, date: _then, ...ofGet } = get.headers;
  const { 'quorate-request-id': _other, date: _now, ...ofHead } = head.headers;
  expect(head.statusCode).toBe(200);
  expect(ofHead).toEqual(ofGet);
  expect((await http.fastify.inject({ method: 'HEAD', url: '/kv/none' })).statusCode).toBe(404);
});

test('DELETE answers 204, and 404 when there was nothing', async () => {
  const { http } = edge();
  await http.fastify.inject({ method: 'PUT', url: '/kv/k', payload: 'x' });
  const first = await http.fastify.inject({ method: 'DELETE', url: '/kv/k' });
  expect([first.statusCode, first.payload]).toEqual([204, '']);
  const second = await http.fastify.inject({ method: 'DELETE', url: '/kv/k' });
  expect([second.statusCode, second.json().code]).toEqual([404, 'not_found']);
});

test('consistency level and timeout come from the query, else from the settings', async () => {
  const { http, operations } = edge({ consistency: 'all', requestTimeoutMs: 1234 });
  for (const method of ['PUT', 'GET', 'DELETE'] as const) {
    await http.fastify.inject({ method, url: '/kv/k' });
    await http.fastify.inject({ method, url: '/kv/k?consistency=one&timeout=1.5s' });
  }
  expect(operations.asked.map(({ options }) => options)).toEqual(
    Array.from({ length: 3 }, () => [
      { consistency: 'all', timeoutMs: 1234 },
      { consistency: 'one', timeoutMs: 1500 },
    ]).flat(),
  );
});

describe('what an operation fails with', () => {
  const replicas = [{ node: 'node2', id: NODE_ID, state: 'unreachable' as const }];

  test('is told with its counts, replicas and outcome', async () => {
    const { http, operations } = edge();
    operations.before = () => {
      throw new ClientError('quorum_unavailable', 'start node2', {
        outcome: 'unknown',
        required: 2,
        acknowledged: 1,
        replicas,
      });
    };
    const answer = await http.fastify.inject({ method: 'PUT', url: '/kv/k', payload: 'x' });
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.json()).toEqual({
      type: '/problems/quorum_unavailable',
      title: 'Too few replicas answered',
      status: 503,
      detail: 'start node2',
      code: 'quorum_unavailable',
      outcome: 'unknown',
      retryable: true,
      required: 2,
      acknowledged: 1,
      replicas,
    });
  });

  test.each([
    ['PUT', 'timeout', 504, 'unknown'],
    ['GET', 'timeout', 504, undefined],
    ['DELETE', 'storage_full', 507, 'not_applied'],
    ['PUT', 'not_ready', 503, 'not_applied'],
    ['PUT', 'overloaded', 503, 'not_applied'],
  ] as const)('%s failing with %s is %i, outcome %s', async (method, code, status, outcome) => {
    const { http, operations } = edge();
    operations.before = async () => {
      throw new ClientError(code, 'x');
    };
    const answer = await http.fastify.inject({ method, url: '/kv/k' });
    expect([answer.statusCode, answer.json().outcome]).toEqual([status, outcome]);
    const mayWait = ['not_ready', 'overloaded'].includes(code);
    expect(answer.headers['retry-after']).toBe(mayWait ? '1' : undefined);
  });

  test.each(['PUT', 'GET', 'DELETE'] as const)(
    'unexpectedly in a %s is 500, and its text goes to the log alone',
    async (method) => {
      const { http, operations, log } = edge();
      const error = new Error('ENOENT /home/someone/secret');
      operations.before = () => {
        throw error;
      };
      const headers = { 'x-request-id': 'req-1' };
      const answer = await http.fastify.inject({ method, url: '/kv/k', headers });
      expect(answer.statusCode).toBe(500);
      expect(answer.json()).toMatchObject({ code: 'internal', retryable: false });
      expect(answer.json().outcome).toBe(method === 'GET' ? undefined : 'unknown');
      expect(answer.json().detail).toContain('req-1');
      expect(answer.payload).not.toMatch(/ENOENT|secret|\bat /);
      expect(log.errors).toMatchObject([{ fields: { requestId: 'req-1', err: error } }]);
    },
  );
});
