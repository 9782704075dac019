/**
 * What goes over the wire as JSON, once: the types that the code is checked against, and the
 * description that `/openapi.json` gives. Parameters are judged by parsers of our own, which say
 * what is wrong in better words.
 */
import { type Static, Type } from 'typebox';
import { CONSISTENCY_LEVELS } from '../quorum/consistency-level.ts';

const Version = Type.String({
  description: 'Orders all writes to a key: the greater text is the later write.',
  pattern: '^[0-9a-f]{12}-[0-9a-f]{4}-[0-9a-f]{16}-[0-9a-f]{8}$',
});

const NodeId = Type.String({
  description: 'A node for its whole life.',
  pattern: '^[0-9a-f]{16}$',
});

const Count = Type.Integer({ minimum: 0 });

export const KeyPath = Type.Object({
  key: Type.String({
    description:
      'UTF-8 text of 1 to 1024 bytes, percent-encoded. It may hold any character, also a slash,' +
      ' written as it is or as %2F. Many clients rewrite segments that are just `.` or `..`.',
  }),
});

const Timeout = Type.String({
  description: 'How long to wait for the replicas at most: 1ms to 10m. Default: the setting.',
  pattern: String.raw`^\d+(\.\d+)?(ms|s|m)$`,
  examples: ['250ms', '5s'],
});

export const ValueQuery = Type.Object({
  consistency: Type.Optional(
    Type.Enum([...CONSISTENCY_LEVELS], {
      description:
        'How many replicas have to answer: any one, a quorum, or all. Default: the setting.',
    }),
  ),
  timeout: Type.Optional(Timeout),
});

export const LocateQuery = Type.Object({ timeout: Type.Optional(Timeout) });

export const HealthQuery = Type.Object({
  verbose: Type.Optional(
    Type.String({ description: 'List every check. Needs no value.', enum: ['', 'true', 'false'] }),
  ),
});

export const ChangeQuery = Type.Object({
  dryRun: Type.Optional(
    Type.String({
      description: 'Only say what it would move. Needs no value.',
      enum: ['', 'true', 'false'],
    }),
  ),
});

export const MemberPath = Type.Object({ name: Type.String({ description: 'Of the member.' }) });
export type MemberPath = Static<typeof MemberPath>;

const requestId = {
  'X-Request-Id': Type.Optional(
    Type.String({
      description:
        'Comes back as Quorate-Request-Id when it is 1 to 128 letters, digits or . _ : @ / + = -.' +
        ' The trace id of a `traceparent` is taken too.',
    }),
  ),
};

export const AnyHeaders = Type.Object(requestId);

export const EventHeaders = Type.Object({
  ...requestId,
  'Last-Event-ID': Type.Optional(
    Type.String({ description: 'Go on behind this event, if this node still knows it.' }),
  ),
});

export const PutHeaders = Type.Object({
  ...requestId,
  Prefer: Type.Optional(
    Type.String({
      description: '`return=minimal` asks for 204 and no body.',
      examples: ['return=minimal'],
    }),
  ),
  'Quorate-Meta-Name': Type.Optional(
    Type.String({
      description:
        'Any header that starts with Quorate-Meta- is stored with the value and given back with' +
        ' it: 32 at most, 2 KiB together.',
    }),
  ),
});

export const GetHeaders = Type.Object({
  ...requestId,
  'If-None-Match': Type.Optional(
    Type.String({ description: 'Entity tags; a match is answered 304 without the value.' }),
  ),
});

export const PutReply = Type.Object({
  key: Type.String(),
  version: Version,
  acknowledged: Type.Integer({
    description: 'Replicas known to hold it durably when this was answered.',
  }),
  replicas: Type.Integer({ description: 'Replicas that the key has.' }),
  coordinator: Type.String({ description: 'Name of the node that took the request.' }),
});
export type PutReply = Static<typeof PutReply>;

const MemberState = Type.Enum(['alive', 'suspect', 'dead', 'left']);

const Transition = Type.Object({
  task: Type.String({ description: 'Its name in `/cluster/tasks`.' }),
  epoch: Count,
  partitions: Type.Integer({ description: 'Partitions whose replicas change.' }),
  toPull: Type.Integer({ description: 'Partitions that the members have to pull, over all.' }),
  pulled: Type.Integer({ description: 'Those of them that they have pulled.' }),
  members: Type.Array(
    Type.Object({
      name: Type.String(),
      toPull: Count,
      pulled: Type.Optional(
        Type.Integer({ description: 'Absent while the member has not said how far it is.' }),
      ),
    }),
    { description: 'Those that have to pull.' },
  ),
});
export type Transition = Static<typeof Transition>;

export const ClusterReply = Type.Object({
  name: Type.String(),
  id: Type.Optional(Type.String({ description: 'Absent until the cluster is formed.' })),
  epoch: Type.Integer({ description: '0 until the cluster is formed.' }),
  replicationFactor: Count,
  replaceAfterMs: Type.Integer({
    description: 'How long a member may be dead before it is replaced, milliseconds.',
  }),
  lastSurvivor: Type.Enum(['use', 'wait', 'announced'], {
    description:
      'Whether partitions go on with too few replicas to know of every acknowledged write.' +
      ' announced: on the way from wait to use.',
  }),
  alarms: Type.Array(Type.String(), {
    description: 'What somebody should look at, in sentences; empty when all is well.',
  }),
  transition: Type.Optional(Transition),
  members: Type.Array(
    Type.Object({
      name: Type.String(),
      id: NodeId,
      url: Type.String(),
      state: MemberState,
      leaving: Type.Optional(
        Type.Enum(['asked', 'replaced'], {
          description:
            'It goes with the end of the transition: an operator sent it away, or it was dead.' +
            ' Absent: it stays.',
        }),
      ),
      zone: Type.String(),
      weight: Count,
      partitions: Type.Integer({ description: 'Partitions of which it keeps a replica.' }),
      keys: Type.Optional(
        Type.Integer({ description: 'Values that it keeps; absent while it does not answer.' }),
      ),
    }),
  ),
});
export type ClusterReply = Static<typeof ClusterReply>;

export const TasksReply = Type.Object({
  epoch: Type.Integer({ description: 'Of the ring in force on this node.' }),
  tasks: Type.Array(
    Type.Object({
      task: Type.String(),
      epoch: Count,
      state: Type.Enum(['running', 'continued', 'done']),
      continuedBy: Type.Optional(
        Type.String({
          description: 'The task that goes on in its place: something else was wanted on the way.',
        }),
      ),
      partitions: Type.Integer({ description: 'Partitions whose replicas change.' }),
      toPull: Type.Optional(Type.Integer({ description: 'While it runs.' })),
      pulled: Type.Optional(Type.Integer({ description: 'While it runs.' })),
    }),
    {
      description:
        'What runs is the same on every node; of what has ended, a node lists the latest that it saw.',
    },
  ),
});
export type TasksReply = Static<typeof TasksReply>;

export const PlanReply = Type.Object({
  partitions: Type.Integer({ description: 'Partitions whose replicas would change.' }),
  replicas: Type.Integer({ description: 'Copies of partitions that members would pull.' }),
  bytes: Type.Integer({ description: 'An estimate.' }),
  seconds: Type.Integer({ description: 'An estimate, for a cluster that serves no clients.' }),
  lost: Type.Optional(
    Type.Integer({
      description:
        'Of a forced removal: partitions of which no copy is left. What they kept is lost.',
    }),
  ),
});

export const StartedReply = Type.Object({
  task: Type.Optional(Type.String({ description: 'Absent when nothing has to move.' })),
  epoch: Type.Integer({ description: 'Of the ring that was decided.' }),
});
export type StartedReply = Static<typeof StartedReply>;

export const FactorBody = Type.Object({
  replicationFactor: Type.Integer({ minimum: 1, maximum: 7 }),
});

export const RemovalBody = Type.Object({
  members: Type.Array(Type.String(), {
    description: 'Names of all members that are gone for good.',
    minItems: 1,
  }),
});

export const RingReply = Type.Object({
  epoch: Count,
  partitionCount: Count,
  replicationFactor: Count,
  partitions: Type.Array(
    Type.Object({
      partition: Count,
      replicas: Type.Array(Type.String(), { description: 'Names, most preferred first.' }),
    }),
  ),
});
export type RingReply = Static<typeof RingReply>;

export const KeyReply = Type.Object({
  key: Type.String(),
  token: Type.String({ description: 'Its point on the ring.', pattern: '^[0-9a-f]{16}$' }),
  partition: Count,
  replicas: Type.Array(
    Type.Object({
      node: Type.String({ description: 'Its name.' }),
      id: NodeId,
      version: Type.Union([Version, Type.Null()], {
        description: 'Null when the replica holds nothing, or did not answer.',
      }),
      state: Type.String({ description: '`ok`, `deleted`, `missing`, or why it did not answer.' }),
    }),
    { description: 'Most preferred first.' },
  ),
});
export type KeyReply = Static<typeof KeyReply>;

const Check = Type.Object({
  name: Type.String(),
  ok: Type.Boolean(),
  detail: Type.String({ description: 'What is the matter and what helps, or how it stands.' }),
});

export const HealthReply = Type.Object({
  status: Type.Enum(['alive', 'ready']),
  node: Type.String(),
  id: NodeId,
  checks: Type.Optional(Type.Array(Check, { description: 'With `verbose`.' })),
});
export type HealthReply = Static<typeof HealthReply>;

/** RFC 9457, with members of our own after `detail`. */
export const Problem = Type.Object({
  type: Type.String({ description: 'A name, not an address to fetch: `/problems/` and the code.' }),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String({ description: 'What is true, and the remedy.' }),
  code: Type.String({ description: 'Stable: decide by this one.' }),
  outcome: Type.Optional(
    Type.Enum(['not_applied', 'unknown'], {
      description:
        'Of a write: `not_applied` is a promise that it changed nothing; one that is `unknown` may' +
        ' still become visible, once.',
    }),
  ),
  retryable: Type.Boolean({ description: 'The same request may succeed later.' }),
  required: Type.Optional(
    Type.Integer({ description: 'Answers that the consistency level needs.' }),
  ),
  acknowledged: Type.Optional(Type.Integer({ description: 'Answers that counted.' })),
  replicas: Type.Optional(
    Type.Array(Type.Object({ node: Type.String(), id: NodeId, state: Type.String() })),
  ),
});
export type Problem = Static<typeof Problem>;

export const UnreadyProblem = Type.Object({
  ...Problem.properties,
  checks: Type.Array(Check, { description: 'The failing checks; with `verbose` all of them.' }),
});
export type UnreadyProblem = Static<typeof UnreadyProblem>;
