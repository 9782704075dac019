import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from './connections.ts';

interface Waiting {
  readonly response: ServerResponse;
  readonly serve: () => void;
}

/**
 * Serves the requests of one connection one after the other. Sent without waiting for answers, they
 * would otherwise be worked on at the same time: two writes to a key could take effect in the wrong
 * order (RFC 9112, 9.3.2 allows it for safe methods only), and a thousand short requests could pile
 * up a thousand long answers.
 */
export class Pipelines {
  readonly #waiting = new WeakMap<Socket, Waiting[]>();

  /** Calls `serve` when the connection's earlier requests are answered; never, if it is closed first. */
  inOrder({ socket }: IncomingMessage, response: ServerResponse, serve: () => void): void {
    // A response has its socket from the moment on that it is the next one to be sent.
    if (response.socket !== null) {
      serve();
      return;
    }
    socket.pause(); // what was received is bounded, what may still come is not
    const queue = this.#waiting.get(socket);
    if (queue !== undefined) {
      queue.push({ response, serve });
      return;
    }
    this.#waiting.set(socket, [{ response, serve }]);
    responseUnderWay(socket)?.once('close', () => this.#next(socket));
  }

  #next(socket: Socket): void {
    const queue = this.#waiting.get(socket) ?? [];
    const [next] = queue;
    if (next === undefined) return;
    if (next.response.socket === null) {
      // Before it comes an answer that took no turn, to a path that is none; or there is nothing under way,
      // because the last answer closed the connection: then it never will be sent.
      const between = responseUnderWay(socket);
      if (between === undefined || socket.destroyed) this.#waiting.delete(socket);
      else between.once('close', () => this.#next(socket));
      return;
    }
    queue.shift();
    if (queue.length === 0) {
      this.#waiting.delete(socket);
      socket.resume();
    } else next.response.once('close', () => this.#next(socket));
    next.serve();
  }
}

/** The response that the connection sends or will send next. Node has no public name for it. */
export function responseUnderWay(socket: Socket): ServerResponse | undefined {
  const { _httpMessage: response } = socket as Socket & { _httpMessage?: ServerResponse | null };
  return response ?? undefined;
}
