/** `POST /cluster/members/{name}/...`, `POST /cluster/forced-removal`, `PUT /cluster/replication-factor`: what an operator asks for. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ClientError } from '../errors.ts';
import type { ChangePlan } from '../stabilizer/change-plan.ts';
import type { MemberChange, Operator, Started } from '../stabilizer/operator.ts';
import type { Bodies } from './bodies.ts';
import type { InFlight } from './in-flight.ts';
import { problemReplies } from './openapi.ts';
import { flagIn, type Parameters, queryOf } from './query.ts';
import { quoted } from './quoted.ts';
import { AnyHeaders, ChangeQuery, MemberPath, PlanReply, StartedReply } from './schemas.ts';

export interface OperatorPorts {
  readonly operator: Operator;
  readonly inFlight: InFlight;
  readonly bodies: Bodies;
}

const PARAMETERS: Parameters = { known: Object.keys(ChangeQuery.properties), notBuilt: [] };

const EXPECTED_FACTOR = 'send {"replicationFactor": 3}, with the number that is wanted';
const EXPECTED_MEMBERS =
  'send {"members": ["node3"]}, with the names of all that are gone for good';
/** More than a ring has members. */
const MOST_MEMBERS = 1_024;

export function operatorRoutes(fastify: FastifyInstance, ports: OperatorPorts): void {
  const { operator, inFlight, bodies } = ports;

  /** Reads all of the request first; then it is only planned, or started. */
  async function answer<Wanted>(
    { raw }: FastifyRequest,
    reply: FastifyReply,
    wantedIn: (body: Buffer) => Wanted,
    { plan, start }: Changing<Wanted>,
  ): Promise<ChangePlan | StartedReply> {
    const isDryRun = flagIn(queryOf(raw.url ?? '', PARAMETERS), 'dryRun');
    const body = await bodies.read(raw, reply.raw);
    bodies.release(body);
    const wanted = wantedIn(body);
    if (isDryRun) return inFlight.run(() => plan(wanted));
    return started(reply, await inFlight.run(() => start(wanted)));
  }

  for (const change of ['leave', 'remove', 'replace'] as const) {
    fastify.post<{ Params: MemberPath }>(
      `/cluster/members/:name/${change}`,
      { schema: memberSchema(change) },
      (request, reply) =>
        answer(request, reply, nothingIn, {
          plan: () => operator.planMember(change, request.params.name),
          start: () => operator.changeMember(change, request.params.name),
        }),
    );
  }

  fastify.post('/cluster/forced-removal', { schema: REMOVAL_SCHEMA }, (request, reply) =>
    answer(request, reply, membersIn, {
      plan: (members) => operator.planForcedRemoval(members),
      start: (members) => operator.forceRemoval(members),
    }),
  );

  fastify.put('/cluster/replication-factor', { schema: FACTOR_SCHEMA }, (request, reply) =>
    answer(request, reply, replicationFactorIn, {
      plan: (factor) => operator.planReplicationFactor(factor),
      start: (factor) => operator.changeReplicationFactor(factor),
    }),
  );
}

/** The two things that can be done about what is wanted. */
interface Changing<Wanted> {
  readonly plan: (wanted: Wanted) => Promise<ChangePlan>;
  readonly start: (wanted: Wanted) => Promise<Started>;
}

function started(reply: FastifyReply, { task, epoch }: Started): StartedReply {
  if (task === undefined) return { epoch };
  reply.code(202);
  return { task, epoch };
}

/** @throws ClientError */
function nothingIn(body: Buffer): void {
  if (body.length === 0) return;
  throw new ClientError('invalid_body', 'this request takes no body; leave it out');
}

/** @throws ClientError */
function replicationFactorIn(body: Buffer): number {
  const replicationFactor = valueIn(body, 'replicationFactor', EXPECTED_FACTOR);
  if (typeof replicationFactor === 'number') return replicationFactor;
  throw invalid('the body names no replicationFactor', EXPECTED_FACTOR);
}

/** @throws ClientError */
function membersIn(body: Buffer): readonly string[] {
  const members = valueIn(body, 'members', EXPECTED_MEMBERS);
  const isList = Array.isArray(members) && members.every((each) => typeof each === 'string');
  if (isList && members.length > 0 && members.length <= MOST_MEMBERS) return members;
  throw invalid('the body names no members', EXPECTED_MEMBERS);
}

/** What the only field of an object is. @throws ClientError */
function valueIn(body: Buffer, name: string, expected: string): unknown {
  const value = parsedOrNothing(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('the body is no JSON object', expected);
  const { [name]: wanted, ...others } = { ...value } as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw invalid(`${quoted(unknown)} is not known here`, expected);
  return wanted;
}

function invalid(what: string, expected: string): ClientError {
  return new ClientError('invalid_body', `${what}; ${expected}`);
}

function parsedOrNothing(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

const tags = ['cluster'];

const CHANGE_PROBLEMS = problemReplies([
  ...['invalid_parameter', 'invalid_body', 'conflict', 'value_too_large', 'overloaded'],
  ...['not_ready', 'quorum_unavailable', 'storage_full', 'internal'],
]);

const CHANGE_REPLIES = {
  200: {
    description: 'With `dryRun`: what would move. Otherwise: it is in force, and nothing moves.',
    content: { 'application/json': { schema: { anyOf: [PlanReply, StartedReply] } } },
  },
  202: { description: 'It is decided, and the task carries it out.', ...StartedReply },
  ...CHANGE_PROBLEMS,
};

const SUMMARIES: Readonly<Record<MemberChange, string>> = {
  leave: 'Send a living member away: it hands its data over first',
  remove: 'Give up a dead member, without waiting for the grace period',
  replace: 'Give the partitions of a dead member to others now; it may return as a new member',
};

function memberSchema(change: MemberChange): object {
  return {
    tags,
    operationId: `${change}Member`,
    summary: SUMMARIES[change],
    params: MemberPath,
    querystring: ChangeQuery,
    headers: AnyHeaders,
    response: CHANGE_REPLIES,
  };
}

const REMOVAL_SCHEMA = {
  tags,
  operationId: 'forceRemoval',
  summary: 'Give up dead members for good, though too few members or copies are left without them',
  querystring: ChangeQuery,
  headers: AnyHeaders,
  response: CHANGE_REPLIES,
};

const FACTOR_SCHEMA = {
  tags,
  operationId: 'changeReplicationFactor',
  summary: 'Change the number of copies of each key while the cluster runs',
  querystring: ChangeQuery,
  headers: AnyHeaders,
  response: CHANGE_REPLIES,
};
