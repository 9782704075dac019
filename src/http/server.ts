/**
 * The edge for clients: HTTP in, one call of `Operations`, `Operator` or `ClusterView`, HTTP out.
 *
 * Deviations from how fastify is commonly used, each for a reason:
 * - It never reads a body. Its parsers refuse unusual content types, and answer an over-long body in
 *   a way that most clients do not get to see. All methods are declared to have none; `Bodies` reads.
 * - Its schemas describe and do not judge: our parsers' errors name the value and the remedy.
 * - It does not listen or stop by itself: `Connections` knows when a connection may be closed.
 */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Config } from '../config.ts';
import type { Operations } from '../coordinator/operations.ts';
import { StartupError } from '../errors.ts';
import type { NodeId } from '../ids.ts';
import type { ClusterView } from '../membership/cluster-view.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { Operator } from '../stabilizer/operator.ts';
import type { ClusterEvents } from '../telemetry/cluster-events.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import { Bodies, MAX_HELD_BYTES } from './bodies.ts';
import { clusterRoutes } from './cluster-routes.ts';
import { Connections, type Socket } from './connections.ts';
import { Drains, hasBody, waitsForContinue } from './drains.ts';
import { EventStreams } from './event-streams.ts';
import { healthRoutes } from './health-routes.ts';
import { InFlight } from './in-flight.ts';
import { kvRoutes } from './kv-routes.ts';
import { MalformedRequests } from './malformed-requests.ts';
import { notBuiltRoutes } from './not-built.ts';
import { describeRoutes } from './openapi.ts';
import { operatorRoutes } from './operator-routes.ts';
import { Pipelines } from './pipelines.ts';
import { problemOf } from './problem.ts';
import { ReadingTurns } from './reading-turns.ts';
import { Refusals } from './refusals.ts';
import { RequestIds } from './request-id.ts';
import { RouteTable } from './route-table.ts';
import { flawOf } from './soundness.ts';
import { MAX_UNSENT_BYTES, UnsentAnswers } from './unsent-answers.ts';

export interface HttpServerOptions {
  readonly operations: Operations;
  readonly cluster: ClusterView;
  readonly operator: Operator;
  readonly events: ClusterEvents;
  readonly nodeName: string;
  readonly nodeId: NodeId;
  readonly config: Pick<
    Config,
    'consistency' | 'maxInFlight' | 'maxValueBytes' | 'requestTimeoutMs' | 'shutdownTimeoutMs'
  >;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
}

export interface HttpServer {
  /** For `upgrade`: an upgraded socket belongs to whoever listens for it, who has to end it. */
  readonly server: Server;
  readonly fastify: FastifyInstance;
  /** @throws StartupError */
  listen(host: string, port: number): Promise<{ readonly port: number }>;
  /** Serves what is in flight, then closes clients' connections; cuts them at the shutdown timeout. */
  drain(): Promise<void>;
  /** Drains, then closes the server. Upgraded sockets are left to their owner. */
  close(): Promise<void>;
}

/** Milliseconds a client may take for a whole request, and may keep a connection without one. */
const TIMES = { keepAliveTimeout: 30_000, requestTimeout: 30_000 };

const HTTP = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  // How often the timeouts are looked at.
  connectionsCheckingInterval: 1_000,
  // Without a `Host`, Node answers by itself and says neither who nor why; `flawOf` refuses it.
  requireHostHeader: false,
};

const METHODS_WITH_BODY = ['DELETE', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY'];

/** The other methods refuse what they do not read. */
const BODY_MEANS_NOTHING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE']);

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { nodeName, config, clock, random, log, counters, events } = options;
  const requestIds = new RequestIds(random);

  const app = fastify({
    ...TIMES,
    http: HTTP,
    logger: false,
    genReqId: (request) => requestIds.of(request),
    frameworkErrors: (_error, request, reply) => refusals.sendBadUrl(request, reply),
    clientErrorHandler: (error, socket) => malformed.answer(error, socket),
    // Parameters are read from the URL, by routes that have any.
    routerOptions: { querystringParser: () => ({}) },
  });
  const { server } = app;
  const connections = new Connections(server, clock);
  const drains = new Drains(connections, clock);
  const refusals = new Refusals({ nodeName, connections, drains, log });
  const pipelines = new Pipelines();
  const malformed = new MalformedRequests({ nodeName, requestIds, connections, clock });

  server.on('connect', (_request, socket) => malformed.refuseTunnel(socket as Socket));
  // Whoever reads the body asks for it; Node would ask for any, also for one that is refused.
  const serve = (request: IncomingMessage, response: ServerResponse): boolean =>
    server.emit('request', request, response);
  server.on('checkContinue', serve);
  server.on('checkExpectation', serve);

  for (const method of METHODS_WITH_BODY) {
    app.addHttpMethod(method, { hasBody: false, overrideExisting: true });
  }
  app.setValidatorCompiler(() => () => true);
  app.setErrorHandler((error, request, reply) => refusals.send(error, request, reply));
  app.addHook('onRequest', (request, reply, done) => {
    // Never answered and never served, if the connection was told that it ends.
    if (connections.isEnding(request.raw.socket)) reply.hijack();
    else pipelines.inOrder(request.raw, reply.raw, () => begin(request, reply, done));
  });

  function begin(request: FastifyRequest, reply: FastifyReply, done: (flaw?: Error) => void): void {
    const { raw } = request;
    if (connections.isBroken(raw.socket) && hasBody(raw) && !raw.complete) {
      reply.hijack(); // it waited for its turn, and turned out broken: `malformed` answers it
      return;
    }
    reply.header('quorate-node', nodeName);
    reply.header('quorate-request-id', request.id);
    if (connections.draining) reply.header('connection', 'close');
    const flaw = flawOf(raw);
    if (flaw !== undefined) {
      isLast(request, reply);
      done(flaw);
    } else if (BODY_MEANS_NOTHING.has(request.method) && hasBody(raw)) {
      connections.readOver(raw);
      if (waitsForContinue(raw)) {
        isLast(request, reply); // it may come or not, and then nobody knows what comes next
        done();
      } else raw.on('end', done); // nothing takes effect while the request may still turn out broken
    } else done();
  }

  function isLast({ raw }: FastifyRequest, reply: FastifyReply): void {
    reply.header('connection', 'close');
    connections.end(raw.socket);
  }

  const routes = new RouteTable(app);
  app.setNotFoundHandler((request, reply) => {
    const { error, headers } = routes.refusal(request);
    refusals.sendProblem(problemOf(error, request.method), request, reply, headers);
  });

  const inFlight = new InFlight(config.maxInFlight, counters);
  const bodies = new Bodies({
    maxValueBytes: config.maxValueBytes,
    maxHeldBytes: MAX_HELD_BYTES,
    turns: new ReadingTurns(clock),
  });
  const unsent = new UnsentAnswers(clock, MAX_UNSENT_BYTES);
  const streams = new EventStreams({ events, connections, clock });
  describeRoutes(app);
  // A plugin, so that the description is there to hear of its routes.
  app.register((scope, _options, done) => {
    kvRoutes(scope, { ...options, inFlight, bodies, unsent });
    clusterRoutes(scope, { ...options, inFlight, streams });
    operatorRoutes(scope, { ...options, inFlight, bodies });
    healthRoutes(scope, { ...options, connections, refusals });
    notBuiltRoutes(scope);
    done();
  });

  let drained: Promise<void> | undefined;
  let closed: Promise<void> | undefined;
  const drain = (): Promise<void> => {
    if (drained === undefined) {
      drained = connections.drain(config.shutdownTimeoutMs);
      streams.endAll();
    }
    return drained;
  };
  return {
    server,
    fastify: app,
    async listen(host, port) {
      await app.ready();
      server.listen({ host, port });
      try {
        await once(server, 'listening');
      } catch (cause) {
        throw cannotListen(host, port, cause as NodeJS.ErrnoException);
      }
      server.on('error', (err) => log.warn('a connection could not be accepted', { err }));
      const address = server.address();
      return { port: typeof address === 'object' && address !== null ? address.port : port };
    },
    drain,
    close() {
      closed ??= drain().then(() => app.close());
      return closed;
    },
  };
}

const REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something listens there already; end it, or set QUORATE_PORT to another port',
  EACCES: 'this user may not; set QUORATE_PORT to a port above 1023',
  EADDRNOTAVAIL: 'this machine has no such address; set QUORATE_HOST to one that it has',
  ENOTFOUND: 'there is no such host; set QUORATE_HOST to an address of this machine',
};

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): StartupError {
  const remedy = REMEDIES[cause.code ?? ''] ?? cause.message;
  return new StartupError(`cannot listen on ${host}, port ${port}: ${remedy}`, { cause });
}
