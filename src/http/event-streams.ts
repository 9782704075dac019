/**
 * Server-sent events (the HTML standard, 9.2): answers that never end by themselves. They are ours to
 * end when the node stops, and a client that does not take what it asked for is cut off.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ClientError } from '../errors.ts';
import type { Cancellable, Clock } from '../runtime/clock.ts';
import type { ClusterEvents, ToldEvent } from '../telemetry/cluster-events.ts';
import type { Connections } from './connections.ts';

/** Clients at once; with the next bound it limits what is held for all of them. */
const MAX_STREAMS = 64;
/** Bytes that a client may be behind. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** A quiet stream shows that it lives; one whose client has taken nothing since the last time ends. */
const HEARTBEAT_EVERY_MS = 15_000;
/** How long a client should wait before it connects again. */
const RETRY_AFTER_MS = 2_000;

export class EventStreams {
  readonly #events: ClusterEvents;
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #open = new Set<ServerResponse>();

  constructor(options: {
    readonly events: ClusterEvents;
    readonly connections: Connections;
    readonly clock: Clock;
  }) {
    this.#events = options.events;
    this.#connections = options.connections;
    this.#clock = options.clock;
  }

  /** Sends what happens from now on, or from behind `lastId` on. @throws ClientError */
  start({ raw }: FastifyRequest, reply: FastifyReply, lastId: string | undefined): void {
    this.#refuseIfFull();
    const response = reply.raw;
    this.#connections.end(raw.socket); // nothing can follow on it
    reply.header('content-type', 'text/event-stream');
    reply.header('cache-control', 'no-store');
    reply.header('connection', 'close');
    const headers = Object.entries(reply.getHeaders());
    reply.hijack();
    if (raw.socket.destroyed) return;
    for (const [name, value] of headers) if (value !== undefined) response.setHeader(name, value);
    this.#open.add(response);
    response.write(`retry: ${RETRY_AFTER_MS}\n\n`);

    const listening = this.#events.listen(lastId, (told) => this.#send(response, textOf(told)));
    if (listening.missed) this.#send(response, MISSED);
    for (const told of listening.past) this.#send(response, textOf(told));

    let timer: Cancellable | undefined;
    const beat = (): void => {
      timer = this.#clock.schedule(HEARTBEAT_EVERY_MS, () => {
        if (response.writableLength > 0) response.destroy();
        else this.#send(response, ': heartbeat\n\n');
        beat();
      });
    };
    beat();
    // The server leaves half-closed connections open, for clients that still wait for an answer. Here
    // the client is gone, and would keep its place until a heartbeat meets nobody.
    const onEnd = (): void => {
      response.end();
    };
    raw.socket.once('end', onEnd);
    response.once('close', () => {
      raw.socket.off('end', onEnd);
      this.#open.delete(response);
      listening.stop();
      timer?.cancel();
    });
  }

  /** The node stops. */
  endAll(): void {
    for (const response of this.#open) response.end();
  }

  #refuseIfFull(): void {
    if (this.#connections.draining) {
      throw new ClientError('shutting_down', 'this node is shutting down; ask another one');
    }
    if (this.#open.size < MAX_STREAMS) return;
    throw new ClientError(
      'overloaded',
      `this node sends its events to ${MAX_STREAMS} clients already; end one of them, or ask another node`,
    );
  }

  #send(response: ServerResponse, text: string): void {
    if (response.writableEnded) return;
    response.write(text);
    if (response.writableLength > MAX_UNSENT_BYTES) response.destroy();
  }
}

/** Told in place of what is not kept any more, or was never this node's. It has no id to resume behind. */
const MISSED = 'event: missed\ndata: {"type":"missed"}\n\n';

function textOf({ id, timeMs, event }: ToldEvent): string {
  const fields = JSON.stringify({ id, timeMs, ...event });
  return `id: ${id}\nevent: ${event.type}\ndata: ${fields}\n\n`;
}
