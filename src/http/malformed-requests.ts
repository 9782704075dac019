/**
 * Bytes that are no HTTP request, and requests that take too long to arrive: a minimal answer, then
 * the end of the connection.
 *
 * One rule: an answer here must never be taken for the answer to an earlier, valid request on the
 * same connection. That one may be a write that succeeds, and "not applied" would be a lie.
 */
import { STATUS_CODES } from 'node:http';
import type { Clock } from '../runtime/clock.ts';
import type { Connections, Socket } from './connections.ts';
import { responseUnderWay } from './pipelines.ts';
import { type MalformedCode, malformedProblem, PROBLEM_TYPE } from './problem.ts';
import type { RequestIds } from './request-id.ts';

interface MalformedPorts {
  readonly nodeName: string;
  readonly requestIds: RequestIds;
  readonly connections: Connections;
  readonly clock: Clock;
}

/** The answer gets this long to be read before what the client still sends resets the connection. */
const LINGER_MS = 1_000;
const MAX_LINGERING = 64;

const DETAILS: Readonly<Record<MalformedCode, string>> = {
  malformed_request: 'the bytes received do not follow RFC 9112, so the connection is closed',
  headers_too_large: 'the request line and the headers have at most 16 KiB together',
  request_timeout: 'send the headers within 10 s, and the whole request within 30 s',
};

export class MalformedRequests {
  readonly #ports: MalformedPorts;
  #lingering = 0;

  constructor(ports: MalformedPorts) {
    this.#ports = ports;
  }

  /** For the server's `clientError`, which comes again with every further byte. */
  answer(error: Error, socket: Socket): void {
    const { connections } = this.#ports;
    if (connections.isBroken(socket)) return;
    connections.break(socket);
    const code = codeOf(error);
    if (code === undefined) socket.destroy();
    else if (connections.isEnding(socket)) endAfterLastAnswer(socket);
    else {
      connections.end(socket);
      this.#afterEarlierAnswers(socket, code);
    }
  }

  /** A tunnel (`CONNECT`): no such thing here. */
  refuseTunnel(socket: Socket): void {
    this.#ports.connections.end(socket);
    this.#answerNow(socket, 'malformed_request');
  }

  #afterEarlierAnswers(socket: Socket, code: MalformedCode): void {
    const response = responseUnderWay(socket);
    if (response === undefined) this.#answerUnlessAnswered(socket, code);
    else if (response.headersSent || response.req.complete) {
      response.once('close', () => this.#afterEarlierAnswers(socket, code));
    } else this.#answerNow(socket, code); // its own request is the malformed one: it was not served
  }

  #answerUnlessAnswered(socket: Socket, code: MalformedCode): void {
    if (this.#ports.connections.isReadingOver(socket)) socket.destroySoon();
    else this.#answerNow(socket, code);
  }

  #answerNow(socket: Socket, code: MalformedCode): void {
    if (!socket.writable || this.#lingering >= MAX_LINGERING) {
      socket.destroy();
      return;
    }
    this.#lingering++;
    const timer = this.#ports.clock.schedule(LINGER_MS, () => socket.destroy());
    socket.once('close', () => {
      this.#lingering--;
      timer.cancel();
    });
    socket.end(this.#message(code));
  }

  #message(code: MalformedCode): string {
    const { nodeName, requestIds } = this.#ports;
    const problem = malformedProblem(code, DETAILS[code]);
    const body = JSON.stringify(problem);
    return [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      'cache-control: no-store',
      'connection: close',
      `quorate-node: ${nodeName}`,
      `quorate-request-id: ${requestIds.draw()}`,
      '',
      body,
    ].join('\r\n');
  }
}

/** It was told that its connection ends: nothing more to say, once that has been said. */
function endAfterLastAnswer(socket: Socket): void {
  const toBeSent = responseUnderWay(socket)?.headersSent === false;
  if (!toBeSent) socket.destroySoon();
}

function codeOf(error: Error): MalformedCode | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout';
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large';
  return code?.startsWith('HPE_') === true ? 'malformed_request' : undefined;
}
