/**
 * The way to one address: a connection opened when the first call wants it, opened again after it was
 * lost, and the calls that wait for it or for their answers. Calls travel only over connections that
 * their node opened itself, requests one way and answers the other; that costs a second socket
 * between two nodes, and spares the question which of two connections opened at once is kept.
 */
import type { Duplex } from 'node:stream';
import type { Address, NodeId } from '../ids.ts';
import type { Cancellable, Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import { encodeRequest, outcomeOf, replyIdOf } from './codec.ts';
import type { DeadlineWheel, Expiring } from './deadline-wheel.ts';
import { type Dialling, isConnectionRefused } from './dial.ts';
import { FrameRefusedError } from './frame-refused-error.ts';
import type { Conversation, PeerCard } from './handshake.ts';
import { explain } from './handshake-refusal.ts';
import type { PeerLimits } from './limits.ts';
import type { Refusal, Request } from './messages.ts';
import { Outbox, SHARE } from './outbox.ts';
import { PeerStream, type PeerStreamOptions, type StreamEnd } from './peer-stream.ts';
import type { TrafficClass } from './transport.ts';

/** What became of a call. */
export type CallResult =
  | { readonly ok: true; readonly from: NodeId; readonly reply: unknown }
  | { readonly ok: false; readonly failure: 'refused'; readonly refusal: Refusal }
  | {
      readonly ok: false;
      readonly failure: 'unreachable';
      readonly reason: string;
      /** The address itself refused the connection. */
      readonly nobodyListens?: true;
    }
  | {
      readonly ok: false;
      readonly failure: 'timeout' | 'lost' | 'failed';
      readonly reason: string;
    };

type Unreachable = Extract<CallResult, { readonly failure: 'unreachable' }>;

/** One call: made by the transport, moved along by its link, settled once. */
export interface LinkCall extends Expiring {
  readonly request: Request;
  readonly traffic: TrafficClass;
  /** About its size on the wire. */
  readonly bytes: number;
  /** Who is meant; absent: whoever answers at the address. */
  readonly to: NodeId | undefined;
  readonly link: OutgoingLink;
  readonly settle: (result: CallResult) => void;
  /** Among the requests of its connection; absent until it was sent. */
  id: number | undefined;
}

export interface LinkOptions {
  readonly address: Address;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: PeerLimits;
  readonly wheel: DeadlineWheel<LinkCall>;
  /** Opens a connection; `onDialled` is called once, later, with the socket or with what went wrong. */
  readonly dial: (address: Address, onDialled: (dialled: Duplex | Error) => void) => Dialling;
  readonly converse: () => Conversation;
  readonly doubt: PeerStreamOptions['doubt'];
  readonly onAgreed: (link: OutgoingLink, peer: PeerCard) => void;
  readonly onShed: () => void;
  /** A socket was opened; `closed` resolves when it is closed. */
  readonly onSocket: (closed: Promise<void>) => void;
  /** An attempt at a connection failed. */
  readonly onUnreached: () => void;
  readonly onBytes: NonNullable<PeerStreamOptions['onBytes']>;
  /** The connection, or the attempt at one, is over. */
  readonly onEnd: (end: StreamEnd) => void;
  /** Another node than `meant` lives here. */
  readonly onStranger: (link: OutgoingLink, meant: NodeId, peer: PeerCard) => void;
  /** Nothing has wanted this link for a while, and nothing is lost with it. */
  readonly onIdle: (link: OutgoingLink) => void;
}

type State =
  /** No connection and none under way; the next call opens one. */
  | { readonly is: 'idle' }
  | { readonly is: 'dialling'; readonly dialling: Dialling }
  | { readonly is: 'shaking_hands'; readonly stream: PeerStream }
  | { readonly is: 'open'; readonly stream: PeerStream; readonly peer: PeerCard }
  /** The last attempt failed; the next one starts when the timer runs, if calls want it. */
  | { readonly is: 'resting'; readonly timer: Cancellable }
  | { readonly is: 'closed' };

export class OutgoingLink {
  readonly #options: LinkOptions;
  readonly #waiting = new Outbox<LinkCall>();
  readonly #sent = new Map<number, LinkCall>();
  #state: State = { is: 'idle' };
  /** Attempts that failed since the last answer. */
  #failures = 0;
  #lastFailure = '';
  /** The last attempt was refused by the address itself. */
  #nobodyListens = false;
  /** A call came while there was no connection. */
  #wanted = false;
  /** Ids go on from one connection to the next, so that none means two calls. */
  #lastId = 0;
  /** Something came back over the present connection. */
  #answered = false;
  /** Since when answers are owed and nothing came. */
  #silentSinceMs: number | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get address(): Address {
    return this.#options.address;
  }

  /** Who answered here, while the connection lasts. */
  get peer(): PeerCard | undefined {
    return this.#state.is === 'open' ? this.#state.peer : undefined;
  }

  /** The last attempt failed, and the next one waits. */
  get isResting(): boolean {
    return this.#state.is === 'resting';
  }

  /** Who lives here has shown that it is there: tries again at once, if it rests, and calls wait for that. */
  retry(): void {
    this.#failures = 0;
    this.#nobodyListens = false;
    if (this.#state.is !== 'resting') return;
    this.#state.timer.cancel();
    this.#dial();
  }

  /** Sends the call, now or when there is a connection, or settles it at once. */
  submit(call: LinkCall): void {
    if (this.#state.is === 'closed') {
      call.settle({ ok: false, failure: 'unreachable', reason: 'this node is closing' });
      return;
    }
    this.#wanted = true;
    if (this.#state.is !== 'open' && this.#failures > 0) {
      // Waiting for another attempt would cost the caller its whole timeout for a node that is gone.
      call.settle(this.#unreachable());
      return;
    }
    if (!this.#hasRoomFor(call)) {
      this.#options.onShed();
      call.settle({ ok: false, failure: 'refused', refusal: { reason: 'overloaded' } });
      return;
    }
    this.#options.wheel.add(call);
    if (this.#state.is === 'idle') this.#dial();
    if (
      this.#state.is !== 'open' ||
      this.#waiting.size > 0 ||
      this.#isCongested(this.#state.stream)
    ) {
      this.#waiting.add(call);
    } else this.#send(call, this.#state.stream, this.#state.peer);
  }

  /** The call's time is up. */
  expire(call: LinkCall): void {
    if (call.id === undefined) {
      this.#waiting.delete(call);
      call.settle({
        ok: false,
        failure: 'unreachable',
        reason: 'no connection in time, or no room on it',
      });
      return;
    }
    this.#sent.delete(call.id);
    call.settle({ ok: false, failure: 'timeout', reason: 'no answer in time' });
    this.#giveUpIfSilent();
  }

  /** Ends the connection; the next call opens another. */
  drop(reason: string): void {
    if (this.#state.is === 'open') this.#state.stream.end(reason);
  }

  /** For good. */
  close(): void {
    const state = this.#state;
    this.#state = { is: 'closed' };
    this.#settleAll({ ok: false, failure: 'unreachable', reason: 'this node is closing' });
    if (state.is === 'dialling') state.dialling.cancel();
    if (state.is === 'resting') state.timer.cancel();
    if (state.is === 'shaking_hands' || state.is === 'open') {
      state.stream.end('this node is closing');
    }
  }

  #hasRoomFor({ traffic, bytes }: LinkCall): boolean {
    const { maxPendingCalls, maxWaitingBytes } = this.#options.limits;
    if (this.#waiting.size + this.#sent.size >= maxPendingCalls * SHARE[traffic]) return false;
    const backlog = this.#state.is === 'open' ? this.#state.stream.backlogBytes : 0;
    const waiting = this.#waiting.bytes + backlog;
    return waiting === 0 || waiting + bytes <= maxWaitingBytes * SHARE[traffic];
  }

  #isCongested(stream: PeerStream): boolean {
    return stream.backlogBytes > this.#options.limits.maxSocketBytes;
  }

  #dial(): void {
    const { address, dial } = this.#options;
    this.#wanted = false;
    const dialling = dial(address, (dialled) => {
      if (this.#state.is === 'closed') {
        if (!(dialled instanceof Error)) dialled.destroy();
        return;
      }
      this.#nobodyListens = isConnectionRefused(dialled);
      if (dialled instanceof Error) this.#fail({ why: 'closed', reason: dialled.message });
      else this.#shakeHands(dialled);
    });
    this.#state = { is: 'dialling', dialling };
  }

  #shakeHands(socket: Duplex): void {
    const { clock, limits, converse, doubt, onSocket, onBytes } = this.#options;
    const stream = new PeerStream({
      socket,
      clock,
      limits,
      conversation: converse(),
      doubt,
      onAgreed: (peer) => this.#open(stream, peer),
      onMessages: (messages) => this.#takeAnswers(messages),
      onDrain: () => this.#sendWaiting(),
      onBytes,
      onEnd: (end) => this.#fail(end),
    });
    onSocket(stream.closed);
    this.#state = { is: 'shaking_hands', stream };
    stream.start(Buffer.of());
  }

  #open(stream: PeerStream, peer: PeerCard): void {
    this.#state = { is: 'open', stream, peer };
    this.#answered = false;
    this.#options.onAgreed(this, peer);
    this.#sendWaiting();
  }

  /** In order of class, as long as the socket takes it. `onDrain` goes on. */
  #sendWaiting(): void {
    if (this.#state.is !== 'open') return;
    const { stream, peer } = this.#state;
    for (const call of this.#waiting) {
      if (this.#isCongested(stream)) return;
      this.#waiting.delete(call);
      this.#send(call, stream, peer);
    }
  }

  #send(call: LinkCall, stream: PeerStream, peer: PeerCard): void {
    const { clock, wheel, onStranger } = this.#options;
    if (call.to !== undefined && call.to !== peer.nodeId) {
      wheel.delete(call);
      call.settle({ ok: false, failure: 'unreachable', reason: 'another node answers there' });
      onStranger(this, call.to, peer);
      return;
    }
    const nowMs = clock.monotonicMs();
    const id = this.#lastId + 1;
    const message = encodeRequest(id, call.deadlineMs - nowMs, call.request);
    if (!stream.takes(message)) {
      wheel.delete(call);
      const reason = `a request of ${message.length} bytes is too large to send`;
      call.settle({ ok: false, failure: 'unreachable', reason });
      return;
    }
    this.#lastId = id;
    call.id = id;
    this.#sent.set(id, call);
    this.#silentSinceMs ??= nowMs;
    stream.send(message);
  }

  /** All answers of a frame are checked before the first is believed. */
  #takeAnswers(messages: readonly (readonly unknown[])[]): void {
    if (this.#state.is !== 'open') return;
    const { peer } = this.#state;
    const answers = messages.map((message) => {
      const id = replyIdOf(message);
      if (id > this.#lastId) throw new FrameRefusedError('an answer to what was not asked');
      const call = this.#sent.get(id);
      // Absent: its time was up before.
      return call && { id, call, outcome: outcomeOf(message, call.request.type) };
    });

    this.#failures = 0;
    this.#answered = true;
    for (const answer of answers) {
      if (answer === undefined || !this.#sent.delete(answer.id)) continue;
      const { call, outcome } = answer;
      this.#options.wheel.delete(call);
      if (outcome.ok) call.settle({ ok: true, from: peer.nodeId, reply: outcome.reply });
      else if ('refusal' in outcome) {
        call.settle({ ok: false, failure: 'refused', refusal: outcome.refusal });
      } else call.settle({ ok: false, failure: 'failed', reason: 'it broke on the request' });
    }
    this.#silentSinceMs = this.#sent.size > 0 ? this.#options.clock.monotonicMs() : undefined;
  }

  /**
   * A machine that vanished leaves a connection that looks alive for many minutes, while a new one
   * would be refused, or accepted, at once.
   */
  #giveUpIfSilent(): void {
    const { clock, limits } = this.#options;
    if (this.#silentSinceMs === undefined) return;
    if (clock.monotonicMs() - this.#silentSinceMs >= limits.silentAfterMs) {
      this.drop(`no answer for ${limits.silentAfterMs} ms`);
    }
  }

  /** The connection, or the attempt at one, is over. */
  #fail(end: StreamEnd): void {
    if (this.#state.is === 'closed') return;
    const { clock, random, limits, onUnreached, onEnd } = this.#options;
    const wasOpen = this.#state.is === 'open';
    this.#lastFailure = sentenceOf(end);
    this.#silentSinceMs = undefined;
    if (wasOpen && (this.#answered || this.#sent.size === 0)) this.#state = { is: 'idle' };
    else {
      this.#failures++;
      const restMs = Math.min(limits.firstRestMs * 2 ** (this.#failures - 1), limits.lastRestMs);
      const timer = clock.schedule(restMs * (0.5 + random.fraction() / 2), () => this.#rested());
      this.#state = { is: 'resting', timer };
    }
    onEnd(end);
    if (!wasOpen) onUnreached();
    this.#settleAll(this.#unreachable());
    if (this.#state.is === 'idle') this.#options.onIdle(this);
  }

  #rested(): void {
    if (this.#wanted) this.#dial();
    else {
      this.#state = { is: 'idle' };
      this.#failures = 0;
      this.#options.onIdle(this);
    }
  }

  /** Nothing was sent, for want of a connection. */
  #unreachable(): Unreachable {
    const result = { ok: false, failure: 'unreachable', reason: this.#lastFailure } as const;
    return this.#nobodyListens ? { ...result, nobodyListens: true } : result;
  }

  /** What was sent is lost; what was not is `unreachable`. */
  #settleAll(unreachable: Unreachable): void {
    const sent = [...this.#sent.values()];
    const waiting = [...this.#waiting];
    this.#sent.clear();
    for (const call of waiting) this.#waiting.delete(call);
    for (const call of sent) {
      this.#options.wheel.delete(call);
      call.settle({ ok: false, failure: 'lost', reason: unreachable.reason });
    }
    for (const call of waiting) {
      this.#options.wheel.delete(call);
      call.settle(unreachable);
    }
  }
}

function sentenceOf(end: StreamEnd): string {
  switch (end.why) {
    case 'closed':
      return end.reason;
    case 'handshake_refused':
      return explain(end.error.refusal).reason;
    case 'frame_refused':
      return end.reason;
    case 'broken':
      return 'what it sent could not be taken in';
  }
}
