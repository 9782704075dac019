/**
 * Refusals of requests whose body is still on its way. The answer goes out at once, but the
 * connection is closed only after a bounded part of the body was read and thrown away: closing it
 * with unread bytes resets it, and the client loses the answer that it was sent.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../runtime/clock.ts';
import type { Connections } from './connections.ts';

const MAX_BYTES = 64 * 1024 * 1024;
const MAX_MS = 5_000;
/** Drains at once; beyond that, connections are closed without. */
const MAX_DRAINS = 64;

/** A body of at most this length that nobody wants is read over, and the connection goes on. */
const READ_OVER_BYTES = 1024 * 1024;

export interface FinalAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export class Drains {
  readonly #connections: Connections;
  readonly #clock: Clock;
  #running = 0;

  constructor(connections: Connections, clock: Clock) {
    this.#connections = connections;
    this.#clock = clock;
  }

  /** The last answer on this connection. */
  answer(request: IncomingMessage, response: ServerResponse, answer: FinalAnswer): void {
    const { status, headers, body } = answer;
    this.#connections.end(request.socket);
    response.writeHead(status, {
      ...headers,
      'content-length': body.length,
      connection: 'close',
    });
    if (this.#running >= MAX_DRAINS || this.#connections.isBroken(request.socket)) {
      response.end(body);
      return;
    }
    // The whole answer, but not its end: ending it would close the connection.
    if (request.method === 'HEAD') response.flushHeaders();
    else response.write(body);
    this.#drain(request, () => response.end());
  }

  #drain(request: IncomingMessage, then: () => void): void {
    let leftBytes = MAX_BYTES;
    let over = false;
    this.#running++;
    const finish = (): void => {
      if (over) return;
      over = true;
      this.#running--;
      timer.cancel();
      request.socket.off('end', finish);
      then();
    };
    const timer = this.#clock.schedule(MAX_MS, finish);
    request.on('data', (chunk: Buffer) => {
      leftBytes -= chunk.length;
      if (leftBytes < 0) finish();
    });
    request.on('end', finish);
    request.on('close', finish);
    request.socket.on('end', finish); // the client sends no more
    request.resume();
  }
}

/** Whether a body follows the headers (RFC 9112, 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined;
}

/** Whether the client holds the body back until it is asked for it. */
export function waitsForContinue({ headers, httpVersionMinor }: IncomingMessage): boolean {
  return headers.expect !== undefined && httpVersionMinor === 1;
}

/** Whether the rest of the body is so short that the connection is worth keeping. */
export function isWorthReadingOver(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return length !== undefined && Number(length) <= READ_OVER_BYTES && !waitsForContinue(request);
}
