/** Several requests on one connection, sent without waiting for answers. */
import { expect, test } from 'vitest';
import { listening } from './edge.ts';
import { RawClient } from './raw-client.ts';

const get = (key: string): string => `GET /kv/${key} HTTP/1.1\r\nHost: x\r\n\r\n`;
const put = (key: string, value: string): string =>
  `PUT /kv/${key} HTTP/1.1\r\nHost: x\r\nContent-Length: ${value.length}\r\n\r\n${value}`;

test('they take effect one after the other, and are answered in their order', async () => {
  const { port, operations } = await listening();
  let running = 0;
  let most = 0;
  operations.before = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, operations.asked.length % 3));
    running--;
  };
  const client = new RawClient(port);
  const requests = Array.from({ length: 50 }, (_, i) => put('k', String(i)) + get('k'));
  client.send(requests.join(''));
  const answers = await client.answers(100);
  expect(answers.filter((_, i) => i % 2 === 1).map(({ body }) => body)).toEqual(
    Array.from({ length: 50 }, (_, i) => String(i)),
  );
  expect(most).toBe(1);
});

test('however they are cut into packets', async () => {
  const { port } = await listening();
  const bytes = Buffer.from(put('k', 'abc') + get('k') + get('none') + put('k', 'd') + get('k'));
  for (let cut = 1; cut < bytes.length; cut += 7) {
    const client = new RawClient(port);
    client.socket.setNoDelay(true);
    client.send(bytes.subarray(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    client.send(bytes.subarray(cut));
    const answers = await client.answers(5);
    const got = answers.map(({ status, body }) => (status === 200 ? body.slice(0, 3) : status));
    expect(got.slice(1)).toEqual(['abc', 404, '{"k', 'd']);
    client.socket.destroy();
  }
});

test('behind an answer that took no turn, because its path is none', async () => {
  const { port } = await listening();
  const slow = 'HEAD /kv/? HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc';
  const noPath = 'PUT /% HTTP/1.1\r\nHost: x\r\n\r\n';
  const client = new RawClient(port).send(slow + noPath.repeat(2) + get('none') + get('none'));
  client.socket.end();
  await client.closed;
  const statuses = [...client.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
  expect(statuses).toEqual(['400', '400', '400', '404', '404']);
});

test('a client that does not read has one answer made for it, not a thousand', async () => {
  const { port, operations } = await listening({ maxValueBytes: 16 * 1024 * 1024 });
  const body = Buffer.alloc(16 * 1024 * 1024);
  await fetch(`http://127.0.0.1:${port}/kv/big`, { method: 'PUT', body });
  const client = new RawClient(port);
  client.socket.pause();
  client.send(get('big').repeat(1_000));
  await expect.poll(() => operations.asked.length).toBe(2);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(operations.asked).toHaveLength(2);
  client.socket.destroy();
});

test('nothing is served behind an answer that ends the connection', async () => {
  const { port, operations } = await listening();
  const closing = 'GET /kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const flawed = 'GET /kv/a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n';
  for (const last of [closing, flawed]) {
    operations.asked.length = 0;
    const client = new RawClient(port).send(get('first') + last + put('hidden', 'x'));
    await client.closed;
    expect(await client.answers(3)).toHaveLength(2);
    expect(operations.asked.map(({ key }) => key)).not.toContain('hidden');
  }
});

test('an upgrade behind a write does not take the answer that the write will get', async () => {
  const { port, http, operations } = await listening();
  http.server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 426 Upgrade Required\r\n\r\n', () => socket.destroy());
  });
  const upgrade = 'GET /peer HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
  operations.before = () => new Promise((resolve) => setTimeout(resolve, 20));
  const hasty = new RawClient(port).send(put('k', 'v') + upgrade);
  await hasty.closed;
  expect(hasty.text).toBe('');

  const patient = new RawClient(port).send(put('k', 'v'));
  expect((await patient.answer()).status).toBe(200);
  await patient.send(upgrade).closed;
  expect(patient.text).toContain('HTTP/1.1 426 ');
});

test('those behind a client that went away are not served', async () => {
  const { port, operations } = await listening();
  let finish: () => void = () => undefined;
  operations.before = () =>
    new Promise<void>((resolve) => {
      finish = resolve;
    });
  const client = new RawClient(port).send(put('first', 'x') + put('second', 'x'));
  await expect.poll(() => operations.asked.length).toBe(1);
  client.socket.resetAndDestroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  finish();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(operations.asked.map(({ key }) => key)).toEqual(['first']);
});
