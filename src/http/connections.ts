/**
 * The open connections of clients: which of them have been told that they end, and how they all end
 * when the node stops.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Clock } from '../runtime/clock.ts';
import { responseUnderWay } from './pipelines.ts';

export type Socket = IncomingMessage['socket'];

/** More than this many at once are closed as they come. */
const MAX_CONNECTIONS = 10_000;

const MAX_READ_OVER_BYTES = 64 * 1024 * 1024;

/** How often those that have become idle are looked for while the node stops. */
const LOOK_EVERY_MS = 50;
/** A connection on which nothing ever arrived is given this long: a request may be on its way. */
const UNTOUCHED_MS = 250;

export class Connections {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #open = new Set<Socket>();
  readonly #ending = new WeakSet<Socket>();
  readonly #broken = new WeakSet<Socket>();
  readonly #readingOver = new WeakSet<Socket>();
  #draining = false;
  #wake: (() => void) | undefined;

  constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
    server.maxConnections = MAX_CONNECTIONS;
    server.maxHeadersCount = 0; // their size is bounded; over a count, Node would drop some silently
    // A client may say that it sends no more and still wait for its answers; without this undocumented
    // setting, Node closes the connection on a write that was sent and is being stored.
    Object.assign(server, { httpAllowHalfOpen: true });
    server.on('connection', (socket: Socket) => this.#add(socket));
    this.#leaveUpgradedOnesAlone();
    this.#spareThoseStillSending();
  }

  /** The node stops: every answer is to say that its connection ends. */
  get draining(): boolean {
    return this.#draining;
  }

  /** What else arrives on this connection is not to be looked at any more (RFC 9112, 9.6). */
  end(socket: Socket): void {
    this.#ending.add(socket);
  }

  isEnding(socket: Socket): boolean {
    return this.#ending.has(socket);
  }

  /** What arrives can no longer be read as requests: there will be no more, and no end of a body. */
  break(socket: Socket): void {
    this.#broken.add(socket);
  }

  isBroken(socket: Socket): boolean {
    return this.#broken.has(socket);
  }

  /** Reads over a body that nobody wants, up to the bound; more than that ends the connection. */
  readOver(request: IncomingMessage): void {
    const { socket } = request;
    let leftBytes = MAX_READ_OVER_BYTES;
    this.#readingOver.add(socket);
    request.on('data', (chunk: Buffer) => {
      leftBytes -= chunk.length;
      if (leftBytes < 0) socket.destroy();
    });
    request.on('end', () => this.#readingOver.delete(socket));
  }

  /** The request that is arriving has its answer already, so whatever is wrong with it gets none. */
  isReadingOver(socket: Socket): boolean {
    return this.#readingOver.has(socket);
  }

  /**
   * Takes no new connections, and resolves when all are closed: idle ones at once, the others when
   * their requests have been answered, all that are left after `timeoutMs`.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    this.#server.close();
    const start = this.#clock.monotonicMs();
    for (;;) {
      const elapsedMs = this.#clock.monotonicMs() - start;
      if (elapsedMs >= timeoutMs) this.#destroy(() => true);
      else if (elapsedMs >= UNTOUCHED_MS) this.#destroy((socket) => socket.bytesRead === 0);
      if (this.#open.size === 0) return;
      this.#server.closeIdleConnections();
      await this.#lastOneClosedOr(LOOK_EVERY_MS);
    }
  }

  #add(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#remove(socket));
  }

  #remove(socket: Socket): void {
    this.#open.delete(socket);
    if (this.#open.size === 0) this.#wake?.();
  }

  #destroy(condition: (socket: Socket) => boolean): void {
    for (const socket of this.#open) if (condition(socket)) socket.destroy();
  }

  #lastOneClosedOr(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(delayMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** They belong to whoever listens for upgrades. A listener of our own would make Node upgrade. */
  #leaveUpgradedOnesAlone(): void {
    const forget = (_request: IncomingMessage, socket: Socket): void => {
      this.#remove(socket);
      // Sent behind a request that is being served, the answer to the upgrade would be taken for that
      // one's: a write that took effect, told as refused. A broken connection says nothing wrong.
      if (responseUnderWay(socket) !== undefined) socket.destroy();
    };
    const onListener = (event: string): void => {
      if (event !== 'upgrade') return;
      this.#server.off('newListener', onListener);
      this.#server.prependListener('upgrade', forget);
    };
    this.#server.on('newListener', onListener);
  }

  /**
   * To Node a connection is idle once its answer was handed over, even if most of it waits for a slow
   * client; closing it then cuts the answer. The server's own `close()` calls this method as well.
   */
  #spareThoseStillSending(): void {
    const server = this.#server;
    const closeIdle = server.closeIdleConnections.bind(server);
    server.closeIdleConnections = () => {
      for (const socket of this.#open) if (socket.writableLength > 0) return;
      closeIdle();
    };
  }
}
