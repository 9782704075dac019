/** An HTTP server that answers as a test says, and remembers what it was asked. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';

export interface Asked {
  readonly method: string;
  /** As it came over the wire. */
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: Buffer;
}

export interface FakeNode {
  readonly url: string;
  readonly asked: readonly Asked[];
}

export type Behaviour = (response: ServerResponse, asked: Asked, request: IncomingMessage) => void;

export async function fakeNode(behave: Behaviour): Promise<FakeNode> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url: path = '', headers } = request;
    const one = { method, path, contentType: headers['content-type'], body: Buffer.concat(chunks) };
    asked.push(one);
    behave(response, one, request);
  });
  const url = await listening(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url, asked };
}

/** A URL on which nothing listens. */
export async function nobody(): Promise<string> {
  const server = createServer();
  const url = await listening(server);
  server.close();
  await once(server, 'close');
  return url;
}

export function json(status: number, body: object): Behaviour {
  return (response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  };
}

export function problem(status: number, code: string, more: object = {}): Behaviour {
  return (response) => {
    const body = { type: `urn:quorate:${code}`, title: code, status, code, ...more };
    response
      .writeHead(status, { 'Content-Type': 'application/problem+json' })
      .end(JSON.stringify(body));
  };
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no TCP address');
  return `http://127.0.0.1:${address.port}`;
}
