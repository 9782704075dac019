import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FaultProxy } from './fault-proxy.ts';

describe('the fault proxy', () => {
  test('without faults passes on every byte, both ways, and both ends of a connection', async () => {
    const { proxy, caller, node } = await joined();
    const large = Buffer.alloc(8 * 1024 * 1024, 'large');
    caller.socket.end(large);
    await node.ended;
    expect(node.received.equals(large)).toBe(true);
    node.socket.end('an answer after the end');
    await caller.ended;
    expect(caller.received.toString()).toBe('an answer after the end');
    await expect.poll(() => proxy.connections).toBe(0);
  });

  test('delays each piece, with jitter, and keeps their order', async () => {
    const { proxy, caller, node } = await joined();
    proxy.delay({ ms: 30, jitterMs: 30 });
    const startedMs = performance.now();
    for (let piece = 0; piece < 20; piece++) {
      caller.socket.write(`${piece},`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => node.received.toString(), { interval: 1 }).toMatch(/^0,/);
    expect(performance.now() - startedMs).toBeGreaterThan(29);
    const all = Array.from({ length: 20 }, (_, piece) => `${piece},`).join('');
    await expect.poll(() => node.received.toString()).toBe(all);
  });

  test.each(['toNode', 'fromNode'] as const)(
    'cuts %s alone, and delivers what it kept back when it is healed',
    async (cut) => {
      const { proxy, caller, node } = await joined();
      const [cutOff, open] = cut === 'toNode' ? [node, caller] : [caller, node];
      proxy.cut(cut);
      caller.socket.write('from the caller');
      node.socket.write('from the node');
      await expect.poll(() => open.received.length).toBeGreaterThan(0);
      expect(cutOff.received.length).toBe(0);
      proxy.heal();
      await expect.poll(() => cutOff.received.length).toBeGreaterThan(0);
    },
  );

  test('as a black hole takes connections and lets nothing through, however much is sent', async () => {
    const { proxy, caller, node } = await joined();
    proxy.blackHole();
    const another = new End(connect(Number(proxy.address.split(':')[1]), '127.0.0.1'));
    await once(another.socket, 'connect');
    const large = Buffer.alloc(64 * 1024 * 1024);
    caller.socket.write(large);
    node.socket.write('hello');
    // The kernel's buffers and the proxy's are full.
    await expect.poll(() => caller.socket.writableLength).toBeGreaterThan(0);
    expect([caller.received.length, node.received.length]).toEqual([0, 0]);
    proxy.heal();
    await expect.poll(() => node.received.length, { timeout: 10_000 }).toBe(large.length);
    expect(caller.received.toString()).toBe('hello');
  });

  test('resets both ends at once', async () => {
    const { proxy, caller, node } = await joined();
    proxy.reset();
    await Promise.all([caller.closed, node.closed]);
    expect(caller.error).toBe('ECONNRESET');
    expect(node.error).toBe('ECONNRESET');
    expect(proxy.connections).toBe(0);
  });

  test('resets its caller when nobody listens behind it', async () => {
    const proxy = await FaultProxy.to(1);
    onTestFinished(() => proxy.close());
    const caller = new End(connect(Number(proxy.address.split(':')[1]), '127.0.0.1'));
    await caller.closed;
    expect(caller.error).toBe('ECONNRESET');
  });
});

/** One end of a connection, keeping what it receives. */
class End {
  readonly socket: Socket;
  readonly ended: Promise<void>;
  readonly closed: Promise<void>;
  readonly #received: Buffer[] = [];
  error: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => this.#received.push(bytes));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code;
    });
    this.ended = new Promise((resolve) => socket.on('end', resolve));
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    onTestFinished(() => {
      socket.destroy();
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.#received);
  }
}

/** A connection through a proxy, with a hold on both of its ends. */
async function joined(): Promise<{ proxy: FaultProxy; caller: End; node: End }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  server.on('connection', (socket) => socket.on('error', () => undefined));
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const proxy = await FaultProxy.to((server.address() as AddressInfo).port);
  onTestFinished(() => proxy.close());
  const accepted = once(server, 'connection');
  const port = Number(proxy.address.split(':')[1]);
  const caller = new End(connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
  const [socket] = (await accepted) as [Socket];
  return { proxy, caller, node: new End(socket) };
}
