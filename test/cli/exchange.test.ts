import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { exchange, nameOf } from '../../src/cli/exchange.ts';
import { fakeNode, nobody } from './fake-node.ts';

const PATIENCE = { connectMs: 10_000, totalMs: 10_000 };

describe('an exchange', () => {
  test.each(['/kv/.', '/kv/..', '/kv/%2E%2E%2Fx?timeout=1s', '/kv//'])(
    'sends the path %s as it is',
    async (path) => {
      const node = await fakeNode((response) => response.end());
      await exchange(new URL(node.url), { method: 'GET', path }, PATIENCE);
      expect(node.asked.map((asked) => asked.path)).toEqual([path]);
    },
  );

  test('puts the path of the URL in front', async () => {
    const node = await fakeNode((response) => response.end());
    await exchange(new URL(`${node.url}/behind/`), { method: 'GET', path: '/kv/a' }, PATIENCE);
    expect(node.asked[0]?.path).toBe('/behind/kv/a');
  });

  test('calls a node that does not listen unreachable', async () => {
    const url = await nobody();
    const failed = exchange(new URL(url), { method: 'GET', path: '/' }, PATIENCE);
    await expect(failed).rejects.toMatchObject({
      kind: 'unreachable',
      message: `${url}: connection refused`,
    });
  });

  test('calls an answer that breaks off lost, and gives none of it', async () => {
    const node = await fakeNode((response, _asked, request) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('half');
      response.once('drain', () => undefined);
      setImmediate(() => request.socket.destroy());
    });
    const failed = exchange(new URL(node.url), { method: 'GET', path: '/' }, PATIENCE);
    await expect(failed).rejects.toMatchObject({ kind: 'lost' });
  });

  test('calls a node that took the request and ended the connection lost', async () => {
    const node = await fakeNode((_response, _asked, request) => request.socket.destroy());
    const failed = exchange(new URL(node.url), { method: 'GET', path: '/' }, PATIENCE);
    await expect(failed).rejects.toMatchObject({ kind: 'lost' });
  });

  test('calls a node that took the request and is silent a timeout', async () => {
    const node = await fakeNode(() => undefined);
    const patience = { connectMs: 10_000, totalMs: 200 };
    const failed = exchange(new URL(node.url), { method: 'GET', path: '/' }, patience);
    await expect(failed).rejects.toMatchObject({ kind: 'timeout' });
  });

  test('fails when what answers does not speak HTTP', async () => {
    const server = createServer((socket) => socket.end('hello\r\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const base = new URL(`http://127.0.0.1:${port}`);
    const failed = exchange(base, { method: 'GET', path: '/' }, PATIENCE);
    await expect(failed).rejects.toMatchObject({ kind: 'lost' });
  });

  test('names a node without the password in its URL', () => {
    expect(nameOf(new URL('http://me:secret@127.0.0.1:7401/'))).toBe('http://127.0.0.1:7401');
  });
});
