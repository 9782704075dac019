import type { IncomingMessage } from 'node:http';
import { type Random, randomHex } from '../runtime/random.ts';

/** What is repeated in answers and logs: short, and nothing that means something to either. */
const SAFE = /^[A-Za-z0-9._:@/+=-]{1,128}$/;
/** W3C Trace Context: version, trace id, parent id, flags; ids of zeros only are invalid. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;

/** The names that requests go by in answers and logs. They identify nothing else, retries least of all. */
export class RequestIds {
  readonly #start: string;
  #drawn = 0;

  constructor(random: Random) {
    this.#start = randomHex(random, 8);
  }

  /** The client's own, when it sent one that is well-formed, else a new one. */
  of(request: IncomingMessage): string {
    const { headers } = request;
    const own = headers['x-request-id'];
    if (typeof own === 'string' && SAFE.test(own)) return own;
    const trace = headers['traceparent'];
    return (typeof trace === 'string' ? TRACEPARENT.exec(trace)?.[1] : undefined) ?? this.draw();
  }

  draw(): string {
    this.#drawn++;
    return `${this.#start}-${this.#drawn.toString(36)}`;
  }
}
