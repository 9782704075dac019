/** `GET /cluster` and what is to be read below it. */
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config.ts';
import type { Operations } from '../coordinator/operations.ts';
import { ClientError } from '../errors.ts';
import type {
  ClusterView,
  MemberStatus,
  TasksStatus,
  TransitionStatus,
} from '../membership/cluster-view.ts';
import type { EventStreams } from './event-streams.ts';
import type { InFlight } from './in-flight.ts';
import { keyAfter } from './key-path.ts';
import { problemReplies } from './openapi.ts';
import { type Parameters, queryOf, timeoutIn } from './query.ts';
import {
  AnyHeaders,
  ClusterReply,
  EventHeaders,
  KeyPath,
  KeyReply,
  LocateQuery,
  RingReply,
  TasksReply,
  type Transition,
} from './schemas.ts';

export interface ClusterPorts {
  readonly operations: Operations;
  readonly cluster: ClusterView;
  readonly config: Pick<Config, 'requestTimeoutMs'>;
  readonly inFlight: InFlight;
  readonly streams: EventStreams;
}

const KEYS = '/cluster/keys/';
const NONE: Parameters = { known: [], notBuilt: [] };
const LOCATE_PARAMETERS: Parameters = { known: Object.keys(LocateQuery.properties), notBuilt: [] };

/** Members that are silent are listed without their counts; nobody wants to wait for those long. */
const MEMBERS_MS = 1_000;

export function clusterRoutes(fastify: FastifyInstance, ports: ClusterPorts): void {
  const { operations, cluster, config, inFlight, streams } = ports;
  const membersMs = Math.min(MEMBERS_MS, config.requestTimeoutMs);

  fastify.get('/cluster', { schema: CLUSTER_SCHEMA }, async ({ raw }): Promise<ClusterReply> => {
    queryOf(raw.url ?? '', NONE);
    const status = await inFlight.run(() => cluster.cluster(membersMs));
    const { id, members, transition, alarms, ...rest } = status;
    return {
      ...rest,
      ...(id === undefined ? {} : { id }),
      alarms: [...alarms],
      ...(transition === undefined ? {} : { transition: transitionReply(transition) }),
      members: members.map(memberReply),
    };
  });

  fastify.get('/cluster/tasks', { schema: TASKS_SCHEMA }, async ({ raw }): Promise<TasksReply> => {
    queryOf(raw.url ?? '', NONE);
    return tasksReply(await inFlight.run(() => cluster.tasks(membersMs)));
  });

  // No HEAD: an answer without an end has nothing to describe.
  const eventsOptions = { schema: EVENTS_SCHEMA, exposeHeadRoute: false };
  fastify.get('/cluster/events', eventsOptions, (request, reply) => {
    queryOf(request.raw.url ?? '', NONE);
    const lastId = request.raw.headers['last-event-id'];
    streams.start(request, reply, lastId === undefined ? undefined : String(lastId));
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

function memberReply({ keys, leaving, ...rest }: MemberStatus): ClusterReply['members'][number] {
  return {
    ...rest,
    ...(leaving === 'no' ? {} : { leaving }),
    ...(keys === undefined ? {} : { keys }),
  };
}

function transitionReply({ members, ...rest }: TransitionStatus): Transition {
  const pulls = members.map(({ name, toPull, pulled }) => ({
    name,
    toPull,
    ...(pulled === undefined ? {} : { pulled }),
  }));
  return { ...rest, members: pulls };
}

function tasksReply({ epoch, running, ended }: TasksStatus): TasksReply {
  const past = ended.map(({ continuedBy, ...task }) => ({
    ...task,
    ...(continuedBy === undefined ? {} : { continuedBy }),
  }));
  if (running === undefined) return { epoch, tasks: past };
  const { members: _, ...present } = running;
  return { epoch, tasks: [{ ...present, state: 'running' }, ...past] };
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

const TASKS_SCHEMA = {
  tags,
  operationId: 'getTasks',
  summary: 'What runs in the background, and what of it has ended',
  headers: AnyHeaders,
  response: {
    200: { description: 'Latest first.', ...TasksReply },
    ...problemReplies(['invalid_parameter', 'overloaded', 'internal']),
  },
};

const EVENTS_SCHEMA = {
  tags,
  operationId: 'getEvents',
  summary: 'What happens to members and rings, as server-sent events',
  description:
    'As this node sees it, from now on. With `Last-Event-ID` the stream goes on behind that event; when' +
    ' events in between are not kept any more, an event `missed` comes first.',
  headers: EventHeaders,
  response: {
    200: {
      description:
        'Events with an `id`, their type as `event`, and JSON as `data`: `{id, timeMs, type, ...}`.',
      content: { 'text/event-stream': { schema: { type: 'string' } } },
    },
    ...problemReplies(['invalid_parameter', 'overloaded', 'shutting_down', 'internal']),
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
