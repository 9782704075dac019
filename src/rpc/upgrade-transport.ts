/**
 * The transport over TCP: a peer's HTTP port is asked to upgrade (`GET /peer`, `Upgrade:
 * quorate-peer/1`); after the handshake both sides speak in frames (`peer-stream.ts`). One port serves
 * clients and nodes. Wraps the sockets of the HTTP server.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Address, ClusterId, Incarnation, NodeId } from '../ids.ts';
import { type Clock, sleep } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log } from '../telemetry/log.ts';
import { AddressBook } from './address-book.ts';
import { type SecretKey, secretKeyOf } from './authentication.ts';
import { weightOf } from './codec.ts';
import { DeadlineWheel } from './deadline-wheel.ts';
import { dial, UPGRADE_PATH, UPGRADE_PROTOCOL } from './dial.ts';
import { isAddress } from './field.ts';
import {
  CHALLENGE_BYTES,
  type HandshakeTerms,
  initiate,
  type PeerCard,
  respond,
} from './handshake.ts';
import type { HandshakeRefusal } from './handshake-refusal.ts';
import { IncomingConnection, serve } from './incoming-connection.ts';
import { KnownLives, objectionTo } from './known-lives.ts';
import { LifeComparison } from './life-comparison.ts';
import type { PeerLimits } from './limits.ts';
import type {
  AnsweredLife,
  Handlers,
  LifeLine,
  ReplyOf,
  Request,
  RequestOf,
  RequestType,
} from './messages.ts';
import { type CallResult, type LinkCall, OutgoingLink } from './outgoing-link.ts';
import { PeerReport } from './peer-report.ts';
import { type Clones, ProvenClones } from './proven-clones.ts';
import type { AddressAnswer, Answer, CallOptions, TrafficClass, Transport } from './transport.ts';

/** Transfers travel over a connection of their own: no request waits behind a page of records. */
type Lane = 'requests' | 'transfers';

const LANES: readonly Lane[] = ['requests', 'transfers'];

/**
 * How long a node may take to say that it is still there when another life of it shows up, milliseconds:
 * the connections of a machine that lost its power look as if it were.
 */
const KNOWN_LIFE_ANSWERS_MS = 1_000;
/** How long another member may take to ask one, milliseconds. */
const CONFIRMED_MS = 2_000;

export interface UpgradeTransportOptions {
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  /** Of this life of the process, 32 hex digits. */
  readonly nonce: string;
  /** Absent until the node belongs to a cluster. */
  readonly clusterId: () => ClusterId | undefined;
  /** Where other nodes reach this one. */
  readonly advertise: () => Address;
  /** The same on all nodes; absent: anyone who can connect is a peer (loopback only). */
  readonly secret: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  readonly limits: PeerLimits;
}

export class UpgradeTransport implements Transport {
  readonly #options: UpgradeTransportOptions;
  readonly #secret: SecretKey;
  readonly #report: PeerReport;
  readonly #lives = new KnownLives();
  readonly #clones = new ProvenClones();
  readonly #comparison: LifeComparison;
  readonly #book = new AddressBook();
  readonly #links: Readonly<Record<Lane, Map<Address, OutgoingLink>>> = {
    requests: new Map(),
    transfers: new Map(),
  };
  /** Those that have proved nothing yet, oldest first. */
  readonly #strangers = new Set<IncomingConnection>();
  readonly #incoming = new Set<IncomingConnection>();
  readonly #wheel: DeadlineWheel<LinkCall>;
  /** One for each socket that is open: resolves when it is closed. */
  readonly #sockets = new Set<Promise<void>>();
  #handlers: Handlers | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: UpgradeTransportOptions) {
    this.#options = options;
    this.#secret = secretKeyOf(options.secret);
    this.#report = new PeerReport(options);
    this.#wheel = new DeadlineWheel(options.clock, (call) => call.link.expire(call));
    this.#comparison = new LifeComparison({
      connectedTo: (node) => this.#connectedTo(node),
      answers: (life) => this.#saysItIsThere(life),
      confirmedBy: (member, life, own) => this.#confirmedBy(member, life, own),
      onProven: (clones) => this.#part(clones),
    });
  }

  call<Type extends RequestType>(
    to: NodeId,
    request: RequestOf<Type>,
    options: CallOptions,
  ): Promise<Answer<ReplyOf<Type>>> {
    if (to === this.#options.nodeId) return this.#callSelf(request, options);
    const address = this.#book.addressOf(to);
    if (address === undefined) {
      return Promise.resolve({ ok: false, from: to, failure: 'unreachable' });
    }
    return new Promise((resolve) => {
      this.#submit(address, to, request, options, (result) => {
        resolve(answerOf<ReplyOf<Type>>(to, result));
      });
    });
  }

  callAddress<Type extends RequestType>(
    address: Address,
    request: RequestOf<Type>,
    options: CallOptions,
  ): Promise<AddressAnswer<ReplyOf<Type>>> {
    return new Promise((resolve) => {
      this.#submit(address, undefined, request, options, (result) => {
        resolve(addressAnswerOf<ReplyOf<Type>>(result));
      });
    });
  }

  learnAddress(node: NodeId, address: Address): void {
    this.#book.list(node, address);
  }

  addressOf(node: NodeId): Address | undefined {
    return this.#book.addressOf(node);
  }

  hearAddress(node: NodeId, address: Address): void {
    this.#book.hear(node, address);
  }

  lifeOf(node: NodeId): string | undefined {
    return this.#connectedTo(node)?.nonce;
  }

  hearLife(member: NodeId, [node, life]: LifeLine): void {
    if (node === this.#options.nodeId) return;
    this.#clones.hear(node, life, this.#options.clock.monotonicMs());
    if (this.#clones.keptInsteadOf(life) === undefined) this.#comparison.hear(member, node, life);
  }

  async confirmLife({
    node,
    life,
    other,
  }: Omit<RequestOf<'membership.confirm'>, 'type'>): Promise<ReplyOf<'membership.confirm'>> {
    const own = await this.#comparison.confirm(life, cardOf(node, other));
    return { answered: own && answeredLife(own) };
  }

  serve(handlers: Handlers): void {
    this.#handlers = handlers;
  }

  /** For the HTTP server's `upgrade` event. Takes the socket over whatever is asked for. */
  acceptUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#objectionTo(request);
    if (refusal !== undefined) {
      socket.on('error', () => socket.destroy());
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
        socket.destroy(),
      );
      return;
    }
    const from = request.socket.remoteAddress ?? 'unknown';
    this.#makeRoomForStranger();
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n\r\n`,
    );
    const { clock, limits, log, counters } = this.#options;
    const connection = new IncomingConnection({
      socket,
      clock,
      limits,
      log,
      counters,
      conversation: respond(this.#terms()),
      doubt: (peer) => this.#doubt(peer),
      handlers: () => this.#handlers,
      onAgreed: (agreed, peer) => this.#welcome(agreed, peer),
      onEnd: (ended, end) => {
        this.#strangers.delete(ended);
        this.#incoming.delete(ended);
        this.#report.ended(ended.peer?.address ?? from, end);
      },
    });
    this.#strangers.add(connection);
    this.#track(connection.closed);
    connection.start(head);
  }

  /**
   * Takes no more requests, waits a moment for those being served, then ends every connection. What
   * was sent answers `lost`, what was not `unreachable`.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock, limits } = this.#options;
    for (const link of this.#allLinks) link.close();
    for (const stranger of this.#strangers) stranger.end('this node is closing');

    const abort = new AbortController();
    const drained = Promise.all([...this.#incoming].map((connection) => connection.drain()));
    await Promise.race([drained, sleep(clock, limits.closeTimeoutMs, abort.signal)]);
    abort.abort();
    for (const connection of this.#incoming) connection.end('this node is closing');

    for (const lane of LANES) this.#links[lane].clear();
    this.#wheel.close();
    await Promise.all(this.#sockets);
  }

  #submit(
    address: Address,
    to: NodeId | undefined,
    request: Request,
    { timeoutMs, traffic }: CallOptions,
    settle: (result: CallResult) => void,
  ): void {
    if (this.#closing !== undefined) {
      settle({ ok: false, failure: 'unreachable', reason: 'this node is closing' });
      return;
    }
    const lane = laneOf(traffic);
    const link = this.#links[lane].get(address) ?? this.#openLink(address, lane);
    if (link === undefined) {
      settle({ ok: false, failure: 'unreachable', reason: 'not an address of the form host:port' });
      return;
    }
    link.submit({
      request,
      traffic,
      bytes: weightOf(request),
      deadlineMs: this.#options.clock.monotonicMs() + timeoutMs,
      to,
      link,
      settle,
      id: undefined,
    });
  }

  get #allLinks(): readonly OutgoingLink[] {
    return LANES.flatMap((lane) => [...this.#links[lane].values()]);
  }

  #openLink(address: Address, lane: Lane): OutgoingLink | undefined {
    if (!isAddress(address)) return undefined;
    const { clock, random, limits, counters } = this.#options;
    const link = new OutgoingLink({
      address,
      clock,
      random,
      limits:
        lane === 'transfers' ? { ...limits, silentAfterMs: limits.transfersSilentAfterMs } : limits,
      wheel: this.#wheel,
      dial: (target, onDialled) => {
        const dialling = dial(target, limits, onDialled);
        this.#track(dialling.closed);
        return dialling;
      },
      converse: () => initiate(this.#terms()),
      doubt: (peer) => this.#doubt(peer, address),
      onAgreed: (agreed, peer) => this.#arrive(agreed, peer),
      onShed: () => counters.add('peer_requests_shed_total'),
      onSocket: (closed) => this.#track(closed),
      onUnreached: () => this.#book.fail(address),
      onBytes: (bytes) => {
        if (lane === 'transfers') counters.add('transfer_connections_bytes_total', bytes);
      },
      onEnd: (end) => this.#report.ended(address, end),
      onStranger: (stranger, meant, peer) => this.#correct(stranger, meant, peer),
      onIdle: (idle) => {
        if (this.#links[lane].get(address) === idle) this.#links[lane].delete(address);
      },
    });
    this.#links[lane].set(address, link);
    return link;
  }

  #linksTo(address: Address): readonly OutgoingLink[] {
    return LANES.map((lane) => this.#links[lane].get(address)).filter((link) => link !== undefined);
  }

  #terms(): HandshakeTerms {
    const { nodeId, incarnation, nonce, clusterId, advertise, random } = this.#options;
    return {
      own: { nodeId, incarnation, nonce, address: advertise(), clusterId: clusterId() },
      secret: this.#secret,
      challenge: random.bytes(CHALLENGE_BYTES),
    };
  }

  /**
   * Another life of a node than the known one. A copy of the data directory of a running node begins
   * just so, and the running one must not be locked out by it: that one is asked whether it is still
   * there. `at`: where the other one was found, if this node opened the connection.
   */
  #doubt(peer: PeerCard, at?: Address): Promise<HandshakeRefusal | undefined> | undefined {
    const known = this.#lives.besides(peer);
    const kept = this.#clones.keptInsteadOf(peer.nonce);
    if (kept !== undefined) return this.#doubtClone(peer, known ?? kept);
    if (known === undefined || !this.#mayBeThere(known, peer, at)) return undefined;
    return this.#answers(known).then((isThere) => {
      if (isThere) return objectionTo(peer, known);
      this.#lives.end(known);
      return undefined;
    });
  }

  /** It stays out while another process of its node is anywhere: this node may be cut off from that one. */
  async #doubtClone(peer: PeerCard, kept: PeerCard): Promise<HandshakeRefusal | undefined> {
    if (await this.#answers(kept)) return 'clone';
    if (this.#clones.isKeptElsewhere(peer.nonce, this.#options.clock.monotonicMs())) return 'clone';
    this.#clones.forget(peer.nonce);
    this.#lives.end(kept);
    return undefined;
  }

  /**
   * Where a process has ended its connections have, too. A life that follows upon it waits for nothing
   * then, while one that does not asks where the known one was: the network may have cut it off for a
   * moment. Unless the other one answers there itself.
   */
  #mayBeThere(known: PeerCard, peer: PeerCard, at: Address | undefined): boolean {
    if (this.#isConnected(known)) return true;
    return known.incarnation >= peer.incarnation && at !== known.address;
  }

  #isConnected({ nonce }: PeerCard): boolean {
    return [...this.#allLinks, ...this.#incoming].some(({ peer }) => peer?.nonce === nonce);
  }

  /** The life of a node that was let in last, while there is a connection to it. */
  #connectedTo(node: NodeId): PeerCard | undefined {
    const known = this.#lives.of(node);
    if (known === undefined) return undefined;
    const address = this.#book.addressOf(node) ?? known.address;
    // As a rule it is there, and those to all others need not be looked through.
    const isThere = this.#linksTo(address).some(({ peer }) => peer?.nonce === known.nonce);
    return isThere || this.#isConnected(known) ? known : undefined;
  }

  /** Whether the process of this life answers, over its connection or where it said to be. */
  async #answers(life: PeerCard): Promise<boolean> {
    const result = await this.#ask(life);
    return result?.ok === true || result?.failure === 'refused';
  }

  /** The same, where a refusal will not do: this node itself refuses calls when too many wait. */
  async #saysItIsThere(life: PeerCard): Promise<boolean> {
    return (await this.#ask(life))?.ok === true;
  }

  /** `undefined`: it was not that life that was asked. */
  #ask(life: PeerCard): Promise<CallResult | undefined> {
    const { nonce, address } = life;
    const open = this.#allLinks.find(({ peer }) => peer?.nonce === nonce);
    const at = open?.address ?? address;
    // It may be there though the last way to it failed: that is asked now.
    if (this.#isConnected(life)) for (const link of this.#linksTo(at)) link.retry();
    const request = { type: 'membership.introduce' } as const;
    const options = { timeoutMs: KNOWN_LIFE_ANSWERS_MS, traffic: 'membership' } as const;
    return new Promise((resolve) => {
      this.#submit(at, undefined, request, options, (result) => {
        resolve(this.#links.requests.get(at)?.peer?.nonce === nonce ? result : undefined);
      });
    });
  }

  async #confirmedBy(member: NodeId, life: string, own: PeerCard): Promise<PeerCard | undefined> {
    const node = own.nodeId;
    const answer = await this.call(
      member,
      { type: 'membership.confirm', node, life, other: answeredLife(own) },
      { timeoutMs: CONFIRMED_MS, traffic: 'membership' },
    );
    return answer.ok && answer.reply.answered ? cardOf(node, answer.reply.answered) : undefined;
  }

  /** From two processes of one node: only one is talked to from now on. */
  #part(clones: Clones): void {
    const { stays, goes } = clones;
    if (this.#clones.add(clones, this.#options.clock.monotonicMs())) this.#report.clones(clones);
    if (this.#lives.of(goes.nodeId)?.nonce !== goes.nonce) return;
    this.#book.show(stays.nodeId, stays.address);
    this.#meet(stays, 'another process runs as the same node');
  }

  /** A connection of ours has reached somebody. */
  #arrive(link: OutgoingLink, peer: PeerCard): void {
    this.#meet(peer);
    if (!this.#isReached(peer.nodeId)) this.#book.show(peer.nodeId, link.address);
  }

  /** Somebody has reached us. */
  #welcome(connection: IncomingConnection, peer: PeerCard): void {
    this.#strangers.delete(connection);
    this.#incoming.add(connection);
    this.#meet(peer);
    const sought = this.#book.addressOf(peer.nodeId);
    const link = sought === undefined ? undefined : this.#links.requests.get(sought);
    if (sought === undefined || link?.isResting) this.#book.show(peer.nodeId, peer.address);
    else this.#book.suggest(peer.nodeId, peer.address);
    // It is there again: calls need not wait for the end of the pause.
    if (sought !== undefined) for (const each of this.#linksTo(sought)) each.retry();
  }

  /** A node that was started again has no use for connections of its life before. */
  #meet(peer: PeerCard, reason = 'the node has been started again'): void {
    this.#lives.meet(peer);
    for (const link of this.#allLinks) {
      if (isOtherLife(link.peer, peer)) link.drop(reason);
    }
    for (const connection of this.#incoming) {
      if (isOtherLife(connection.peer, peer)) connection.end(reason);
    }
  }

  /** Whether there is a connection to this node where the book has it. */
  #isReached(node: NodeId): boolean {
    const address = this.#book.addressOf(node);
    if (address === undefined) return false;
    return this.#linksTo(address).some(({ peer }) => peer?.nodeId === node);
  }

  #correct(link: OutgoingLink, meant: NodeId, peer: PeerCard): void {
    this.#book.strike(meant, link.address);
    this.#report.stranger(link.address, meant, peer.nodeId);
  }

  async #callSelf<Type extends RequestType>(
    request: RequestOf<Type>,
    { timeoutMs }: CallOptions,
  ): Promise<Answer<ReplyOf<Type>>> {
    const { nodeId: from, clock, log } = this.#options;
    if (this.#closing !== undefined) return { ok: false, from, failure: 'unreachable' };
    if (this.#handlers === undefined) {
      return { ok: false, from, failure: 'refused', refusal: { reason: 'not_ready' } };
    }
    const abort = new AbortController();
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    try {
      const served = await Promise.race([
        serve(this.#handlers, request, { from, deadlineMs }),
        sleep(clock, timeoutMs, abort.signal),
      ]);
      if (typeof served === 'boolean') return { ok: false, from, failure: 'timeout' };
      if (served.ok) return { ok: true, from, reply: served.reply as ReplyOf<Type> };
      return { ok: false, from, failure: 'refused', refusal: served.refusal };
    } catch (cause) {
      log.error('a request could not be served', { type: request.type, from, err: cause });
      return { ok: false, from, failure: 'failed' };
    } finally {
      abort.abort();
    }
  }

  /** Status and headers with which an upgrade is refused. */
  #objectionTo(request: IncomingMessage): string | undefined {
    if (this.#closing !== undefined) return '503 Service Unavailable';
    if (request.method !== 'GET' || request.url !== UPGRADE_PATH) return '400 Bad Request';
    if (request.headers.upgrade?.toLowerCase() !== UPGRADE_PROTOCOL) {
      return `426 Upgrade Required\r\nUpgrade: ${UPGRADE_PROTOCOL}`;
    }
    return undefined;
  }

  /** The oldest gives way: nodes are done in milliseconds, whoever holds a place says nothing. */
  #makeRoomForStranger(): void {
    const [oldest] = this.#strangers;
    if (this.#strangers.size >= this.#options.limits.maxHandshakes) oldest?.giveWay();
  }

  #track(closed: Promise<void>): void {
    const forget = (): void => void this.#sockets.delete(tracked);
    const tracked = closed.then(forget, forget);
    this.#sockets.add(tracked);
  }
}

function answeredLife({ nonce, incarnation, address }: PeerCard): AnsweredLife {
  return [nonce, incarnation, address];
}

function cardOf(nodeId: NodeId, [nonce, incarnation, address]: AnsweredLife): PeerCard {
  return { nodeId, incarnation, nonce, address, clusterId: undefined };
}

function isOtherLife(before: PeerCard | undefined, now: PeerCard): boolean {
  return before?.nodeId === now.nodeId && before.nonce !== now.nonce;
}

function laneOf(traffic: TrafficClass): Lane {
  return traffic === 'transfer' ? 'transfers' : 'requests';
}

function answerOf<Reply>(to: NodeId, result: CallResult): Answer<Reply> {
  if (result.ok) return { ok: true, from: to, reply: result.reply as Reply };
  if (result.failure === 'refused') {
    return { ok: false, from: to, failure: 'refused', refusal: result.refusal };
  }
  const { failure } = result;
  if (failure !== 'unreachable') return { ok: false, from: to, failure };
  return { ok: false, from: to, failure, ...(result.nobodyListens && { nobodyListens: true }) };
}

function addressAnswerOf<Reply>(result: CallResult): AddressAnswer<Reply> {
  if (result.ok) return { ok: true, from: result.from, reply: result.reply as Reply };
  const reason = result.failure === 'refused' ? result.refusal.reason : result.reason;
  return { ok: false, reason };
}
