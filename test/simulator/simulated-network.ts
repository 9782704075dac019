import type { Address, NodeId } from '../../src/ids.ts';
import type { NodeCard } from '../../src/node.ts';
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  FAILED,
  type Outcome,
} from '../../src/rpc/codec.ts';
import type {
  Handlers,
  ReplyOf,
  Request,
  RequestContext,
  RequestOf,
  RequestType,
} from '../../src/rpc/messages.ts';
import type { AddressAnswer, Answer, CallOptions, Transport } from '../../src/rpc/transport.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Trace } from './trace.ts';

export interface NetworkSettings {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /** Probability that a message, request or answer, is lost. */
  readonly loss: number;
  /** Probability that a message arrives twice. */
  readonly duplication: number;
}

/** A node as the network sees it. */
interface Endpoint {
  readonly name: string;
  readonly address: Address;
  readonly life: Life;
  readonly clock: Clock;
  readonly card: NodeCard;
  /** Where it finds other nodes. */
  readonly book: Map<NodeId, Address>;
  handlers: Handlers | undefined;
}

/** A request, how long its answer was still of use when it arrived, and whether it was done. */
export interface ServedExchange {
  readonly by: string;
  readonly request: Request;
  readonly remainingMs: number;
  readonly done: boolean;
}

type Result = Outcome | 'timeout' | 'lost' | 'unreachable' | 'nobody listens';

/**
 * What lies between the simulated nodes: delays, losses, and connections that break when a process
 * ends. Every answer reaches its caller by an event of the scheduler, never directly.
 */
export class SimulatedNetwork {
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #trace: Trace;
  readonly #endpoints = new Map<Address, Endpoint>();
  /** `a>b`: nothing that a sends reaches b. */
  readonly #cuts = new Set<string>();
  /** Exchanges under way, by the pair of nodes, for `reset`, and the life that waits for the answer. */
  readonly #open = new Map<string, Map<() => void, Life>>();
  #mostEverOpen = 0;
  /** How many times slower than usual messages from and to a node are. */
  readonly #slowness = new Map<string, number>();
  /** How likely messages to a node are lost, where that differs from the others. */
  readonly #deafness = new Map<string, number>();
  /** Messages that were lost, and that arrived twice. */
  readonly fired = new Map<'loss' | 'duplication', number>();
  settings: NetworkSettings;
  /** Names of nodes that are cut off from all others, whatever `mend` says. */
  island: ReadonlySet<string> = new Set();
  /** Names of nodes to which no other one can connect: requests to them are lost, their own are answered. */
  closed: ReadonlySet<string> = new Set();
  /** Probability that a message is held back until much later ones have passed it. */
  heldBack = 0;
  /** How much longer a request takes, milliseconds. */
  holdUp: (request: Request) => number = () => 0;
  /** Called with each request that a node served: here the judges look on. */
  onServed: (served: ServedExchange) => void = () => undefined;
  /** Called with each request that a node sends. */
  onSent: (from: string, request: Request) => void = () => undefined;

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly random: SeededRandom;
    readonly trace: Trace;
    readonly settings: NetworkSettings;
  }) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#trace = options.trace;
    this.settings = options.settings;
  }

  /** Nothing that `from` sends reaches `to`, until `mend`. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Exchanges under way between the two nodes that have most of them. Who has died waits for none. */
  get mostOpen(): number {
    const counts = [...this.#open.values()].map(
      (ofPair) => [...ofPair.values()].filter(({ ended }) => !ended).length,
    );
    return Math.max(0, ...counts);
  }

  /** The most that there ever were. */
  get mostEverOpen(): number {
    return this.#mostEverOpen;
  }

  /** Ends all cuts. */
  mend(): void {
    this.#cuts.clear();
  }

  /** Messages to `name` are lost with that probability, those from it are not. */
  deafen(name: string, loss: number): void {
    this.#deafness.set(name, loss);
  }

  /** Messages from and to `name` take that many times longer. */
  slow(name: string, times: number): void {
    this.#slowness.set(name, times);
  }

  /**
   * Breaks the connections between two nodes: what is under way is lost, new ones work. Whether
   * anything was.
   */
  reset(a: string, b: string): boolean {
    const underWay = [`${a}>${b}`, `${b}>${a}`].flatMap((pair) => [
      ...(this.#open.get(pair)?.keys() ?? []),
    ]);
    for (const lose of underWay) lose();
    return underWay.length > 0;
  }

  /** The transport of one life of a node. */
  connect(options: Omit<Endpoint, 'handlers' | 'book'>): Transport {
    const book = new Map<NodeId, Address>();
    const own: Endpoint = { ...options, book, handlers: undefined };
    this.#endpoints.set(own.address, own);
    return {
      call: (to, request, callOptions) => this.#call(own, book, to, request, callOptions),
      callAddress: (address, request, callOptions) =>
        this.#callAddress(own, book, address, request, callOptions),
      learnAddress: (node, address) => void book.set(node, address),
      addressOf: (node) => book.get(node),
      hearAddress: (node, address) => {
        if (!book.has(node)) book.set(node, address);
      },
      // No node runs twice here, and there are no handshakes that would tell its lives.
      lifeOf: () => undefined,
      hearLife: () => undefined,
      confirmLife: async () => ({ answered: undefined }),
      serve: (handlers) => {
        own.handlers = handlers;
      },
      close: async () => undefined,
    };
  }

  async #call<Type extends RequestType>(
    own: Endpoint,
    book: ReadonlyMap<NodeId, Address>,
    to: NodeId,
    request: RequestOf<Type>,
    options: CallOptions,
  ): Promise<Answer<ReplyOf<Type>>> {
    const isSelf = to === own.card.identity.nodeId;
    const address = isSelf ? own.address : book.get(to);
    const peer = address === undefined ? undefined : this.#endpoints.get(address);
    const known = peer?.card.identity.nodeId === to ? peer : undefined;
    const result = await this.#exchange(own, known, request, options);
    if (result === 'nobody listens') {
      return { ok: false, from: to, failure: 'unreachable', nobodyListens: true };
    }
    if (typeof result === 'string') return { ok: false, from: to, failure: result };
    if (result.ok) return { ok: true, from: to, reply: result.reply as ReplyOf<Type> };
    if ('failed' in result) return { ok: false, from: to, failure: 'failed' };
    return { ok: false, from: to, failure: 'refused', refusal: result.refusal };
  }

  async #callAddress<Type extends RequestType>(
    own: Endpoint,
    book: Map<NodeId, Address>,
    address: Address,
    request: RequestOf<Type>,
    options: CallOptions,
  ): Promise<AddressAnswer<ReplyOf<Type>>> {
    const peer = this.#endpoints.get(address);
    const result = await this.#exchange(own, peer, request, options);
    if (typeof result === 'string' || peer === undefined)
      return { ok: false, reason: String(result) };
    if (!result.ok)
      return { ok: false, reason: 'failed' in result ? 'failed' : result.refusal.reason };
    const from = peer.card.identity.nodeId;
    book.set(from, address);
    return { ok: true, from, reply: result.reply as ReplyOf<Type> };
  }

  #exchange(
    own: Endpoint,
    peer: Endpoint | undefined,
    request: RequestOf<RequestType>,
    options: CallOptions,
  ): Promise<Result> {
    this.onSent(own.name, request);
    return new Promise((resolve) => {
      let over = false;
      const end = (result: Result): void => {
        if (over) return;
        over = true;
        deadline.cancel();
        this.#open.get(pair)?.delete(lose);
        own.life.run(() => resolve(result));
      };
      const pair = `${own.name}>${peer?.name}`;
      const lose = (): void => {
        this.#deliver(`${own.name} lost ${peer?.name}`, 1, 0, () => end('lost'));
      };
      const deadline = this.#scheduler.after(options.timeoutMs, () => end('timeout'));
      if (peer === undefined || peer.life.ended) {
        // Where a process has ended its machine says so, unless one of both ways is cut.
        const isToldSo =
          peer !== undefined &&
          !this.#isCut(own.name, peer.name) &&
          !this.#isCut(peer.name, own.name);
        this.#deliver(`${own.name} finds nobody for ${request.type}`, 1, 0, () =>
          end(isToldSo ? 'nobody listens' : 'unreachable'),
        );
        return;
      }
      const ofPair = this.#open.get(pair) ?? new Map<() => void, Life>();
      this.#open.set(pair, ofPair.set(lose, own.life));
      this.#mostEverOpen = Math.max(this.#mostEverOpen, ofPair.size);
      // The same bytes as on a socket, so that nodes share no object and every message is checked.
      const message = encodeRequest(1, options.timeoutMs, request);
      const arrive = (): void => {
        if (peer.life.ended) lose();
        else if (peer !== own && this.closed.has(peer.name))
          this.#trace.line(this.#scheduler.nowMs, 'not let in');
        else peer.life.run(() => void answer());
      };
      this.#send(own.name, peer.name, request.type, arrive, this.holdUp(request));
      // Who does not serve yet remembers nothing of what it refused. On a connection a message does not
      // arrive twice, so a copy is refused as the first one was (seed 7197).
      let cameEarly = false;
      const answer = async (): Promise<void> => {
        const { handlers } = peer;
        cameEarly ||= handlers === undefined;
        const reply =
          cameEarly || handlers === undefined
            ? refuseEarly(message)
            : await serve(own, peer, handlers, message, (served) => this.onServed(served));
        if (peer.life.ended) return;
        this.#send(peer.name, own.name, `answer to ${request.type}`, () => {
          end(decodeReply(reply, () => request.type)?.outcome ?? FAILED);
        });
      };
    });
  }

  #send(from: string, to: string, message: string, arrive: () => void, holdUpMs = 0): void {
    const what = `${from} > ${to} ${message}`;
    if (this.#random.chance(Math.max(this.settings.loss, this.#deafness.get(to) ?? 0))) {
      this.#count('loss');
      this.#trace.line(this.#scheduler.nowMs, `${what}: lost`);
      return;
    }
    const times = this.#random.chance(this.settings.duplication) ? 2 : 1;
    if (times === 2) this.#count('duplication');
    for (let time = 0; time < times; time++) {
      const slowness = Math.max(this.#slowness.get(from) ?? 1, this.#slowness.get(to) ?? 1);
      const extraMs = this.#random.chance(this.heldBack) ? this.#random.fraction() * 500 : 0;
      this.#deliver(what, slowness, extraMs + holdUpMs, () => {
        if (this.#isCut(from, to)) this.#trace.line(this.#scheduler.nowMs, 'cut off');
        else arrive();
      });
    }
  }

  #isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`) || this.island.has(from) !== this.island.has(to);
  }

  #count(kind: 'loss' | 'duplication'): void {
    this.fired.set(kind, (this.fired.get(kind) ?? 0) + 1);
  }

  #deliver(what: string, slowness: number, extraMs: number, arrive: () => void): void {
    const { minDelayMs, maxDelayMs } = this.settings;
    const delayMs = minDelayMs + this.#random.fraction() * (maxDelayMs - minDelayMs);
    this.#scheduler.after(delayMs * slowness + extraMs, () => {
      this.#trace.line(this.#scheduler.nowMs, what);
      arrive();
    });
  }
}

function refuseEarly(message: Uint8Array): Uint8Array {
  const { id, request } = decodeRequest(message);
  return encodeReply(id, request.type, { ok: false, refusal: { reason: 'not_ready' } });
}

/** The receiver's half of an exchange; what it returns are the bytes of the answer. */
async function serve(
  own: Endpoint,
  peer: Endpoint,
  handlers: Handlers,
  message: Uint8Array,
  onServed: (served: ServedExchange) => void,
): Promise<Uint8Array> {
  const { id, remainingMs, request } = decodeRequest(message);
  // A handshake shows who calls, and from where.
  const from = own.card.identity.nodeId;
  if (!peer.book.has(from)) peer.book.set(from, own.address);
  const context: RequestContext = {
    from,
    deadlineMs: peer.clock.monotonicMs() + remainingMs,
  };
  // The table pairs each request with its handler; TypeScript cannot follow that through the union.
  const handler = handlers[request.type] as (
    request: Request,
    context: RequestContext,
  ) => Promise<Outcome<never>>;
  const outcome = await handler(request, context).catch(() => FAILED);
  onServed({ by: peer.name, request, remainingMs, done: outcome.ok });
  return encodeReply(id, request.type, outcome);
}
