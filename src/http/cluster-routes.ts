/** `GET /cluster`, `/cluster/ring` and `/cluster/keys/{key}`. */
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config.ts';
import type { Operations } from '../coordinator/operations.ts';
import { ClientError } from '../errors.ts';
import type { ClusterView, MemberStatus } from '../membership/cluster-view.ts';
import type { InFlight } from './in-flight.ts';
import { keyAfter } from './key-path.ts';
import { problemReplies } from './openapi.ts';
import { type Parameters, queryOf, timeoutIn } from './query.ts';
import { AnyHeaders, ClusterReply, KeyPath, KeyReply, LocateQuery, RingReply } from './schemas.ts';

export interface ClusterPorts {
  readonly operations: Operations;
  readonly cluster: ClusterView;
  readonly config: Pick<Config, 'requestTimeoutMs'>;
  readonly inFlight: InFlight;
}

const KEYS = '/cluster/keys/';
const NONE: Parameters = { known: [], notBuilt: [] };
const LOCATE_PARAMETERS: Parameters = { known: Object.keys(LocateQuery.properties), notBuilt: [] };

/** Members that are silent are listed without their counts; nobody wants to wait for those long. */
const MEMBERS_MS = 1_000;

export function clusterRoutes(fastify: FastifyInstance, ports: ClusterPorts): void {
  const { operations, cluster, config, inFlight } = ports;

  fastify.get('/cluster', { schema: CLUSTER_SCHEMA }, async ({ raw }): Promise<ClusterReply> => {
    queryOf(raw.url ?? '', NONE);
    const timeoutMs = Math.min(MEMBERS_MS, config.requestTimeoutMs);
    const { id, members, ...rest } = await inFlight.run(() => cluster.cluster(timeoutMs));
    return { ...rest, ...(id === undefined ? {} : { id }), members: members.map(memberReply) };
  });

  fastify.get('/cluster/ring', { schema: RING_SCHEMA }, async ({ raw }): Promise<RingReply> => {
    queryOf(raw.url ?? '', NONE);
    inFlight.refuseWhenFull();
    const ring = cluster.ring();
    if (ring === undefined) {
      throw new ClientError(
        'not_ready',
        'the cluster is not formed yet, so there is no ring; /readyz says what this node waits for',
      );
    }
    return {
      ...ring,
      partitions: ring.partitions.map(({ partition, replicas }) => ({
        partition,
        replicas: [...replicas],
      })),
    };
  });

  fastify.get(`${KEYS}*`, { schema: KEY_SCHEMA }, async ({ raw }): Promise<KeyReply> => {
    const target = raw.url ?? '';
    const key = keyAfter(KEYS, target);
    const timeoutMs = timeoutIn(queryOf(target, LOCATE_PARAMETERS), config.requestTimeoutMs);
    const location = await inFlight.run(() => operations.locate(key, timeoutMs));
    return {
      ...location,
      replicas: location.replicas.map((replica) => ({
        ...replica,
        version: replica.version ?? null,
      })),
    };
  });
}

function memberReply({ keys, ...rest }: MemberStatus): ClusterReply['members'][number] {
  return { ...rest, ...(keys === undefined ? {} : { keys }) };
}

const tags = ['cluster'];

const CLUSTER_SCHEMA = {
  tags,
  operationId: 'getCluster',
  summary: 'The cluster and its members, as this node sees them',
  headers: AnyHeaders,
  response: {
    200: { description: 'The members of the ring.', ...ClusterReply },
    ...problemReplies(['invalid_parameter', 'overloaded', 'internal']),
  },
};

const RING_SCHEMA = {
  tags,
  operationId: 'getRing',
  summary: 'The partitions and their replicas',
  headers: AnyHeaders,
  response: {
    200: { description: 'The ring in force.', ...RingReply },
    ...problemReplies(['invalid_parameter', 'overloaded', 'not_ready', 'internal']),
  },
};

const KEY_SCHEMA = {
  tags,
  operationId: 'locateKey',
  summary: 'Where a key lives, and what each replica holds of it',
  params: KeyPath,
  querystring: LocateQuery,
  headers: AnyHeaders,
  response: {
    200: { description: 'The replicas of the key.', ...KeyReply },
    ...problemReplies([
      ...['invalid_key', 'invalid_parameter', 'overloaded', 'not_ready', 'timeout', 'internal'],
    ]),
  },
};
