import type { NodeId } from '../ids.ts';
import type { Replies, RequestContext, RequestOf, Served } from '../rpc/messages.ts';
import type { Answer, TrafficClass, Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { ReplicaHandlers } from './replica-side.ts';

export type ReplicaRequestType = keyof ReplicaHandlers;

/**
 * Calls a replica wherever it is: another node through the transport, this one by a plain call, with
 * the same checks and the same kinds of answers.
 */
export class ReplicaCaller {
  readonly #self: NodeId;
  readonly #local: ReplicaHandlers;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: {
    readonly self: NodeId;
    readonly local: ReplicaHandlers;
    readonly transport: Transport;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#self = options.self;
    this.#local = options.local;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  call<Type extends ReplicaRequestType>(
    to: NodeId,
    request: RequestOf<Type>,
    timeoutMs: number,
    traffic: TrafficClass,
  ): Promise<Answer<Replies[Type]>> {
    if (to === this.#self) return this.#callSelf<Type>(request, timeoutMs);
    return this.#transport.call<Type>(to, request, { timeoutMs, traffic });
  }

  async #callSelf<Type extends ReplicaRequestType>(
    request: RequestOf<ReplicaRequestType>,
    timeoutMs: number,
  ): Promise<Answer<Replies[Type]>> {
    const from = this.#self;
    const context = { from, deadlineMs: this.#clock.monotonicMs() + timeoutMs };
    // The table pairs each request with its handler; TypeScript cannot follow that through `Type`.
    const handler = this.#local[request.type] as (
      request: RequestOf<ReplicaRequestType>,
      context: RequestContext,
    ) => Promise<Served<Replies[Type]>>;
    try {
      const served = await handler(request, context);
      if (served.ok) return { ok: true, from, reply: served.reply };
      return { ok: false, from, failure: 'refused', refusal: served.refusal };
    } catch (error) {
      this.#log.error('this node could not serve its own replica', {
        type: request.type,
        err: error,
      });
      return { ok: false, from, failure: 'failed' };
    }
  }
}
