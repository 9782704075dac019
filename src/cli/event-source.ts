/** Server-sent events of one node: the bytes of an answer that does not end, cut into events. */
import { type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http';
import { ExchangeError, nameOf } from './exchange.ts';

export interface ServerEvent {
  /** Absent: nothing to resume behind. */
  readonly id: string | undefined;
  readonly data: string;
}

const CONNECT_MS = 2_000;
/** A node shows that it lives every 15 s. */
const SILENCE_MS = 45_000;

/** The answer's start: its status, and its events if that is 200. @throws ExchangeError */
export async function openEvents(
  base: URL,
  path: string,
  lastId: string | undefined,
): Promise<IncomingMessage> {
  const start = base.protocol === 'https:' ? (await import('node:https')).request : plainRequest;
  const options: RequestOptions = {
    hostname: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port,
    path: `${base.pathname.replace(/\/$/, '')}${path}`,
    headers: {
      Accept: 'text/event-stream',
      ...(lastId === undefined ? {} : { 'Last-Event-ID': lastId }),
    },
    agent: false,
  };
  return new Promise((resolve, reject) => {
    const sent = start(options, (response) => {
      clearTimeout(timer);
      response.setTimeout(SILENCE_MS, () => response.destroy());
      resolve(response);
    });
    const fail = (reason: string): void => {
      clearTimeout(timer);
      reject(new ExchangeError('unreachable', nameOf(base), reason));
      sent.destroy();
    };
    const timer = setTimeout(() => fail(`no answer within ${CONNECT_MS} ms`), CONNECT_MS);
    sent.on('error', ({ message }) => fail(message));
    sent.end();
  });
}

/** Ends when the answer does, however it does. */
export async function* eventsIn(response: AsyncIterable<Buffer>): AsyncGenerator<ServerEvent> {
  let rest = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = fieldIn(block, 'data');
        if (data !== undefined) yield { id: fieldIn(block, 'id'), data };
      }
    }
  } catch {
    // The connection was lost; whoever follows connects again.
  }
}

function fieldIn(block: string, name: string): string | undefined {
  const line = block.split('\n').find((one) => one.startsWith(`${name}: `));
  return line?.slice(name.length + 2);
}
