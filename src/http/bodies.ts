/**
 * Reading values. Nothing is parsed or inflated: a value is the bytes of the body. What is held in
 * memory for all requests together is bounded.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ClientError } from '../errors.ts';
import { hasBody, waitsForContinue } from './drains.ts';
import type { ReadingTurns } from './reading-turns.ts';

/** Bytes of all bodies that are being collected or worked on. */
export const MAX_HELD_BYTES = 256 * 1024 * 1024;

/** Bodies up to this length are read as they come; longer ones take turns. */
const SHORT_BYTES = 16 * 1024;

const EMPTY = Buffer.alloc(0);

/** The client went away in the middle of its request: there is nobody to tell. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';
}

export class Bodies {
  readonly #maxValueBytes: number;
  readonly #maxHeldBytes: number;
  readonly #turns: ReadingTurns;
  #heldBytes = 0;

  constructor(options: {
    readonly maxValueBytes: number;
    readonly maxHeldBytes: number;
    readonly turns: ReadingTurns;
  }) {
    this.#maxValueBytes = options.maxValueBytes;
    this.#maxHeldBytes = options.maxHeldBytes;
    this.#turns = options.turns;
  }

  /** @throws ClientError */
  refuseTooLong({ headers }: IncomingMessage): void {
    const announced = Number(headers['content-length'] ?? 0);
    if (announced > this.#maxValueBytes) throw this.#tooLarge(`has ${announced} bytes`);
  }

  /** The whole body. Its length is given back by `release`. @throws ClientError, ClientGoneError */
  read(request: IncomingMessage, response: ServerResponse): Promise<Buffer> {
    if (!hasBody(request)) return Promise.resolve(EMPTY);
    return new Promise((resolve, reject) => this.#collect(request, response, resolve, reject));
  }

  release({ length }: Uint8Array): void {
    this.#heldBytes -= length;
  }

  #collect(
    request: IncomingMessage,
    response: ServerResponse,
    resolve: (body: Buffer) => void,
    reject: (error: Error) => void,
  ): void {
    const chunks: Buffer[] = [];
    let length = 0;

    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      this.#heldBytes += chunk.length;
      chunks.push(chunk);
      if (length > this.#maxValueBytes) giveUp(this.#tooLarge('is longer'));
      else if (this.#heldBytes > this.#maxHeldBytes) giveUp(this.#tooMuchHeld());
    };
    const onEnd = (): void => {
      stop();
      resolve(Buffer.concat(chunks, length));
    };
    const onClose = (): void => giveUp(new ClientGoneError('the request was not finished'));

    const giveUp = (error: Error): void => {
      stop();
      this.#heldBytes -= length;
      reject(error);
    };
    const begin = (): void => {
      if (waitsForContinue(request)) response.writeContinue();
      request.on('data', onData);
      request.on('end', onEnd);
    };
    const stop = (): void => {
      request.off('data', onData);
      request.off('end', onEnd);
      request.off('close', onClose);
      endTurn?.();
    };
    let endTurn: (() => void) | undefined;
    request.on('close', onClose);
    if (isShort(request)) begin();
    else endTurn = this.#turns.take(begin);
  }

  #tooLarge(what: string): ClientError {
    return new ClientError(
      'value_too_large',
      `a value has at most ${this.#maxValueBytes} bytes and this one ${what};` +
        ' store it in parts, or raise QUORATE_MAX_VALUE_BYTES on every node',
    );
  }

  #tooMuchHeld(): ClientError {
    return new ClientError(
      'overloaded',
      'this node holds as many bytes of values in memory as it may; try again in a moment, or ask' +
        ' another node',
      { outcome: 'not_applied' },
    );
  }
}

function isShort({ headers }: IncomingMessage): boolean {
  return Number(headers['content-length'] ?? Number.POSITIVE_INFINITY) <= SHORT_BYTES;
}
