/** Values over the limit: refused at once, and in a way that clients get to see. */
import { once } from 'node:events';
import { request as plainRequest } from 'node:http';
import { describe, expect, test } from 'vitest';
import { listening } from './edge.ts';
import { RawClient } from './raw-client.ts';

const BIG = Buffer.alloc(50 * 1024 * 1024);
const LIMIT = 1024 * 1024;
/** `ROUNDS_413=100` for more. */
const ROUNDS = Number(process.env['ROUNDS_413'] ?? 3);
const PATIENCE_MS = 10_000 + ROUNDS * 2_000;

function chunkedBody(): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(BIG.subarray(sent, sent + 256 * 1024));
      sent += 256 * 1024;
      if (sent >= BIG.length) controller.close();
    },
  });
}

async function plainPut(port: number, headers: Record<string, string | number>): Promise<number> {
  const request = plainRequest({ port, method: 'PUT', path: '/kv/k', headers, agent: false });
  request.on('error', () => undefined); // the rest of the body may find nobody any more
  request.end(BIG);
  const [response] = await once(request, 'response');
  response.resume();
  await once(response, 'end');
  request.destroy();
  return response.statusCode;
}

describe('a body of 50 MB is answered 413, whichever client sends it', () => {
  test(
    'fetch, length known',
    async () => {
      const { port, operations } = await listening();
      for (let i = 0; i < ROUNDS; i++) {
        const answer = await fetch(`http://127.0.0.1:${port}/kv/k`, { method: 'PUT', body: BIG });
        expect(answer.status).toBe(413);
        expect(await answer.json()).toMatchObject({
          code: 'value_too_large',
          outcome: 'not_applied',
        });
        expect(answer.headers.get('quorate-node')).toBe('node1');
      }
      expect(operations.asked).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'fetch, in chunks',
    async () => {
      const { port, operations } = await listening();
      for (let i = 0; i < ROUNDS; i++) {
        const options = { method: 'PUT', body: chunkedBody(), duplex: 'half' } as const;
        const answer = await fetch(`http://127.0.0.1:${port}/kv/k`, options);
        expect(answer.status).toBe(413);
        expect(await answer.json()).toMatchObject({ code: 'value_too_large' });
      }
      expect(operations.asked).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'node:http, both ways',
    async () => {
      const { port } = await listening();
      for (let i = 0; i < ROUNDS; i++) {
        expect(await plainPut(port, { 'content-length': BIG.length })).toBe(413);
        expect(await plainPut(port, { 'transfer-encoding': 'chunked' })).toBe(413);
      }
    },
    PATIENCE_MS,
  );

  test(
    'a socket that sends all of it before it reads',
    async () => {
      const { port } = await listening();
      for (let i = 0; i < ROUNDS; i++) {
        const client = new RawClient(port);
        client.socket.pause();
        client.send(`PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: ${BIG.length}\r\n\r\n`);
        await new Promise((resolve) => client.socket.write(BIG, resolve));
        client.socket.resume();
        const answer = await client.answer();
        expect([answer.status, answer.headers.get('connection')]).toEqual([413, 'close']);
        await client.closed;
      }
    },
    PATIENCE_MS,
  );
});

test('a value of exactly the limit is stored, one byte more is not', async () => {
  const { port } = await listening();
  const put = async (size: number, chunked: boolean): Promise<number> => {
    const bytes = BIG.subarray(0, size);
    const body = chunked ? new Blob([bytes]).stream() : bytes;
    const options = { method: 'PUT', body, duplex: 'half' } as const;
    return (await fetch(`http://127.0.0.1:${port}/kv/k${size}`, options)).status;
  };
  expect(await put(LIMIT, false)).toBe(201);
  expect(await put(LIMIT, true)).toBe(200);
  expect(await put(LIMIT + 1, false)).toBe(413);
  expect(await put(LIMIT + 1, true)).toBe(413);
});

describe('a body whose length is known', () => {
  test('is refused before any of it is sent', async () => {
    const { port } = await listening();
    const client = new RawClient(port);
    client.send(`PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: ${LIMIT + 1}\r\n\r\n`);
    expect((await client.answer()).status).toBe(413);
  });

  test('is not asked for when it is too long', async () => {
    const { port } = await listening();
    const head = 'PUT /kv/k HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n';
    const tooLong = new RawClient(port).send(`${head}Content-Length: ${LIMIT + 1}\r\n\r\n`);
    const answer = await tooLong.answer();
    expect([answer.status, answer.headers.get('connection')]).toEqual([413, 'close']);
    expect(tooLong.text).not.toContain('100 Continue');
    tooLong.socket.end();
    await tooLong.closed;
  });

  test('is asked for when it is welcome', async () => {
    const { port } = await listening();
    const head = 'PUT /kv/k HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n';
    const client = new RawClient(port).send(`${head}Content-Length: 2\r\n\r\n`);
    await once(client.socket, 'data');
    expect(client.text).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    expect((await client.send('hi').answer()).status).toBe(201);
  });

  test('is not asked for when the request is refused for another reason', async () => {
    const { port } = await listening();
    const head = 'PUT /kv/k?ttl=1s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n';
    const client = new RawClient(port).send(`${head}Content-Length: 2\r\n\r\n`);
    const answer = await client.answer();
    expect([answer.status, answer.headers.get('connection')]).toEqual([501, 'close']);
    expect(client.text).not.toContain('100 Continue');
  });
});

test('nothing is read after the answer beyond 64 MiB', async () => {
  const { port, http } = await listening();
  const client = new RawClient(port);
  const accepted = once(http.server, 'connection');
  client.send('PUT /kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n');
  const [socket] = await accepted;
  expect((await client.answer()).status).toBe(413);
  const feed = (): void => {
    while (!client.socket.destroyed && client.socket.write(BIG.subarray(0, 1 << 20)));
  };
  client.socket.on('drain', feed);
  feed();
  await client.closed;
  expect(socket.bytesRead).toBeGreaterThan(64 * 1024 * 1024);
  expect(socket.bytesRead).toBeLessThan(66 * 1024 * 1024);
});

test('what follows a refused body on the same connection is not served', async () => {
  const { port, operations } = await listening({ maxValueBytes: 4 });
  const client = new RawClient(port);
  client.send(
    'PUT /kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello' +
      'PUT /kv/b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx',
  );
  await client.closed;
  expect((await client.answers(2)).map(({ status }) => status)).toEqual([413]);
  expect(operations.asked).toEqual([]);
});

test('a short body that nobody wants is read over, and the connection goes on', async () => {
  const { port } = await listening();
  const client = new RawClient(port);
  client.send(
    'PUT /kv/a?ttl=1s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello' +
      'POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello' +
      'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n',
  );
  expect((await client.answers(3)).map(({ status }) => status)).toEqual([501, 404, 200]);
});
