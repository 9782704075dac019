import type { Duplex } from 'node:stream';
import type { Clock } from '../runtime/clock.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import { encodeReply, FAILED, type Outcome, type RequestMessage, requestOf } from './codec.ts';
import type { Conversation, PeerCard } from './handshake.ts';
import type { PeerLimits } from './limits.ts';
import type {
  Handlers,
  ReplyOf,
  Request,
  RequestContext,
  RequestType,
  Served,
} from './messages.ts';
import { PeerStream, type PeerStreamOptions, type StreamEnd } from './peer-stream.ts';

export interface IncomingOptions {
  readonly socket: Duplex;
  readonly conversation: Conversation;
  readonly clock: Clock;
  readonly limits: PeerLimits;
  readonly log: Log;
  readonly counters: Counters;
  /** Absent until this node serves. */
  readonly handlers: () => Handlers | undefined;
  readonly doubt: PeerStreamOptions['doubt'];
  readonly onAgreed: (connection: IncomingConnection, peer: PeerCard) => void;
  readonly onEnd: (connection: IncomingConnection, end: StreamEnd) => void;
}

/** A connection that a peer opened: its requests are served, in any order, as many at once as allowed. */
export class IncomingConnection {
  readonly #options: IncomingOptions;
  readonly #stream: PeerStream;
  #peer: PeerCard | undefined;
  #serving = 0;
  #closing = false;
  #drained: (() => void) | undefined;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#stream = new PeerStream({
      ...options,
      onAgreed: (peer) => {
        this.#peer = peer;
        options.onAgreed(this, peer);
      },
      onMessages: (messages) => this.#take(messages),
      onDrain: () => {
        if (!this.#closing) this.#stream.resume();
      },
      onEnd: (end) => options.onEnd(this, end),
    });
  }

  start(head: Buffer): void {
    this.#stream.start(head);
  }

  /** Who is on the other side, once it has proved that. */
  get peer(): PeerCard | undefined {
    return this.#peer;
  }

  get closed(): Promise<void> {
    return this.#stream.closed;
  }

  /** Reads no more requests; resolves when those being served are answered. */
  async drain(): Promise<void> {
    this.#closing = true;
    this.#stream.pause();
    if (this.#serving === 0) return;
    await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  /** Another connection needs the place of this one, which has proved nothing yet. */
  giveWay(): void {
    this.#stream.refuse('too_many');
  }

  end(reason: string): void {
    this.#stream.end(reason);
  }

  /** All requests of a frame are checked before the first is served. */
  #take(messages: readonly (readonly unknown[])[]): void {
    const requests = messages.map(requestOf);
    const arrivedMs = this.#options.clock.monotonicMs();
    for (const request of requests) this.#serve(request, arrivedMs);
  }

  #serve({ id, remainingMs, request }: RequestMessage, arrivedMs: number): void {
    const { clock, limits, counters, handlers } = this.#options;
    const table = handlers();
    const deadlineMs = arrivedMs + remainingMs;
    if (this.#peer === undefined || table === undefined) {
      this.#answer(id, request.type, { ok: false, refusal: { reason: 'not_ready' } });
    } else if (clock.monotonicMs() >= deadlineMs) {
      counters.add('peer_requests_expired_total');
      this.#answer(id, request.type, { ok: false, refusal: { reason: 'expired' } });
    } else if (this.#serving >= limits.maxRequestsServed) {
      counters.add('peer_requests_shed_total');
      this.#answer(id, request.type, { ok: false, refusal: { reason: 'overloaded' } });
    } else {
      this.#serving++;
      const context = { from: this.#peer.nodeId, deadlineMs };
      serve(table, request, context).then(
        (served) => this.#finish(id, request.type, served),
        (cause) => {
          const { log } = this.#options;
          log.error('a request could not be served', {
            type: request.type,
            from: context.from,
            err: cause,
          });
          this.#finish(id, request.type, FAILED);
        },
      );
    }
  }

  #finish(id: number, type: RequestType, outcome: Outcome): void {
    this.#serving--;
    this.#answer(id, type, outcome);
    if (this.#serving === 0) this.#drained?.();
  }

  #answer(id: number, type: RequestType, outcome: Outcome): void {
    const message = this.#encode(id, type, outcome);
    this.#stream.send(message);
    // A peer that asks and does not read its answers gets no more of them.
    if (this.#stream.backlogBytes > this.#options.limits.maxAnswerBytes) this.#stream.pause();
  }

  #encode(id: number, type: RequestType, outcome: Outcome): Uint8Array {
    const message = encodeReply(id, type, outcome as Outcome<ReplyOf<RequestType>>);
    if (this.#stream.takes(message)) return message;
    this.#options.log.error('an answer is too large to send', { type, bytes: message.length });
    return encodeReply(id, type, FAILED);
  }
}

/** Calls the handler of the request's type. A handler that throws instead of rejecting is no different. */
export async function serve(
  handlers: Handlers,
  request: Request,
  context: RequestContext,
): Promise<Served<unknown>> {
  // The table pairs each request with its handler; TypeScript cannot follow that through the union.
  const handler = handlers[request.type] as (
    request: Request,
    context: RequestContext,
  ) => Promise<Served<unknown>>;
  return handler(request, context);
}
