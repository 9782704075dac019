/** Requests that two programs could read differently: one answer at most, then the connection ends. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { listening } from './edge.ts';
import { RawClient } from './raw-client.ts';

const HIDDEN = 'DELETE /kv/hidden HTTP/1.1\r\nHost: x\r\n\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';

/** What follows the request line `PUT /kv/k HTTP/1.1` and `Host: x`. */
const ATTACKS: Readonly<Record<string, string>> = {
  'both framings': `${CHUNKED}Content-Length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'both framings, length first': `Content-Length: 4\r\n${CHUNKED}\r\n0\r\n\r\n${HIDDEN}`,
  'two lengths': `Content-Length: 0\r\nContent-Length: 43\r\n\r\n${HIDDEN}`,
  'two equal lengths': `Content-Length: 0\r\nContent-Length: 0\r\n\r\n${HIDDEN}`,
  'a list of lengths': `Content-Length: 0, 43\r\n\r\n${HIDDEN}`,
  'a length with a sign': `Content-Length: +0\r\n\r\n${HIDDEN}`,
  'a negative length': `Content-Length: -1\r\n\r\n${HIDDEN}`,
  'a length in hex': `Content-Length: 0x0\r\n\r\n${HIDDEN}`,
  'a length beyond 64 bits': `Content-Length: 18446744073709551616\r\n\r\n${HIDDEN}`,
  'a folded header': `X: a\r\n b\r\n\r\n${HIDDEN}`,
  'a folded coding': `Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a space before the colon': `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a space before the name': ` ${CHUNKED}\r\n0\r\n\r\n${HIDDEN}`,
  'an unknown coding': `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'two codings': `Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunked twice': `${CHUNKED}${CHUNKED}\r\n0\r\n\r\n${HIDDEN}`,
  'chunked, then another coding': `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a coding with a control character': `Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a chunk size that is no number': `${CHUNKED}\r\nzz\r\n\r\n${HIDDEN}`,
  'a chunk size with a prefix': `${CHUNKED}\r\n0x1\r\na\r\n0\r\n\r\n${HIDDEN}`,
  'a chunk size beyond 64 bits': `${CHUNKED}\r\n10000000000000000\r\n\r\n${HIDDEN}`,
  'a negative chunk size': `${CHUNKED}\r\n-1\r\n\r\n${HIDDEN}`,
  'a chunk longer than its size': `${CHUNKED}\r\n1\r\nab\r\n0\r\n\r\n${HIDDEN}`,
  'bare line feeds between chunks': `${CHUNKED}\r\n1\na\n0\n\n${HIDDEN}`,
  'a line feed in a chunk extension': `${CHUNKED}\r\n1;a\nb\r\nc\r\n0\r\n\r\n${HIDDEN}`,
  'a bare carriage return in a value': `Quorate-Meta-A: a\rb\r\n\r\n${HIDDEN}`,
  'a line feed in a value': `Quorate-Meta-A: a\nX : b\r\n\r\n${HIDDEN}`,
  'a zero byte in a value': `Quorate-Meta-A: a\0b\r\n\r\n${HIDDEN}`,
  'a name that is no token': `Quorate Meta: a\r\n\r\n${HIDDEN}`,
  'no name': `: a\r\n\r\n${HIDDEN}`,
  'a second Host': `Host: y\r\nContent-Length: 43\r\n\r\n${HIDDEN}`,
  'more after a closing request': `Connection: close\r\nContent-Length: 0\r\n\r\n${HIDDEN}`,
};

describe('a hidden request never comes to light', () => {
  test.each(Object.entries(ATTACKS))('behind %s', async (_name, attack) => {
    const { port, operations } = await listening();
    const client = new RawClient(port);
    client.send(`PUT /kv/k HTTP/1.1\r\nHost: x\r\n${attack}`);
    const [answer] = await client.answers(1);
    client.socket.end();
    await client.closed;
    expect(await client.answers(2)).toHaveLength(1);
    expect(operations.asked.map(({ verb }) => verb)).not.toContain('delete');
    if (answer?.status === 201) return;
    expect(answer?.status).toBe(400);
    expect(answer?.headers.get('quorate-node')).toBe('node1');
    expect(answer?.headers.get('quorate-request-id')).toMatch(/./);
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({ status: 400, outcome: 'not_applied' });
    expect(operations.asked).toEqual([]);
  });

  test.each(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST', 'PATCH'])(
    'in the body of a %s, which means nothing',
    async (method) => {
      const { port, operations } = await listening();
      for (const framing of [
        `Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
        `${CHUNKED}\r\n${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`,
      ]) {
        const client = new RawClient(port);
        client.send(`${method} /kv/k HTTP/1.1\r\nHost: x\r\n${framing}`);
        if (method === 'HEAD') await once(client.socket, 'data');
        else await client.answers(1);
        client.socket.end();
        await client.closed;
        expect(client.text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
      }
      expect(operations.asked.map(({ key }) => key)).not.toContain('hidden');
    },
  );
});

describe('no HTTP at all', () => {
  test.each([
    ['nonsense', 'hello\r\n\r\n', 400],
    ['another protocol', '\x16\x03\x01\x02\x00\x01\x00', 400],
    ['HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['HTTP/0.9', 'GET /kv/k\r\n\r\n', 400],
    ['HTTP/3.7', 'GET /kv/k HTTP/3.7\r\nHost: x\r\n\r\n', 400],
    ['bare line feeds', 'GET /kv/k HTTP/1.1\nHost: x\n\n', 400],
    ['a zero byte in the path', 'GET /kv/a\0b HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['bytes beyond ASCII in the path', 'GET /kv/\xe9 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['no Host', 'GET /kv/k HTTP/1.1\r\n\r\n', 400],
    ['a tunnel', 'CONNECT db:1 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    [
      'an expectation that cannot be met',
      'GET /kv/k HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n',
      400,
    ],
    ['the server itself', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['chunks by HTTP/1.0', `PUT /kv/k HTTP/1.0\r\n${CHUNKED}\r\n0\r\n\r\n`, 400],
    ['headers of 17 KiB', `GET /kv/k HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`, 431],
    ['a path of 17 KiB', `GET /kv/${'a'.repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ])('%s is a problem with a name and an id', async (_name, bytes, status) => {
    const { port, operations } = await listening();
    const client = new RawClient(port);
    const answer = await client.send(bytes).answer();
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.get('quorate-node')).toBe('node1');
    expect(answer.headers.get('quorate-request-id')).toMatch(/./);
    expect(JSON.parse(answer.body)).toMatchObject({ status, outcome: 'not_applied' });
    expect(operations.asked).toEqual([]);
  });

  test('HTTP/1.0 without a Host is served', async () => {
    const { port } = await listening();
    const client = new RawClient(port).send('GET /livez HTTP/1.0\r\n\r\n');
    expect((await client.answer()).status).toBe(200);
    await client.closed;
  });
});

test('nonsense behind a valid write does not take the answer that the write will get', async () => {
  const { port, operations } = await listening();
  let finish: () => void = () => undefined;
  operations.before = () =>
    new Promise<void>((resolve) => {
      finish = resolve;
    });
  const client = new RawClient(port);
  client.send('PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx');
  await expect.poll(() => operations.asked.length).toBe(1);
  client.send('nonsense\r\n\r\n');
  client.send('GET /kv/k HTTP/1.1\r\nHost: x\r\n\r\n');
  const [socket] = await Promise.all([once(client.socket, 'data'), Promise.resolve().then(finish)]);
  expect(String(socket[0])).toMatch(/^HTTP\/1\.1 201 /);
  await client.closed;
  expect((await client.answers(3)).map(({ status }) => status)).toEqual([201, 400]);
});

test('a key that clients would rewrite arrives as it was sent', async () => {
  const { port } = await listening();
  for (const key of ['..', '.', '../../etc/passwd', 'a/./b', '//', 'a//b/', 'a;b', '%00', '%2e']) {
    const client = new RawClient(port);
    client.send(`PUT /kv/${key} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx`);
    expect(JSON.parse((await client.answer()).body).key).toBe(decodeURIComponent(key));
    client.send(`GET http://x/kv/${key} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect((await client.answers(2))[1]).toMatchObject({ status: 200, body: 'x' });
    client.socket.destroy();
  }
});

test('a header is in force however many come before it', async () => {
  const { port, operations } = await listening();
  const client = new RawClient(port);
  const many = 'A: b\r\n'.repeat(3_000);
  client.send(`DELETE /kv/k HTTP/1.1\r\nHost: x\r\n${many}If-Match: "v"\r\n\r\n`);
  expect((await client.answer()).status).toBe(501);
  expect(operations.asked).toEqual([]);
});

test.each(['POST /nothing', 'PUT /kv/k?ttl=1s', 'PATCH /kv/k'])(
  '%s that was answered before its body came gets no second answer for what is wrong with it',
  async (request) => {
    const { port } = await listening();
    for (const [framing, rest] of [
      ['Content-Length: 9\r\n\r\nabc', ''],
      [`${CHUNKED}\r\n3\r\nabc\r\n`, 'nonsense\r\n'],
    ]) {
      const client = new RawClient(port).send(`${request} HTTP/1.1\r\nHost: x\r\n${framing}`);
      await client.answer();
      client.send(rest ?? '');
      client.socket.end();
      await client.closed;
      expect(await client.answers(2)).toHaveLength(1);
    }
  },
);

test.each(['GET', 'DELETE'])(
  'a %s takes no effect when its body turns out broken',
  async (method) => {
    const { port, operations } = await listening();
    const head = `${method} /kv/k HTTP/1.1\r\nHost: x\r\n${CHUNKED}`;
    const earlier = 'OPTIONS /kv/k HTTP/1.1\r\nHost: x\r\n\r\n';
    const behind = new RawClient(port).send(
      `${earlier}${head}Expect: 100-continue\r\n\r\nnonsense`,
    );
    expect((await behind.answers(2)).map(({ status }) => status)).toEqual([405, 400]);

    const client = new RawClient(port).send(`${head}\r\n`);
    client.send('3\r\nabc\r\n');
    client.send('nonsense\r\n');
    expect((await client.answer()).status).toBe(400);
    await client.closed;
    expect(operations.asked).toEqual([]);
  },
);

test('a client that sends no more still gets its answers', async () => {
  const { port, operations } = await listening();
  operations.before = () => new Promise((resolve) => setTimeout(resolve, 20));
  const put = 'PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx';
  const client = new RawClient(port).send(put + put + put);
  client.socket.end();
  await client.closed;
  expect((await client.answers(3)).map(({ status }) => status)).toEqual([201, 200, 200]);
});

test('HEAD sends no body, not even that of an error', async () => {
  const { port } = await listening();
  const client = new RawClient(port);
  client.send('HEAD /kv/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await client.closed;
  expect(client.text).toMatch(/^HTTP\/1\.1 404 .*\r\n\r\n$/s);
  expect(client.text).toContain('content-length: ');
});
