/** Bytes to a port and back, without a client that would tidy them up. */
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export class RawClient {
  readonly socket: Socket;
  /** Resolves when the server has closed the connection, however it did. */
  readonly closed: Promise<void>;
  readonly #received: Buffer[] = [];
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (chunk) => {
      this.#received.push(chunk);
      this.#wake();
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      const end = (): void => {
        this.socket.destroy();
        this.#wake();
        resolve();
      };
      this.socket.on('end', end);
      this.socket.on('close', end);
    });
    onTestFinished(() => {
      this.socket.destroy();
    });
  }

  send(bytes: string | Uint8Array): this {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    return this;
  }

  get text(): string {
    return Buffer.concat(this.#received).toString('latin1');
  }

  /** Resolves with all that came once it holds `count` answers, or the connection is closed. */
  async answers(count: number): Promise<readonly RawAnswer[]> {
    let over = false;
    void this.closed.then(() => {
      over = true;
    });
    for (;;) {
      const found = answersIn(this.text);
      if (found.length >= count || over) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.resolve();
    }
  }

  async answer(): Promise<RawAnswer> {
    const [first] = await this.answers(1);
    if (first === undefined) throw new Error('the connection was closed without an answer');
    return first;
  }
}

/** The complete answers in `text`; informational ones (100) are left out. */
export function answersIn(text: string): readonly RawAnswer[] {
  const found: RawAnswer[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return found;
    const [statusLine = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = new Map(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
    const length = Number(headers.get('content-length') ?? 0);
    const start = end + 4;
    if (rest.length < start + length) return found;
    if (status !== 100) found.push({ status, headers, body: rest.slice(start, start + length) });
    rest = rest.slice(start + length);
  }
}
