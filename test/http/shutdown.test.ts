/** How connections end when the node stops. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { StartupError } from '../../src/errors.ts';
import { type Edge, edge, listening } from './edge.ts';
import { RawClient } from './raw-client.ts';

const PUT = 'PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx';
const READY = 'GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n';

function hold({ operations }: Edge): () => void {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  operations.before = () => held;
  return release;
}

test('requests in flight are finished, and the answer says that its connection ends', async () => {
  const made = await listening({ shutdownTimeoutMs: 5_000 });
  const release = hold(made);
  const busy = new RawClient(made.port).send(PUT);
  await expect.poll(() => made.operations.asked.length).toBe(1);
  let closed = false;
  const closing = made.http.close().then(() => {
    closed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 120));
  expect(closed).toBe(false);
  release();
  const answer = await busy.answer();
  expect(answer.status).toBe(201);
  await busy.closed;
  await closing;
});

test('idle connections are closed at once', async () => {
  const { port, http } = await listening({ shutdownTimeoutMs: 5_000 });
  const clients = Array.from({ length: 5 }, () => new RawClient(port).send(PUT));
  for (const client of clients) await client.answer();
  const start = performance.now();
  await http.close();
  for (const client of clients) await client.closed;
  expect(performance.now() - start).toBeLessThan(1_000);
});

test('new connections are refused, and old ones are told that the node is shutting down', async () => {
  const made = await listening({ shutdownTimeoutMs: 5_000 });
  const release = hold(made);
  const { port, http, operations } = made;
  const first = new RawClient(port).send(PUT);
  const second = new RawClient(port).send(PUT);
  const third = new RawClient(port).send(PUT);
  await expect.poll(() => operations.asked.length).toBe(3);
  const closing = http.close();

  const refused = new RawClient(port);
  await refused.closed;
  expect(refused.text).toBe('');

  // Behind a request in flight, on its connection: these were accepted before the stop.
  operations.before = () => undefined;
  first.send(READY);
  second.send('GET /kv/none HTTP/1.1\r\nHost: x\r\n\r\n');
  third.send('GET /kv/%ff HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => setTimeout(resolve, 50));
  release();
  const [, ready] = await first.answers(2);
  expect(ready?.headers.get('connection')).toBe('close');
  expect(JSON.parse(ready?.body ?? '')).toMatchObject({
    status: 503,
    code: 'shutting_down',
    checks: [{ name: 'process', ok: false }],
  });
  for (const client of [second, third]) {
    const [, answer] = await client.answers(2);
    expect(answer?.headers.get('connection')).toBe('close');
    expect(answer?.headers.get('quorate-node')).toBe('node1');
    await client.closed;
  }
  await closing;
});

test('what is still open at the shutdown timeout is cut', async () => {
  const made = await listening({ shutdownTimeoutMs: 300 });
  const release = hold(made);
  const busy = new RawClient(made.port).send(PUT);
  const half = new RawClient(made.port).send('PUT /kv/k HTTP/1.1\r\nHo');
  await expect.poll(() => made.operations.asked.length).toBe(1);
  const start = performance.now();
  await made.http.close();
  const took = performance.now() - start;
  await Promise.all([busy.closed, half.closed]);
  expect(busy.text).toBe('');
  expect(took).toBeGreaterThan(290);
  expect(took).toBeLessThan(1_500);
  release();
});

test('a connection that never sent anything does not hold the node up', async () => {
  const { port, http } = await listening({ shutdownTimeoutMs: 5_000 });
  const silent = new RawClient(port);
  await once(http.server, 'connection');
  const start = performance.now();
  await http.close();
  await silent.closed;
  expect(performance.now() - start).toBeLessThan(2_000);
});

test('an answer that a slow client is still taking is not cut', async () => {
  const { port, http } = await listening({
    shutdownTimeoutMs: 5_000,
    maxValueBytes: 16 * 1024 * 1024,
  });
  const body = Buffer.alloc(16 * 1024 * 1024, 'v');
  await fetch(`http://127.0.0.1:${port}/kv/big`, { method: 'PUT', body });
  const client = new RawClient(port);
  client.send('GET /kv/big HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(client.socket, 'data');
  client.socket.pause();
  const closing = http.close();
  await new Promise((resolve) => setTimeout(resolve, 200));
  client.socket.resume();
  await Promise.all([client.closed, closing]);
  expect(client.socket.bytesRead).toBeGreaterThan(body.length);
}, 20_000);

test('an upgraded connection is left to whoever took it', async () => {
  const { port, http } = await listening({ shutdownTimeoutMs: 5_000 });
  http.server.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Yes\r\n\r\n'));
  const accepted = once(http.server, 'upgrade');
  const peer = new RawClient(port);
  peer.send('GET /peer HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: quorate\r\n\r\n');
  const [, socket] = await accepted;
  const start = performance.now();
  await http.drain();
  expect(performance.now() - start).toBeLessThan(1_000);
  expect(socket.destroyed).toBe(false);
  socket.end();
  await peer.closed;
  await http.close();
});

test('closing twice is closing once', async () => {
  const { http } = await listening();
  await Promise.all([http.close(), http.close()]);
  await http.close();
});

test('a port that is taken stops the start with the remedy', async () => {
  const { port } = await listening();
  const { http } = edge();
  const start = http.listen('127.0.0.1', port);
  await expect(start).rejects.toThrow(StartupError);
  await expect(start).rejects.toThrow(/something listens there already.*QUORATE_PORT/);
});
