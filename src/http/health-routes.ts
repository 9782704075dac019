/** `GET /livez` and `/readyz`. Neither counts as work, so both are answered under any load. */
import type { FastifyInstance } from 'fastify';
import { ClientError } from '../errors.ts';
import type { NodeId } from '../ids.ts';
import type { ClusterView } from '../membership/cluster-view.ts';
import type { Connections } from './connections.ts';
import { problemReplies } from './openapi.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';
import { flagIn, type Parameters, queryOf } from './query.ts';
import { headersOf, type Refusals } from './refusals.ts';
import { AnyHeaders, HealthQuery, HealthReply, UnreadyProblem } from './schemas.ts';

export interface HealthPorts {
  readonly cluster: ClusterView;
  readonly nodeName: string;
  readonly nodeId: NodeId;
  readonly connections: Connections;
  readonly refusals: Refusals;
}

const PARAMETERS: Parameters = { known: Object.keys(HealthQuery.properties), notBuilt: [] };

type Checks = NonNullable<HealthReply['checks']>;

export function healthRoutes(fastify: FastifyInstance, ports: HealthPorts): void {
  const { cluster, nodeName: node, nodeId: id, connections, refusals } = ports;

  fastify.get('/livez', { schema: LIVE_SCHEMA }, async ({ raw }): Promise<HealthReply> => {
    const verbose = flagIn(queryOf(raw.url ?? '', PARAMETERS), 'verbose');
    const checks = [{ name: 'process', ok: true, detail: 'answers requests' }];
    return { status: 'alive', node, id, ...(verbose ? { checks } : {}) };
  });

  fastify.get('/readyz', { schema: READY_SCHEMA }, async (request, reply) => {
    const verbose = flagIn(queryOf(request.raw.url ?? '', PARAMETERS), 'verbose');
    const checks = [stoppingCheck(), ...cluster.readiness()];
    const failing = checks.filter(({ ok }) => !ok);
    if (failing.length === 0) {
      const ready: HealthReply = { status: 'ready', node, id, ...(verbose ? { checks } : {}) };
      return reply.send(ready);
    }
    const error = unready(failing);
    const problem: UnreadyProblem = {
      ...problemOf(error, 'GET'),
      checks: verbose ? checks : failing,
    };
    refusals.sendProblem(problem, request, reply, headersOf(error));
    return reply;
  });

  function stoppingCheck(): Checks[number] {
    const ok = !connections.draining;
    return { name: 'process', ok, detail: ok ? 'takes requests' : 'is shutting down' };
  }

  function unready(failing: Checks): ClientError {
    const reasons = failing.map(({ name, detail }) => `${name}: ${detail}`).join('; ');
    return new ClientError(connections.draining ? 'shutting_down' : 'not_ready', reasons);
  }
}

const tags = ['health'];

const LIVE_SCHEMA = {
  tags,
  operationId: 'live',
  summary: 'Whether the process answers',
  querystring: HealthQuery,
  headers: AnyHeaders,
  response: {
    200: { description: 'It does.', ...HealthReply },
    ...problemReplies(['invalid_parameter', 'internal']),
  },
};

const READY_SCHEMA = {
  tags,
  operationId: 'ready',
  summary: 'Whether this node takes requests, and if not, why',
  querystring: HealthQuery,
  headers: AnyHeaders,
  response: {
    200: { description: 'All checks are ok.', ...HealthReply },
    ...problemReplies(['invalid_parameter', 'internal']),
    503: {
      description: '`not_ready` or `shutting_down`, with the failing checks.',
      content: { [PROBLEM_TYPE]: { schema: UnreadyProblem } },
    },
  },
};
