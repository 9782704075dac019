/**
 * One connection between two nodes, as frames: first those of the handshake, `[length][message]`, then
 * `[length][tag, 16 bytes][messages]`. Messages sent in one turn of the event loop travel in one
 * frame, so that its tag and its write are paid for once. Wraps the socket and `setImmediate`.
 */
import type { Duplex } from 'node:stream';
import type { Cancellable, Clock } from '../runtime/clock.ts';
import { type FrameTags, sameBytes, TAG_BYTES } from './authentication.ts';
import { decodeMessages } from './codec.ts';
import { FrameReader, LENGTH_BYTES } from './frame-reader.ts';
import { FrameRefusedError } from './frame-refused-error.ts';
import {
  type Agreement,
  type Conversation,
  encodeRefusal,
  HandshakeRefusedError,
  type PeerCard,
} from './handshake.ts';
import type { HandshakeRefusal } from './handshake-refusal.ts';
import type { PeerLimits } from './limits.ts';

/** A frame takes no more messages beyond these; a single one may be larger. */
const FRAME_BYTES = 256 * 1024;
const FRAME_MESSAGES = 512;
const KEEP_ALIVE_MS = 10_000;
/** How long the other side has to take in a refusal before the socket is destroyed. */
const LINGER_MS = 1_000;

/** Why a connection is over. */
export type StreamEnd =
  | { readonly why: 'closed'; readonly reason: string }
  | { readonly why: 'handshake_refused'; readonly error: HandshakeRefusedError }
  | { readonly why: 'frame_refused'; readonly reason: string }
  /** A bug of ours: thrown while a frame was taken in. */
  | { readonly why: 'broken'; readonly error: unknown };

export interface PeerStreamOptions {
  readonly socket: Duplex;
  readonly conversation: Conversation;
  readonly clock: Clock;
  readonly limits: PeerLimits;
  /**
   * Asked of a peer that has proved who it is: why it is not to be talked to, should that show when it is
   * looked for. `undefined`: there is nothing to look for. The peer waits meanwhile. What was looked for
   * in vain is asked again, until there is nothing left.
   */
  readonly doubt: (peer: PeerCard) => Promise<HandshakeRefusal | undefined> | undefined;
  /** The handshake is done; messages can be sent. */
  readonly onAgreed: (peer: PeerCard) => void;
  /** The messages of one frame, authentic and decoded. @throws FrameRefusedError */
  readonly onMessages: (messages: readonly (readonly unknown[])[]) => void;
  /** The socket takes more. */
  readonly onDrain: () => void;
  /** So many bytes came in, or were handed to the socket. */
  readonly onBytes?: (bytes: number) => void;
  /** Once, whatever ended it. */
  readonly onEnd: (end: StreamEnd) => void;
}

export class PeerStream {
  readonly #options: PeerStreamOptions;
  readonly #socket: Duplex;
  readonly #reader: FrameReader;
  readonly #closed: Promise<void>;
  #deadline: Cancellable | undefined;
  #tags: { readonly sent: FrameTags; readonly received: FrameTags } | undefined;
  #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #flushing = false;
  #ended = false;
  #paused = false;

  constructor(options: PeerStreamOptions) {
    const { socket, clock, limits } = options;
    this.#options = options;
    this.#socket = socket;
    this.#reader = new FrameReader(1, limits.maxHandshakeBytes);
    this.#closed = socket.closed
      ? Promise.resolve()
      : new Promise((resolve) => socket.once('close', resolve));
    tune(socket);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#ended || options.onDrain());
    socket.on('error', (error) => this.#drop({ why: 'closed', reason: error.message }));
    socket.on('end', () => this.#drop({ why: 'closed', reason: 'the other side ended it' }));
    socket.on('close', () => {
      this.#drop({ why: 'closed', reason: 'the connection was lost' });
      this.#deadline?.cancel();
    });
    this.#deadline = clock.schedule(limits.handshakeTimeoutMs, () => this.refuse('too_slow'));
  }

  /** Begins the conversation; `head` is what arrived along with the upgrade. */
  start(head: Buffer): void {
    if (this.#socket.destroyed) this.#drop({ why: 'closed', reason: 'it was lost at once' });
    this.#guarded(() => {
      if (this.#ended) return;
      const first = this.#options.conversation.next();
      if (!first.done && first.value !== undefined) this.#write(first.value);
    });
    if (head.length > 0) this.#receive(head);
  }

  /** Resolves when the socket is closed. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Bytes sent that the operating system has not taken yet. */
  get backlogBytes(): number {
    return this.#socket.writableLength + this.#outgoingBytes;
  }

  /** Whether a message is small enough for a frame. */
  takes(message: Uint8Array): boolean {
    return TAG_BYTES + message.length <= this.#options.limits.maxFrameBytes;
  }

  /** Sends a message with the frame of this turn of the event loop. */
  send(message: Uint8Array): void {
    if (this.#ended) return;
    const full =
      this.#outgoing.length === FRAME_MESSAGES ||
      this.#outgoingBytes + message.length > FRAME_BYTES;
    if (full) this.#flush();
    this.#outgoing.push(message);
    this.#outgoingBytes += message.length;
    if (!this.#flushing) {
      this.#flushing = true;
      // biome-ignore lint/style/noRestrictedGlobals: the end of the turn of the real event loop, whose socket this is
      setImmediate(() => {
        this.#flushing = false;
        this.#flush();
        if (!this.#ended && !this.#socket.writableNeedDrain) this.#options.onDrain();
      });
    }
  }

  /** Takes no more frames until `resume`. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused || this.#ended) return;
    this.#paused = false;
    this.#takeFrames();
    if (!this.#paused) this.#socket.resume();
  }

  /** Sends what is left of this turn and closes. Ending it twice is fine. */
  end(reason: string): void {
    this.#flush();
    this.#drop({ why: 'closed', reason });
  }

  /** Tells the other side why, then closes. During the handshake only. */
  refuse(refusal: HandshakeRefusal): void {
    this.#refuse(new HandshakeRefusedError(refusal));
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    this.#options.onBytes?.(chunk.length);
    this.#reader.push(chunk);
    this.#takeFrames();
  }

  #takeFrames(): void {
    this.#guarded(() => {
      while (!this.#ended && !this.#paused) {
        const frame = this.#reader.next();
        if (frame === undefined) return;
        if (this.#tags === undefined) this.#converse(frame);
        else this.#options.onMessages(decodeMessages(this.#authentic(frame, this.#tags.received)));
      }
    });
  }

  /** The messages of a frame that carries the right tag. */
  #authentic(frame: Buffer, tags: FrameTags): Buffer {
    const payload = frame.subarray(TAG_BYTES);
    if (sameBytes(frame.subarray(0, TAG_BYTES), tags.next(payload))) return payload;
    throw new FrameRefusedError('a frame with a wrong tag');
  }

  #converse(message: Buffer): void {
    const step = this.#options.conversation.next(message);
    if (!step.done) {
      if (step.value !== undefined) this.#write(step.value);
      return;
    }
    const agreement = step.value;
    const doubt = this.#options.doubt(agreement.peer);
    if (doubt === undefined) this.#agree(agreement);
    else void this.#agreeWithout(doubt, agreement);
  }

  async #agreeWithout(
    doubt: Promise<HandshakeRefusal | undefined>,
    agreement: Agreement,
  ): Promise<void> {
    this.pause();
    const refusal = await doubt;
    if (this.#ended) return;
    if (refusal === undefined) {
      // Of two that waited for the same, the other may have been let in by now.
      const further = this.#options.doubt(agreement.peer);
      if (further !== undefined) return this.#agreeWithout(further, agreement);
      this.#guarded(() => this.#agree(agreement));
      this.resume();
      return;
    }
    const error = new HandshakeRefusedError(refusal, 'this node', agreement.peer);
    // The responder has agreed by now, and takes nothing but frames with tags.
    if (agreement.lastWords === undefined) this.#drop({ why: 'handshake_refused', error });
    else this.#refuse(error);
  }

  #agree({ peer, sent, received, lastWords }: Agreement): void {
    if (lastWords !== undefined) this.#write(lastWords);
    this.#deadline?.cancel();
    this.#tags = { sent, received };
    this.#reader.expect(TAG_BYTES + 1, this.#options.limits.maxFrameBytes);
    this.#options.onAgreed(peer);
  }

  /** Whatever a peer sends ends at worst its own connection. */
  #guarded(take: () => void): void {
    try {
      take();
    } catch (error) {
      if (error instanceof HandshakeRefusedError) this.#refuse(error);
      else if (!(error instanceof FrameRefusedError)) this.#drop({ why: 'broken', error });
      else if (this.#tags === undefined) this.#refuse(malformed(error));
      else this.#drop({ why: 'frame_refused', reason: error.message });
    }
  }

  #drop(end: StreamEnd): void {
    this.#end(end);
    this.#socket.destroy();
  }

  #refuse(error: HandshakeRefusedError): void {
    if (this.#ended) return;
    if (error.refusedBy === 'this node') this.#write(encodeRefusal(error.refusal));
    this.#end({ why: 'handshake_refused', error });
    // Destroyed at once, it would take the refusal with it.
    this.#socket.end();
    if (this.#socket.destroyed) return;
    this.#deadline = this.#options.clock.schedule(LINGER_MS, () => this.#socket.destroy());
  }

  #end(end: StreamEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deadline?.cancel();
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#options.onEnd(end);
  }

  /** One frame of all that was sent since the last. */
  #flush(): void {
    if (this.#ended || this.#tags === undefined || this.#outgoing.length === 0) return;
    const messages = this.#outgoing;
    const length = TAG_BYTES + this.#outgoingBytes;
    this.#outgoing = [];
    this.#outgoingBytes = 0;

    const frame = Buffer.allocUnsafe(LENGTH_BYTES + length);
    frame.writeUInt32BE(length, 0);
    let at = LENGTH_BYTES + TAG_BYTES;
    for (const message of messages) {
      frame.set(message, at);
      at += message.length;
    }
    frame.set(this.#tags.sent.next(frame.subarray(LENGTH_BYTES + TAG_BYTES)), LENGTH_BYTES);
    this.#hand(frame);
  }

  /** A message of the handshake, in a frame of its own. */
  #write(message: Uint8Array): void {
    const frame = Buffer.alloc(LENGTH_BYTES + message.length);
    frame.writeUInt32BE(message.length, 0);
    frame.set(message, LENGTH_BYTES);
    this.#hand(frame);
  }

  #hand(frame: Buffer): void {
    this.#options.onBytes?.(frame.length);
    this.#socket.write(frame);
  }
}

function malformed(cause: FrameRefusedError): HandshakeRefusedError {
  const error = new HandshakeRefusedError('malformed');
  error.cause = cause;
  return error;
}

/** Frames leave at once, and a peer that vanished while nothing is said is noticed. */
function tune(socket: Duplex): void {
  const tcp = socket as Duplex & Partial<TcpSocket>;
  tcp.setTimeout?.(0);
  tcp.setNoDelay?.(true);
  tcp.setKeepAlive?.(true, KEEP_ALIVE_MS);
}

interface TcpSocket {
  setTimeout(timeoutMs: number): void;
  setNoDelay(on: boolean): void;
  setKeepAlive(on: boolean, initialDelayMs: number): void;
}
