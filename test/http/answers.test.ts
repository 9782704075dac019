/** What is true of all answers, and the routes besides `/kv/{key}`. */
import { describe, expect, test } from 'vitest';
import type { Key, NodeId, Partition } from '../../src/ids.ts';
import { edge, NODE_ID } from './edge.ts';

describe('every answer', () => {
  test.each([
    ['GET', '/kv/none', 404],
    ['PUT', '/kv/k', 201],
    ['GET', '/kv/%ff', 400],
    ['GET', '/%ff', 400],
    ['GET', '/kv/%zz', 400],
    ['GET', '/kv/', 400],
    ['GET', '/kv', 501],
    ['POST', '/kv/k', 405],
    ['GET', '/nothing', 404],
    ['GET', '/livez', 200],
    ['GET', '/docs', 200],
    ['GET', '/docs/static/none', 404],
    ['GET', '/openapi.json', 200],
    ['PROPFIND', '/kv/k', 405],
  ] as const)('to %s %s names the node and the request', async (method, url, status) => {
    const { http } = edge();
    const headers = { 'x-request-id': 'mine' };
    const answer = await http.fastify.inject({ method: method as 'GET', url, headers });
    expect(answer.statusCode).toBe(status);
    expect(answer.headers).toMatchObject({ 'quorate-node': 'node1', 'quorate-request-id': 'mine' });
    if (status >= 400) {
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(answer.json()).toMatchObject({ status, type: `/problems/${answer.json().code}` });
    }
  });

  test('takes the trace id of a traceparent', async () => {
    const { http } = edge();
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-01` };
    const answer = await http.fastify.inject({ method: 'GET', url: '/livez', headers });
    expect(answer.headers['quorate-request-id']).toBe(trace);
  });

  test('has an id of its own when the client sent none that is well-formed', async () => {
    const { http } = edge();
    const headers = { 'x-request-id': 'a b' };
    const get = { method: 'GET', url: '/livez', headers } as const;
    const ids = [await http.fastify.inject(get), await http.fastify.inject(get)].map(
      (answer) => answer.headers['quorate-request-id'],
    );
    expect(new Set(ids).size).toBe(2);
    expect(ids).not.toContain('a b');
  });
});

describe('a path', () => {
  test('that does not exist is unknown_route', async () => {
    const { http } = edge();
    for (const url of ['/', '/kvs', '/kv2/x', '//kv/x', '/cluster/', '/%6bv/x', '/KV/x']) {
      const answer = await http.fastify.inject({ method: 'GET', url });
      expect([url, answer.statusCode, answer.json().code]).toEqual([url, 404, 'unknown_route']);
    }
  });

  test.each([
    ['POST', '/kv/a/b', 'DELETE, GET, HEAD, PUT'],
    ['PATCH', '/kv/a', 'DELETE, GET, HEAD, PUT'],
    ['OPTIONS', '/kv/a', 'DELETE, GET, HEAD, PUT'],
    ['PUT', '/kv', 'GET, HEAD'],
    ['DELETE', '/livez', 'GET, HEAD'],
    ['GET', '/batch', 'POST'],
    ['GET', '/cluster/members/x/leave', 'POST'],
    ['GET', '/cluster/replication-factor', 'PUT'],
    ['GET', '/cluster/forced-removal', 'POST'],
    ['HEAD', '/cluster/events', 'GET'],
  ] as const)('asked with the wrong method is 405: %s %s', async (method, url, allow) => {
    const { http } = edge();
    const answer = await http.fastify.inject({ method, url });
    expect(answer.statusCode).toBe(405);
    if (method !== 'HEAD') expect(answer.json().code).toBe('method_not_allowed');
    expect(answer.headers['allow']).toBe(allow);
    if (method !== 'HEAD') expect(answer.json().detail).toContain(allow);
  });

  test.each([
    ['GET', '/kv?prefix=a'],
    ['POST', '/batch'],
    ['GET', '/watch?prefix=a'],
    ['GET', '/metrics'],
    ['GET', '/ui'],
    ['GET', '/ui/'],
    ['GET', '/ui/index.html'],
  ] as const)('that is not built yet is 501: %s %s', async (method, url) => {
    const { http } = edge();
    const answer = await http.fastify.inject({ method, url });
    expect([answer.statusCode, answer.json().code]).toEqual([501, 'not_implemented']);
    expect(answer.json().outcome).toBe('not_applied');
  });
});

describe('/livez', () => {
  test('says that the process answers', async () => {
    const { http } = edge();
    const answer = await http.fastify.inject({ method: 'GET', url: '/livez' });
    expect(answer.json()).toEqual({ status: 'alive', node: 'node1', id: NODE_ID });
    const verbose = await http.fastify.inject({ method: 'GET', url: '/livez?verbose' });
    expect(verbose.json().checks).toMatchObject([{ name: 'process', ok: true }]);
    expect((await http.fastify.inject({ method: 'GET', url: '/livez?x' })).statusCode).toBe(400);
  });
});

describe('/readyz', () => {
  const ring = { name: 'ring', ok: true, detail: 'epoch 1' };
  const members = { name: 'members', ok: false, detail: 'node2 does not answer; start it' };

  test('is 200 when all checks are ok', async () => {
    const { http, cluster } = edge();
    cluster.checks = [ring];
    const answer = await http.fastify.inject({ method: 'GET', url: '/readyz' });
    expect([answer.statusCode, answer.json().status]).toEqual([200, 'ready']);
    const verbose = await http.fastify.inject({ method: 'GET', url: '/readyz?verbose' });
    expect(verbose.json().checks).toMatchObject([{ name: 'process', ok: true }, ring]);
  });

  test('is 503 with the failing checks', async () => {
    const { http, cluster } = edge();
    cluster.checks = [ring, members];
    const answer = await http.fastify.inject({ method: 'GET', url: '/readyz' });
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1']);
    expect(answer.json()).toMatchObject({
      code: 'not_ready',
      checks: [members],
      detail: `members: ${members.detail}`,
    });
    const verbose = await http.fastify.inject({ method: 'GET', url: '/readyz?verbose' });
    expect(verbose.json().checks).toHaveLength(3);
  });
});

describe('/cluster', () => {
  test('lists the members; silent ones have no count', async () => {
    const { http, cluster } = edge();
    const member = { id: NODE_ID, url: 'http://h:1', zone: 'z', weight: 1, partitions: 8 };
    const status = {
      ...{ name: 'test', id: 'c'.repeat(32), epoch: 3, alarms: [] },
      ...{ replicationFactor: 3, replaceAfterMs: 30_000 },
      lastSurvivor: 'announced' as const,
    };
    cluster.status = {
      ...status,
      transition: undefined,
      members: [
        { ...member, name: 'node1', state: 'alive', leaving: 'no', keys: 7 },
        { ...member, name: 'node2', state: 'dead', leaving: 'no', keys: undefined },
      ],
    };
    const answer = await http.fastify.inject({ method: 'GET', url: '/cluster' });
    expect(answer.json()).toEqual({
      ...status,
      members: [
        { ...member, name: 'node1', state: 'alive', keys: 7 },
        { ...member, name: 'node2', state: 'dead' },
      ],
    });
    expect((await http.fastify.inject({ method: 'GET', url: '/cluster?x=1' })).statusCode).toBe(
      400,
    );
  });

  test('tells of a transition, of members that leave and of alarms', async () => {
    const { http, cluster } = edge();
    const member = { id: NODE_ID, url: 'http://h:1', zone: 'z', weight: 1, partitions: 8, keys: 1 };
    const transition = { task: 'ring-4', epoch: 4, partitions: 8, toPull: 12, pulled: 5 };
    cluster.status = {
      ...cluster.status,
      alarms: ['replacement is frozen'],
      transition: {
        ...transition,
        members: [
          { name: 'node1', toPull: 8, pulled: 5 },
          { name: 'node3', toPull: 4, pulled: undefined },
        ],
      },
      members: [{ ...member, name: 'node2', state: 'alive', leaving: 'asked' }],
    };
    const answer = await http.fastify.inject({ method: 'GET', url: '/cluster' });
    expect(answer.json()).toMatchObject({
      alarms: ['replacement is frozen'],
      members: [{ name: 'node2', state: 'alive', leaving: 'asked' }],
    });
    expect(answer.json().transition).toEqual({
      ...transition,
      members: [
        { name: 'node1', toPull: 8, pulled: 5 },
        { name: 'node3', toPull: 4 },
      ],
    });
  });

  test('has no id before the cluster is formed', async () => {
    const { http } = edge();
    const answer = await http.fastify.inject({ method: 'GET', url: '/cluster' });
    expect(answer.json()).toEqual({
      ...{ name: 'test', epoch: 0, alarms: [], members: [] },
      ...{ replicationFactor: 3, replaceAfterMs: 60_000, lastSurvivor: 'use' },
    });
  });
});

test('/cluster/ring is the ring, and 503 before there is one', async () => {
  const { http, cluster } = edge();
  const early = await http.fastify.inject({ method: 'GET', url: '/cluster/ring' });
  expect([early.statusCode, early.json().code]).toEqual([503, 'not_ready']);
  cluster.formedRing = {
    epoch: 2,
    partitionCount: 1,
    replicationFactor: 3,
    partitions: [{ partition: 0 as Partition, replicas: ['node1', 'node2'] }],
  };
  const answer = await http.fastify.inject({ method: 'GET', url: '/cluster/ring' });
  expect(answer.json()).toEqual(cluster.formedRing);
});

describe('/cluster/keys/{key}', () => {
  test('says where a key lives, and null where nothing is known', async () => {
    const { http, operations } = edge();
    await http.fastify.inject({ method: 'PUT', url: '/kv/a/b', payload: 'x' });
    const version = operations.records.get('a/b' as Key)?.version;
    const answer = await http.fastify.inject({ method: 'GET', url: '/cluster/keys/a%2Fb' });
    const id: NodeId = NODE_ID;
    expect(answer.json()).toEqual({
      key: 'a/b',
      token: 'fedcba9876543210',
      partition: 254,
      replicas: [
        { node: 'node1', id, version, state: 'ok' },
        { node: 'node1', id, version: null, state: 'timeout' },
      ],
    });
  });

  test('refuses what is no key, and other parameters', async () => {
    const { http } = edge();
    for (const [url, code] of [
      ['/cluster/keys/%ff', 'invalid_key'],
      ['/cluster/keys/', 'invalid_key'],
      ['/cluster/keys/x?consistency=one', 'invalid_parameter'],
    ]) {
      const answer = await http.fastify.inject({ method: 'GET', url: String(url) });
      expect([url, answer.json().code]).toEqual([url, code]);
    }
  });
});
