import { createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Address, ClusterId, Epoch, NodeId, Partition } from '../../src/ids.ts';
import type { Handlers, Served } from '../../src/rpc/messages.ts';
import type { CallOptions } from '../../src/rpc/transport.ts';
import { MESSAGE_SAMPLES, MESSAGE_TYPES } from './message-samples.ts';
import { CountingClock, hex, KEY, type Peer, type PeerSettings, startPeer } from './peers.ts';

const epoch = 7 as Epoch;
const READ = { type: 'replica.read', epoch, key: KEY, level: 'quorum' } as const;
const RING = { type: 'membership.ring' } as const;
const CLIENT: CallOptions = { timeoutMs: 2_000, traffic: 'client' };

const started: (() => Promise<void>)[] = [];

async function start(settings: PeerSettings = {}): Promise<Peer> {
  const peer = await startPeer(settings);
  started.push(() => peer.close());
  return peer;
}

/** `count` peers that know each other's addresses. */
async function startAll(...settings: readonly PeerSettings[]): Promise<readonly Peer[]> {
  const peers = await Promise.all(settings.map(start));
  for (const peer of peers) {
    for (const other of peers) peer.transport.learnAddress(other.nodeId, other.address);
  }
  return peers;
}

async function startTwo(a: PeerSettings = {}, b: PeerSettings = {}): Promise<[Peer, Peer]> {
  const [first, second] = await startAll(a, b);
  if (first === undefined || second === undefined) throw new Error('two were started');
  return [first, second];
}

/** An address where nobody listens. */
async function nowhere(): Promise<Address> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}` as Address;
}

/** A machine that takes connections and never says a word. */
async function mute(): Promise<Address> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.resume();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  started.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as { port: number };
  return `127.0.0.1:${port}` as Address;
}

function openSockets({ server }: Peer): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((close) => close()));
});

/** Handlers of `replica.read` that answer when the test says so. */
function held(): {
  readonly handlers: Partial<Handlers>;
  readonly release: () => void;
  count(): number;
} {
  const waiting: (() => void)[] = [];
  return {
    handlers: {
      'replica.read': () =>
        new Promise<Served<{ readonly record: undefined }>>((resolve) => {
          waiting.push(() => resolve({ ok: true, reply: { record: undefined } }));
        }),
    },
    release: () => {
      for (const each of waiting.splice(0)) each();
    },
    count: () => waiting.length,
  };
}

describe('calls', () => {
  test('carry every kind of message there and back', async () => {
    const [a, b] = await startTwo({ secret: 'a shared secret!' }, { secret: 'a shared secret!' });
    for (const type of MESSAGE_TYPES) {
      const { requests, replies } = MESSAGE_SAMPLES[type];
      for (const request of requests) {
        const answer = await a.transport.call(b.nodeId, request, CLIENT);
        expect(answer, type).toMatchObject({ ok: true, from: b.nodeId });
        if (answer.ok)
          expect(JSON.stringify(answer.reply)).toBe(JSON.stringify(buffers(replies[0])));
      }
    }
  });

  test('go both ways, each over the connection of its caller, among three', async () => {
    const peers = await startAll({}, {}, {});
    for (const peer of peers) {
      for (const other of peers) {
        const answer = await peer.transport.call(other.nodeId, READ, CLIENT);
        expect(answer).toMatchObject({ ok: true, from: other.nodeId });
      }
    }
  });

  test('tell the handler who asks, and until when on its own clock', async () => {
    let seen: { from: NodeId; leftMs: number } | undefined;
    const [a, b] = await startTwo(
      {},
      {
        handlers: {
          'membership.ring': async (_request, { from, deadlineMs }) => {
            seen = { from, leftMs: deadlineMs - performance.now() };
            return { ok: true, reply: { ring: undefined } };
          },
        },
      },
    );
    await a.transport.call(b.nodeId, RING, { ...CLIENT, timeoutMs: 1_000 });
    expect(seen?.from).toBe(a.nodeId);
    expect(seen?.leftMs).toBeGreaterThan(500);
    expect(seen?.leftMs).toBeLessThanOrEqual(1_001);
  });

  test('are answered in any order', async () => {
    const slow = held();
    const [a, b] = await startTwo({}, slow);
    const first = a.transport.call(b.nodeId, READ, CLIENT);
    expect(await a.transport.call(b.nodeId, RING, CLIENT)).toMatchObject({ ok: true });
    await vi.waitFor(() => expect(slow.count()).toBe(1));
    slow.release();
    expect(await first).toMatchObject({ ok: true });
  });

  test('carry large values next to small ones', async () => {
    const record = Buffer.alloc(5 * 2 ** 20, 'x');
    const lengths: number[] = [];
    const [a, b] = await startTwo(
      {},
      {
        handlers: {
          'replica.write': async (request) => {
            lengths.push(request.record.length);
            return { ok: true, reply: MESSAGE_SAMPLES['replica.write'].replies[0] };
          },
          'replica.read': async () => ({ ok: true, reply: { record } }),
        },
      },
    );
    const write = { type: 'replica.write', epoch, record, level: 'quorum' } as const;
    const answers = await Promise.all([
      a.transport.call(b.nodeId, { ...write, record: Buffer.from('small') }, CLIENT),
      a.transport.call(b.nodeId, write, CLIENT),
      a.transport.call(b.nodeId, READ, CLIENT),
    ]);
    expect(answers.every(({ ok }) => ok)).toBe(true);
    const read = answers[2];
    expect(read.ok && record.equals(read.reply.record ?? Buffer.of())).toBe(true);
    expect(lengths).toEqual([5, record.length]);
  });

  test('of transfers travel over a connection of their own, ended like the other', async () => {
    let upgrades = 0;
    const [a, b] = await startTwo();
    b.server.on('upgrade', () => (upgrades += 1));
    const branches = { type: 'transfer.branches', epoch, partition: 0 as Partition } as const;
    const ask = () =>
      Promise.all([
        a.transport.call(b.nodeId, READ, CLIENT),
        a.transport.call(b.nodeId, READ, { ...CLIENT, traffic: 'repair' }),
        a.transport.call(b.nodeId, RING, { ...CLIENT, traffic: 'membership' }),
        a.transport.call(b.nodeId, branches, { ...CLIENT, traffic: 'transfer' }),
      ]);
    for (let time = 0; time < 2; time++) {
      expect((await ask()).every(({ ok }) => ok)).toBe(true);
      expect(upgrades).toBe(2);
    }
    await a.transport.close();
    await vi.waitFor(async () => expect(await openSockets(b)).toBe(0));
  });

  test('of a message too large for a frame are not sent', async () => {
    const [a, b] = await startTwo({ limits: { maxFrameBytes: 1_000 } });
    const write = {
      type: 'replica.write',
      epoch,
      record: Buffer.alloc(1_000),
      level: 'quorum',
    } as const;
    const answer = await a.transport.call(b.nodeId, write, CLIENT);
    expect(answer).toMatchObject({ ok: false, failure: 'unreachable' });
    expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({ ok: true });
  });

  test('whose answer is too large fail, and the connection lives on', async () => {
    const record = Buffer.alloc(2_000);
    const handlers = { 'replica.read': async () => ({ ok: true, reply: { record } }) as const };
    const [a, b] = await startTwo({}, { limits: { maxFrameBytes: 1_000 }, handlers });
    expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({ failure: 'failed' });
    expect(await a.transport.call(b.nodeId, RING, CLIENT)).toMatchObject({ ok: true });
  });

  test('to this node itself need no connection', async () => {
    const [a] = await startTwo();
    expect(await a.transport.call(a.nodeId, READ, CLIENT)).toMatchObject({
      ok: true,
      from: a.nodeId,
    });
    expect(a.served).toEqual(['replica.read']);
  });

  test('tell a refusal with its ring', async () => {
    const refusal = { reason: 'stale_epoch', ring: Buffer.from('ring') } as const;
    const handlers = { 'replica.read': async () => ({ ok: false, refusal }) as const };
    const [a, b] = await startTwo({}, { handlers });
    const answer = await a.transport.call(b.nodeId, READ, CLIENT);
    expect(answer).toEqual({ ok: false, from: b.nodeId, failure: 'refused', refusal });
  });

  test('are refused until the node serves', async () => {
    const [a, b] = await startTwo({}, { handlers: false });
    const answer = await a.transport.call(b.nodeId, READ, CLIENT);
    expect(answer).toMatchObject({ failure: 'refused', refusal: { reason: 'not_ready' } });
  });

  test.each([
    ['rejects', async () => Promise.reject(new Error('a bug'))],
    [
      'throws',
      () => {
        throw new Error('a bug');
      },
    ],
  ])('fail when the handler %s, which is logged', async (_how, broken) => {
    const handlers = { 'replica.read': broken } as Partial<Handlers>;
    const [a, b] = await startTwo({}, { handlers });
    expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({ failure: 'failed' });
    expect(b.log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(await a.transport.call(b.nodeId, RING, CLIENT)).toMatchObject({ ok: true });
  });

  test('time out when the peer is slow; its late answer is dropped', async () => {
    const slow = held();
    const [a, b] = await startTwo({}, slow);
    const answer = await a.transport.call(b.nodeId, READ, { ...CLIENT, timeoutMs: 50 });
    expect(answer).toMatchObject({ failure: 'timeout' });
    slow.release();
    expect(await a.transport.call(b.nodeId, RING, CLIENT)).toMatchObject({ ok: true });
    expect(a.counters.get('peer_frames_refused_total')).toBe(0);
  });

  test('that timed out make room for others', async () => {
    const slow = held();
    const [a, b] = await startTwo({ limits: { maxPendingCalls: 2 } }, slow);
    for (let each = 0; each < 4; each++) {
      const answer = await a.transport.call(b.nodeId, READ, { ...CLIENT, timeoutMs: 20 });
      expect(answer).toMatchObject({ failure: 'timeout' });
    }
    slow.release();
  });

  test('beyond what a connection serves at once are refused', async () => {
    const slow = held();
    const [a, b] = await startTwo({}, { ...slow, limits: { maxRequestsServed: 2 } });
    const calls = [1, 2, 3].map(() => a.transport.call(b.nodeId, READ, CLIENT));
    expect(await calls[2]).toMatchObject({ failure: 'refused', refusal: { reason: 'overloaded' } });
    slow.release();
    expect(await Promise.all(calls.slice(0, 2))).toMatchObject([{ ok: true }, { ok: true }]);
    expect(b.counters.get('peer_requests_shed_total')).toBe(1);
  });
});

describe('a peer that is not there', () => {
  test('is unreachable: nobody listens', async () => {
    const a = await start();
    const nobody = hex(8) as NodeId;
    expect(await a.transport.call(nobody, READ, CLIENT)).toMatchObject({ failure: 'unreachable' });
    a.transport.learnAddress(nobody, await nowhere());
    expect(await a.transport.call(nobody, READ, CLIENT)).toMatchObject({ failure: 'unreachable' });
  });

  test('is told from one that is only not reached: its address refuses', async () => {
    const a = await start({ limits: { connectTimeoutMs: 100, handshakeTimeoutMs: 100 } });
    const [nobody, silent, unknown] = [hex(8), hex(8), hex(8)] as NodeId[] as [
      NodeId,
      NodeId,
      NodeId,
    ];
    a.transport.learnAddress(nobody, await nowhere());
    a.transport.learnAddress(silent, await mute());
    for (const _attempt of ['dials', 'asks while it rests']) {
      const refused = { ok: false, from: nobody, failure: 'unreachable', nobodyListens: true };
      expect(await a.transport.call(nobody, READ, CLIENT)).toEqual(refused);
      for (const node of [silent, unknown]) {
        const unreached = { ok: false, from: node, failure: 'unreachable' };
        expect(await a.transport.call(node, READ, CLIENT)).toEqual(unreached);
      }
    }
  });

  test('costs the following calls nothing', async () => {
    const a = await start({ limits: { connectTimeoutMs: 100, handshakeTimeoutMs: 100 } });
    const nobody = hex(8) as NodeId;
    a.transport.learnAddress(nobody, await mute());
    const startedMs = performance.now();
    expect(await a.transport.call(nobody, READ, CLIENT)).toMatchObject({ failure: 'unreachable' });
    const firstMs = performance.now() - startedMs;
    for (let each = 0; each < 20; each++) {
      const answer = await a.transport.call(nobody, READ, CLIENT);
      expect(answer).toMatchObject({ failure: 'unreachable' });
    }
    expect(performance.now() - startedMs - firstMs).toBeLessThan(firstMs);
  });

  test('keeps a call waiting for its own timeout at most', async () => {
    const a = await start();
    const nobody = hex(8) as NodeId;
    a.transport.learnAddress(nobody, await mute());
    const answer = await a.transport.call(nobody, READ, { ...CLIENT, timeoutMs: 60 });
    // Nothing was sent: that is certain, and worth more to a writer than "timeout".
    expect(answer).toMatchObject({ failure: 'unreachable' });
  });

  test('is found when it comes, without a call in between succeeding by luck', async () => {
    const a = await start();
    const address = await nowhere();
    const nodeId = hex(8) as NodeId;
    a.transport.learnAddress(nodeId, address);
    expect(await a.transport.call(nodeId, READ, CLIENT)).toMatchObject({ ok: false });
    await start({ nodeId, port: Number(address.split(':')[1]) });
    await vi.waitFor(async () => {
      expect(await a.transport.call(nodeId, READ, CLIENT)).toMatchObject({ ok: true });
    }, 5_000);
  });

  test('is called as soon as it has connected itself: that call waits for the way', async () => {
    const a = await start({ limits: { firstRestMs: 60_000 } });
    const address = await nowhere();
    const back = hex(8) as NodeId;
    a.transport.learnAddress(back, address);
    expect(await a.transport.call(back, READ, CLIENT)).toMatchObject({ nobodyListens: true });
    const b = await start({ nodeId: back, port: Number(address.split(':')[1]) });
    b.transport.learnAddress(a.nodeId, a.address);
    expect(await b.transport.call(a.nodeId, READ, CLIENT)).toMatchObject({ ok: true });
    expect(await a.transport.call(back, READ, CLIENT)).toMatchObject({ ok: true });
  });

  test('is tried again in the background when calls asked for it', async () => {
    const a = await start({ limits: { firstRestMs: 200 } });
    const address = await nowhere();
    const nodeId = hex(8) as NodeId;
    a.transport.learnAddress(nodeId, address);
    for (const _attempt of ['dials', 'asks while it rests']) {
      const answer = await a.transport.call(nodeId, READ, CLIENT);
      expect(answer).toMatchObject({ failure: 'unreachable' });
    }
    const b = await start({ nodeId, port: Number(address.split(':')[1]) });
    await new Promise((resolve) => b.server.once('upgrade', resolve));
  });

  test('loses the calls under way when it ends, and is called again in its next life', async () => {
    const slow = held();
    const [a, b] = await startTwo({}, slow);
    const call = a.transport.call(b.nodeId, READ, CLIENT);
    await vi.waitFor(() => expect(slow.count()).toBe(1));
    const closed = b.close();
    slow.release();
    expect(['lost', undefined]).toContain(failureOf(await call));
    await closed;
    const port = Number(b.address.split(':')[1]);
    await start({ nodeId: b.nodeId, incarnation: 2, port });
    await vi.waitFor(async () => {
      expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({ ok: true });
    }, 5_000);
  });

  test('is given up when it owes answers and is silent', async () => {
    const slow = held();
    const [a, b] = await startTwo({ limits: { silentAfterMs: 100 } }, slow);
    await a.transport.call(b.nodeId, RING, CLIENT); // connected: else a busy machine may not be in 30 ms
    const calls = [30, 60, 150, 2_000].map((timeoutMs) =>
      a.transport.call(b.nodeId, READ, { ...CLIENT, timeoutMs }),
    );
    const failures = (await Promise.all(calls)).map(failureOf);
    expect(failures).toEqual(['timeout', 'timeout', 'timeout', 'lost']);
    await vi.waitFor(async () => {
      expect(await a.transport.call(b.nodeId, RING, CLIENT)).toMatchObject({ ok: true });
    });
    slow.release();
  });
});

describe('addresses', () => {
  test('lead to whoever lives there, who is known from then on', async () => {
    const a = await start();
    const b = await start();
    expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({ ok: false });
    const answer = await a.transport.callAddress(b.address, RING, CLIENT);
    expect(answer).toMatchObject({ ok: true, from: b.nodeId });
    expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({ ok: true });
    // The other way round, by the address that the handshake showed.
    expect(await b.transport.call(a.nodeId, READ, CLIENT)).toMatchObject({ ok: true });
  });

  test('of this node lead to itself', async () => {
    const a = await start({ secret: 'a shared secret!' });
    const answer = await a.transport.callAddress(a.address, RING, CLIENT);
    expect(answer).toMatchObject({ ok: true, from: a.nodeId });
  });

  test('where nobody is give a reason', async () => {
    const a = await start();
    const answer = await a.transport.callAddress(await nowhere(), RING, CLIENT);
    expect(answer).toMatchObject({ ok: false, reason: expect.stringContaining('ECONNREFUSED') });
    const odd = await a.transport.callAddress('file:///etc/passwd' as Address, RING, CLIENT);
    expect(odd).toMatchObject({ ok: false, reason: expect.stringContaining('host:port') });
  });

  test('that another node has taken over are unreachable, and forgotten', async () => {
    const [a, b] = await startTwo();
    const moved = hex(8) as NodeId;
    a.transport.learnAddress(moved, b.address);
    const answer = await a.transport.call(moved, READ, CLIENT);
    expect(answer).toEqual({ ok: false, from: moved, failure: 'unreachable' });
    expect(b.served).toEqual([]);
    expect(a.log.warnings()).toEqual(['another node answers at the address of a member']);
    expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({ ok: true });

    // Where it lives now it says itself, and that is not held against it.
    const there = await start({ nodeId: moved });
    await there.transport.callAddress(a.address, RING, CLIENT);
    expect(await a.transport.call(moved, READ, CLIENT)).toMatchObject({ ok: true, from: moved });
  });

  test('of a node that moved are learned from its own handshake', async () => {
    const a = await start();
    const nodeId = hex(8) as NodeId;
    a.transport.learnAddress(nodeId, await nowhere());
    expect(await a.transport.call(nodeId, READ, CLIENT)).toMatchObject({ ok: false });
    const b = await start({ nodeId });
    await b.transport.callAddress(a.address, RING, CLIENT);
    await vi.waitFor(async () => {
      expect(await a.transport.call(nodeId, READ, CLIENT)).toMatchObject({ ok: true });
    }, 5_000);
  });

  test('of two nodes that both moved are learned from what a third one says', async () => {
    const [a, b] = [await start(), await start()];
    a.transport.learnAddress(b.nodeId, await nowhere());
    b.transport.learnAddress(a.nodeId, await nowhere());
    expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({ ok: false });
    a.transport.hearAddress(b.nodeId, b.address);
    await vi.waitFor(async () => {
      expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({ ok: true });
    }, 5_000);
    expect(a.transport.addressOf(b.nodeId)).toBe(b.address);
    await vi.waitFor(async () => {
      expect(await b.transport.call(a.nodeId, READ, CLIENT)).toMatchObject({ ok: true });
    }, 5_000);
  });
});

describe('who is not to be talked to', () => {
  const one = hex(16) as ClusterId;
  const other = hex(16) as ClusterId;
  const self = hex(8) as NodeId;

  test.each<[string, PeerSettings, PeerSettings, string]>([
    ['wrong secret', { secret: 'one secret' }, { secret: 'another one' }, 'wrong cluster secret'],
    ['no secret', {}, { secret: 'one secret' }, 'wrong cluster secret'],
    ['foreign cluster', { clusterId: one }, { clusterId: other }, 'different clusters'],
    ['clone', { nodeId: self }, { nodeId: self }, 'same node id'],
  ])(
    '%s: refused, counted, logged on both sides with the remedy',
    async (_name, mine, theirs, reason) => {
      const a = await start(mine);
      const b = await start(theirs);
      const answer = await a.transport.callAddress(b.address, RING, CLIENT);
      expect(answer).toMatchObject({ ok: false, reason: expect.stringContaining(reason) });
      for (const peer of [a, b]) {
        await vi.waitFor(() => {
          expect(peer.counters.get('peer_handshakes_refused_total')).toBe(1);
        });
        expect(peer.log.warnings()).toEqual([expect.stringContaining(reason)]);
        const [line] = peer.log.lines.filter(({ level }) => level === 'warn');
        expect(line?.fields).toMatchObject({
          peer: expect.any(String),
          remedy: expect.any(String),
        });
      }
      expect(b.served).toEqual([]);
    },
  );

  test('a node that keeps trying does not flood the log', async () => {
    const limits = { firstRestMs: 1, lastRestMs: 2 };
    const a = await start({ secret: 'one secret', limits });
    const b = await start({ secret: 'another one' });
    await vi.waitFor(async () => {
      await a.transport.callAddress(b.address, RING, CLIENT);
      expect(b.counters.get('peer_handshakes_refused_total')).toBeGreaterThan(5);
    }, 5_000);
    expect(a.log.warnings()).toHaveLength(1);
    expect(b.log.warnings()).toHaveLength(1);
    const text = JSON.stringify([a.log.lines, b.log.lines]);
    expect(text).not.toContain('one secret');
    expect(text).not.toContain('another one');
  });

  test('the later one of two clones, also while the first is away', async () => {
    const b = await start();
    const first = await start({ nodeId: self });
    const later = await start({ nodeId: self });
    expect(await first.transport.callAddress(b.address, RING, CLIENT)).toMatchObject({ ok: true });
    expect(await later.transport.callAddress(b.address, RING, CLIENT)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('same node id'),
    });
    expect(await first.transport.call(b.nodeId, RING, CLIENT)).toMatchObject({ ok: true });
  });
});

describe('a copy of the data directory of a running node, which begins with the next life', () => {
  const nodeId = hex(8) as NodeId;
  const same = expect.stringContaining('same node id');
  const copy = (): ReturnType<typeof start> => start({ nodeId, incarnation: 2 });

  test.each([
    ['only it has opened a connection', false],
    ['connections lead both ways', true],
  ])('does not lock it out: %s', async (_name, bothWays) => {
    const b = await start();
    const original = await start({ nodeId });
    expect(await original.transport.callAddress(b.address, RING, CLIENT)).toMatchObject({
      ok: true,
    });
    if (bothWays) expect(await b.transport.call(nodeId, RING, CLIENT)).toMatchObject({ ok: true });
    const clone = await copy();
    for (let attempt = 0; attempt < 2; attempt++) {
      await vi.waitFor(async () => {
        const refused = await clone.transport.callAddress(b.address, RING, CLIENT);
        expect(refused).toMatchObject({ ok: false, reason: same });
      });
    }
    expect(b.log.lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        fields: expect.objectContaining({ refusal: 'clone', claimedAddress: clone.address }),
      }),
    );
    expect(await original.transport.call(b.nodeId, RING, CLIENT)).toMatchObject({ ok: true });
    expect(await b.transport.call(nodeId, READ, CLIENT)).toMatchObject({ ok: true });
    expect(original.served).toContain(READ.type);
  });

  test('is not talked to where others find it, either', async () => {
    const b = await start();
    const original = await start({ nodeId });
    await original.transport.callAddress(b.address, RING, CLIENT);
    const clone = await copy();
    const answer = await b.transport.callAddress(clone.address, RING, CLIENT);
    expect(answer).toMatchObject({ ok: false, reason: same });
    expect(clone.served).toEqual([]);
    expect(await b.transport.call(nodeId, READ, CLIENT)).toMatchObject({ ok: true });
  });

  test('takes its place at once when it has ended', async () => {
    const b = await start();
    const original = await start({ nodeId });
    await original.transport.callAddress(b.address, RING, CLIENT);
    await original.close();
    const clone = await copy();
    const within = { ...CLIENT, timeoutMs: 500 };
    const answer = await clone.transport.callAddress(b.address, RING, within);
    expect(answer).toMatchObject({ ok: true });
  });

  test('takes its place when it does not answer: its machine may be gone', async () => {
    const b = await start();
    const original = await start({
      nodeId,
      handlers: { 'membership.introduce': () => new Promise(() => undefined) },
    });
    await original.transport.callAddress(b.address, RING, CLIENT);
    const clone = await copy();
    const answer = await clone.transport.callAddress(b.address, RING, {
      ...CLIENT,
      timeoutMs: 3_000,
    });
    expect(answer).toMatchObject({ ok: true });
    await vi.waitFor(async () => {
      const late = await original.transport.callAddress(b.address, RING, CLIENT);
      expect(late).toMatchObject({
        ok: false,
        reason: expect.stringContaining('later still answers'),
      });
    });
  });
});

describe('another life of a node, which does not follow upon the known one', () => {
  const nodeId = hex(8) as NodeId;
  const KNOWN = 5;
  const WITHIN = { ...CLIENT, timeoutMs: 700 };
  const LIVES: readonly [string, number][] = [
    ['of the same incarnation', KNOWN],
    ['of an older one', KNOWN - 2],
  ];
  const refused = { ok: false, reason: expect.stringMatching(/same node id|later still answers/) };

  /** A node that knows another one, each with a connection to the other. */
  async function acquainted(settings: PeerSettings = {}) {
    const b = await start();
    const known = await start({ nodeId, incarnation: KNOWN, ...settings });
    const connections = new Set<Socket>();
    for (const { server } of [b, known]) {
      server.on('connection', (socket) => connections.add(socket));
    }
    expect(await known.transport.callAddress(b.address, RING, CLIENT)).toMatchObject({ ok: true });
    expect(await b.transport.call(nodeId, RING, CLIENT)).toMatchObject({ ok: true });
    return { b, known, connections };
  }

  test.each(LIVES)('%s: is let in at once when that one has ended', async (_name, incarnation) => {
    const { b, known } = await acquainted();
    await known.close();
    const restored = await start({ nodeId, incarnation });
    const answer = await restored.transport.callAddress(b.address, RING, WITHIN);
    expect(answer).toMatchObject({ ok: true });
    await vi.waitFor(async () => {
      expect(await b.transport.call(nodeId, READ, CLIENT)).toMatchObject({ ok: true });
    });
    expect(restored.served).toContain(READ.type);
  });

  test.each(LIVES)(
    '%s: is let in at once where that one was, whoever comes to whom',
    async (_name, incarnation) => {
      for (const comes of ['it', 'the other'] as const) {
        const { b, known } = await acquainted();
        await known.close();
        await vi.waitFor(() => expect(b.log.lines).toHaveLength(2));
        const port = Number(known.address.split(':')[1]);
        const restored = await start({ nodeId, incarnation, port });
        const [from, to] = comes === 'it' ? [restored, b] : [b, restored];
        const answer = await from.transport.callAddress(to.address, RING, WITHIN);
        expect(answer).toMatchObject({ ok: true });
        await restored.close();
      }
    },
  );

  test.each(LIVES)(
    '%s: is refused while that one answers, whoever comes to whom, and let in afterwards',
    async (_name, incarnation) => {
      const { b, known } = await acquainted();
      const other = await start({ nodeId, incarnation });
      expect(await other.transport.callAddress(b.address, RING, CLIENT)).toMatchObject(refused);
      expect(await b.transport.callAddress(other.address, RING, CLIENT)).toMatchObject(refused);
      expect(other.served).toEqual([]);
      expect(await known.transport.call(b.nodeId, RING, CLIENT)).toMatchObject({ ok: true });
      expect(await b.transport.call(nodeId, READ, CLIENT)).toMatchObject({ ok: true });
      expect(known.served).toContain(READ.type);

      await known.close();
      await vi.waitFor(async () => {
        const answer = await other.transport.callAddress(b.address, RING, CLIENT);
        expect(answer).toMatchObject({ ok: true });
      }, 5_000);
    },
  );

  test.each(LIVES)(
    '%s: is refused though the network has just cut off that one',
    async (_name, incarnation) => {
      const { b, known, connections } = await acquainted();
      for (const socket of connections) socket.destroy();
      await vi.waitFor(() => expect(b.log.lines).toHaveLength(2));
      const other = await start({ nodeId, incarnation });
      expect(await other.transport.callAddress(b.address, RING, CLIENT)).toMatchObject(refused);
      await vi.waitFor(async () => {
        expect(await known.transport.call(b.nodeId, RING, CLIENT)).toMatchObject({ ok: true });
      });
    },
  );

  test.each(LIVES)(
    '%s: is let in when that one only looks connected, whose connections are dropped then',
    async (_name, incarnation) => {
      const silent = { 'membership.introduce': () => new Promise<never>(() => undefined) };
      const { b, known, connections } = await acquainted({ handlers: silent });
      const restored = await start({ nodeId, incarnation });
      const answer = await restored.transport.callAddress(b.address, RING, {
        ...CLIENT,
        timeoutMs: 3_000,
      });
      expect(answer).toMatchObject({ ok: true });
      const [ofKnown] = connections;
      await vi.waitFor(() => expect(ofKnown?.destroyed).toBe(true));
      await vi.waitFor(async () => {
        expect(await b.transport.call(nodeId, READ, CLIENT)).toMatchObject({ ok: true });
      });
      expect(restored.served).toContain(READ.type);
      expect(known.served).not.toContain(READ.type);
    },
  );

  test('is let in as the original, when the copy that had locked it out is stopped', async () => {
    const { b, known } = await acquainted();
    await known.close();
    const copy = await start({ nodeId, incarnation: KNOWN + 1 });
    expect(await copy.transport.callAddress(b.address, RING, CLIENT)).toMatchObject({ ok: true });
    const again = (): ReturnType<typeof start> => start({ nodeId, incarnation: KNOWN + 1 });
    const original = await again();
    expect(await original.transport.callAddress(b.address, RING, CLIENT)).toMatchObject(refused);
    await copy.close();
    const answer = await (await again()).transport.callAddress(b.address, RING, WITHIN);
    expect(answer).toMatchObject({ ok: true });
  });

  test('comes as one of two at the same moment: one is let in', async () => {
    const b = await start();
    const two = [await start({ nodeId }), await start({ nodeId })];
    const answers = await Promise.all(
      two.map(({ transport }) => transport.callAddress(b.address, RING, CLIENT)),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers).toContainEqual(expect.objectContaining(refused));
  });

  test('waits beside a third one for the known one, which is silent: one is let in', async () => {
    const silent = { 'membership.introduce': () => new Promise<never>(() => undefined) };
    const { b } = await acquainted({ handlers: silent });
    const two = [await start({ nodeId }), await start({ nodeId, incarnation: KNOWN + 1 })];
    const answers = await Promise.all(
      two.map(({ transport }) =>
        transport.callAddress(b.address, RING, { ...CLIENT, timeoutMs: 4_000 }),
      ),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers).toContainEqual(expect.objectContaining(refused));
  });
});

describe('bounds', () => {
  test('shed calls to a peer that answers nothing, repair before clients before membership', async () => {
    const slow = held();
    const [a, b] = await startTwo({ limits: { maxPendingCalls: 10 } }, slow);
    const call = (traffic: CallOptions['traffic']) =>
      a.transport.call(b.nodeId, READ, { ...CLIENT, traffic });
    const failures = (calls: readonly Promise<unknown>[]) =>
      Promise.all(calls.map((each) => Promise.race([each, 'pending'])));

    const repairs = Array.from({ length: 8 }, () => call('repair'));
    await vi.waitFor(() => expect(slow.count()).toBe(5));
    const overloaded = { ok: false, failure: 'refused', refusal: { reason: 'overloaded' } };
    expect(await failures(repairs.slice(5))).toMatchObject([overloaded, overloaded, overloaded]);
    const clients = Array.from({ length: 5 }, () => call('client'));
    await vi.waitFor(() => expect(slow.count()).toBe(9));
    expect(await clients[4]).toMatchObject(overloaded);
    const pings = Array.from({ length: 2 }, () => call('membership'));
    await vi.waitFor(() => expect(slow.count()).toBe(10));
    expect(await pings[1]).toMatchObject(overloaded);
    expect(a.counters.get('peer_requests_shed_total')).toBe(5);

    slow.release();
    expect(await pings[0]).toMatchObject({ ok: true });
    const repair = { ...CLIENT, traffic: 'repair' } as const;
    expect(await a.transport.call(b.nodeId, RING, repair)).toMatchObject({ ok: true });
  });

  test('hold in bytes while there is no connection', async () => {
    const limits = { maxWaitingBytes: 10_000, connectTimeoutMs: 300, handshakeTimeoutMs: 300 };
    const a = await start({ limits });
    const nobody = hex(8) as NodeId;
    a.transport.learnAddress(nobody, await mute());
    const write = {
      type: 'replica.write',
      epoch,
      record: Buffer.alloc(2_000),
      level: 'quorum',
    } as const;
    const calls = Array.from({ length: 10 }, () => a.transport.call(nobody, write, CLIENT));
    const failures = (await Promise.all(calls)).map(failureOf);
    expect(failures.filter((failure) => failure === 'unreachable')).toHaveLength(4);
    expect(failures.filter((failure) => failure === 'refused')).toHaveLength(6);
  });

  test('let membership through first when a connection comes up', async () => {
    const [a, b] = await startTwo();
    const calls = [
      a.transport.call(b.nodeId, { type: 'member.status' }, { ...CLIENT, traffic: 'repair' }),
      a.transport.call(b.nodeId, READ, CLIENT),
      a.transport.call(b.nodeId, RING, { ...CLIENT, traffic: 'membership' }),
    ];
    await Promise.all<unknown>(calls);
    expect(b.served).toEqual(['membership.ring', 'replica.read', 'member.status']);
  });

  test('hold for what waits for a peer that does not read, and no call is lost for it', async () => {
    // Much more than sockets hold; sent bit by bit as the other side takes it.
    const limits = { maxSocketBytes: 100_000 };
    const [a, b] = await startTwo({ limits });
    const record = Buffer.alloc(500_000);
    const write = { type: 'replica.write', epoch, record, level: 'quorum' } as const;
    const calls = Array.from({ length: 40 }, () => a.transport.call(b.nodeId, write, CLIENT));
    expect((await Promise.all(calls)).every(({ ok }) => ok)).toBe(true);
  });

  test('hold for answers that nobody fetches', async () => {
    const record = Buffer.alloc(500_000);
    const handlers = { 'replica.read': async () => ({ ok: true, reply: { record } }) as const };
    const [a, b] = await startTwo({}, { handlers, limits: { maxAnswerBytes: 100_000 } });
    const calls = Array.from({ length: 40 }, () => a.transport.call(b.nodeId, READ, CLIENT));
    expect((await Promise.all(calls)).every(({ ok }) => ok)).toBe(true);
  });
});

describe('closing', () => {
  test('loses what was sent, reaches nobody any more, and leaves nothing behind', async () => {
    const slow = held();
    const clock = new CountingClock();
    await vi.waitFor(() => expect(sockets()).toEqual([]));
    const [a, b] = await startTwo({ clock }, { ...slow, clock, limits: { closeTimeoutMs: 50 } });
    const call = a.transport.call(b.nodeId, READ, CLIENT);
    await vi.waitFor(() => expect(slow.count()).toBe(1));
    await a.close();
    expect(await call).toMatchObject({ failure: 'lost' });
    expect(await a.transport.call(b.nodeId, READ, CLIENT)).toMatchObject({
      failure: 'unreachable',
    });
    expect(await a.transport.call(a.nodeId, READ, CLIENT)).toMatchObject({
      failure: 'unreachable',
    });
    await b.close();
    started.splice(0);
    expect(clock.timers).toBe(0);
    await vi.waitFor(() => expect(sockets()).toEqual([]));
  });

  test('waits for requests being served, and answers them', async () => {
    const slow = held();
    const [a, b] = await startTwo({}, { ...slow, limits: { closeTimeoutMs: 5_000 } });
    const call = a.transport.call(b.nodeId, READ, CLIENT);
    await vi.waitFor(() => expect(slow.count()).toBe(1));
    const closing = b.transport.close();
    slow.release();
    expect(await call).toMatchObject({ ok: true });
    await closing;
  });

  test('gives up attempts under way', async () => {
    const a = await start();
    const nobody = hex(8) as NodeId;
    a.transport.learnAddress(nobody, await mute());
    const call = a.transport.call(nobody, READ, CLIENT);
    await a.close();
    expect(await call).toMatchObject({ failure: 'unreachable' });
  });

  test('can be asked for twice', async () => {
    const a = await start();
    await Promise.all([a.transport.close(), a.transport.close()]);
  });
});

function failureOf(answer: {
  readonly ok: boolean;
  readonly failure?: string;
}): string | undefined {
  return answer.failure;
}

/** Sockets and servers that are open in this process. */
function sockets(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP'));
}

function buffers(reply: object): object {
  return Object.fromEntries(
    Object.entries(reply).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(bufferOf) : bufferOf(value),
    ]),
  );
}

function bufferOf(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}
