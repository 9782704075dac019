/** What an operator asks for over HTTP, and the list of tasks. */
import { describe, expect, test } from 'vitest';
import { ClientError } from '../../src/errors.ts';
import { edge } from './edge.ts';

const FACTOR = '/cluster/replication-factor';

describe('a change of a member', () => {
  test.each(['leave', 'remove', 'replace'] as const)(
    '%s is started by its task',
    async (change) => {
      const { http, operator } = edge();
      const url = `/cluster/members/node%2D3/${change}`;
      const answer = await http.fastify.inject({ method: 'POST', url });
      expect([answer.statusCode, answer.json()]).toEqual([202, { task: 'ring-8', epoch: 8 }]);
      expect(operator.changes).toEqual([[change, 'node-3']]);
    },
  );

  test('that moves nothing is 200, without a task', async () => {
    const { http, operator } = edge();
    operator.started = { task: undefined, epoch: 7 };
    const answer = await http.fastify.inject({ method: 'POST', url: '/cluster/members/a/remove' });
    expect([answer.statusCode, answer.json()]).toEqual([200, { epoch: 7 }]);
  });

  test('is only planned with dryRun', async () => {
    const { http, operator } = edge();
    for (const url of ['/cluster/members/a/leave?dryRun', '/cluster/members/a/leave?dryRun=true']) {
      const answer = await http.fastify.inject({ method: 'POST', url });
      expect([answer.statusCode, answer.json()]).toEqual([200, operator.plan]);
    }
    expect(operator.changes).toEqual([]);
  });

  test('that does not fit is 409, with the reason', async () => {
    const { http, operator } = edge();
    operator.refusal = new ClientError('conflict', 'node3 is alive, not dead');
    for (const url of ['/cluster/members/node3/remove', '/cluster/members/node3/remove?dryRun']) {
      const answer = await http.fastify.inject({ method: 'POST', url });
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([
        409,
        'application/problem+json',
      ]);
      expect(answer.json()).toMatchObject({
        code: 'conflict',
        detail: 'node3 is alive, not dead',
        outcome: 'not_applied',
        retryable: false,
      });
    }
  });

  test('that could not be decided is 503, and its outcome unknown', async () => {
    const { http, operator } = edge();
    operator.refusal = new ClientError('quorum_unavailable', 'too few', { outcome: 'unknown' });
    const answer = await http.fastify.inject({ method: 'POST', url: '/cluster/members/a/leave' });
    expect([answer.statusCode, answer.json().outcome]).toEqual([503, 'unknown']);
  });

  test.each([
    ['/cluster/members/a/leave?dryrun', undefined, 'invalid_parameter'],
    ['/cluster/members/a/leave?dryRun=1', undefined, 'invalid_parameter'],
    ['/cluster/members/a/leave', '{"force":true}', 'invalid_body'],
  ])('asked for in another way is refused and not started: %s %s', async (url, payload, code) => {
    const { http, operator } = edge();
    const body = payload === undefined ? {} : { payload };
    const answer = await http.fastify.inject({ method: 'POST', url, ...body });
    expect([answer.statusCode, answer.json().code]).toEqual([400, code]);
    expect(operator.changes).toEqual([]);
  });
});

describe('a change of the replication factor', () => {
  test('is started by its task', async () => {
    const { http, operator } = edge();
    const payload = '{"replicationFactor": 5}';
    const answer = await http.fastify.inject({ method: 'PUT', url: FACTOR, payload });
    expect([answer.statusCode, answer.json()]).toEqual([202, { task: 'ring-8', epoch: 8 }]);
    expect(operator.changes).toEqual([['factor', 5]]);
  });

  test('is only planned with dryRun', async () => {
    const { http, operator } = edge();
    const url = `${FACTOR}?dryRun=true`;
    const payload = '{"replicationFactor": 5}';
    const answer = await http.fastify.inject({ method: 'PUT', url, payload });
    expect([answer.statusCode, answer.json()]).toEqual([200, operator.plan]);
    expect(operator.changes).toEqual([]);
  });

  test.each([
    '',
    '5',
    'null',
    '[5]',
    '{}',
    '{"replicationFactor": "5"}',
    '{"replicationFactor": null}',
    '{"replicationFactor": 5, "force": true}',
    '{"__proto__": {"replicationFactor": 5}}',
    '{"replicationFactor": 5',
  ])('is refused with the right form when the body is %j', async (payload) => {
    const { http, operator } = edge();
    const answer = await http.fastify.inject({ method: 'PUT', url: FACTOR, payload });
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid_body']);
    expect(answer.json().detail).toContain('{"replicationFactor": 3}');
    expect(operator.changes).toEqual([]);
  });
});

describe('a forced removal', () => {
  const REMOVAL = '/cluster/forced-removal';
  const payload = '{"members": ["node3", "node 4"]}';

  test('is started by its task', async () => {
    const { http, operator } = edge();
    const answer = await http.fastify.inject({ method: 'POST', url: REMOVAL, payload });
    expect([answer.statusCode, answer.json()]).toEqual([202, { task: 'ring-8', epoch: 8 }]);
    expect(operator.changes).toEqual([['force', 'node3 node 4']]);
  });

  test('is only planned with dryRun, which tells what is lost', async () => {
    const { http, operator } = edge();
    const url = `${REMOVAL}?dryRun=true`;
    const answer = await http.fastify.inject({ method: 'POST', url, payload });
    expect([answer.statusCode, answer.json()]).toEqual([200, { ...operator.plan, lost: 2 }]);
    expect(operator.changes).toEqual([]);
  });

  test.each([
    '',
    '["node3"]',
    '{}',
    '{"members": "node3"}',
    '{"members": []}',
    '{"members": ["node3", 4]}',
    '{"members": ["node3"], "yes": true}',
    JSON.stringify({ members: new Array(1_025).fill('a') }),
  ])('is refused with the right form when the body is %.40j', async (payload) => {
    const { http, operator } = edge();
    const answer = await http.fastify.inject({ method: 'POST', url: REMOVAL, payload });
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid_body']);
    expect(answer.json().detail).toContain('{"members": ["node3"]}');
    expect(operator.changes).toEqual([]);
  });
});

describe('/cluster/tasks', () => {
  test('lists what runs before what has ended', async () => {
    const { http, cluster } = edge();
    const running = { task: 'ring-9', epoch: 9, partitions: 8, toPull: 12, pulled: 5 };
    const over = { epoch: 7, partitions: 3, task: 'ring-7' };
    cluster.known = {
      epoch: 9,
      running: { ...running, members: [{ name: 'node1', toPull: 12, pulled: 5 }] },
      ended: [
        { ...over, state: 'continued', continuedBy: 'ring-8' },
        { ...over, state: 'done', continuedBy: undefined },
      ],
    };
    const answer = await http.fastify.inject({ method: 'GET', url: '/cluster/tasks' });
    expect(answer.json()).toEqual({
      epoch: 9,
      tasks: [
        { ...running, state: 'running' },
        { ...over, state: 'continued', continuedBy: 'ring-8' },
        { ...over, state: 'done' },
      ],
    });
  });
});
