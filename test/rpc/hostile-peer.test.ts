import { connect, createServer, type Socket } from 'node:net';
import { Packr } from 'msgpackr';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Address, Epoch, NodeId } from '../../src/ids.ts';
import { encodeReply, encodeRequest } from '../../src/rpc/codec.ts';
import type { Request } from '../../src/rpc/messages.ts';
import { HOSTILE_PAYLOADS } from './hostile-payloads.ts';
import { MESSAGE_SAMPLES } from './message-samples.ts';
import { hex, KEY, type Peer, type PeerSettings, startPeer } from './peers.ts';
import { framed, RawPeer } from './raw-peer.ts';
import { RawResponder } from './raw-responder.ts';

const epoch = 7 as Epoch;
const WRITE: Request = MESSAGE_SAMPLES['replica.write'].requests[0];
const READ = { type: 'replica.read', epoch, key: KEY, level: 'quorum' } as const;
const CALL = { timeoutMs: 2_000, traffic: 'client' } as const;
const secret = 'a shared secret!';
const packr = new Packr({ useRecords: false });

const started: (() => Promise<void>)[] = [];

async function start(settings: PeerSettings = {}): Promise<Peer> {
  const peer = await startPeer({ secret, ...settings });
  started.push(() => peer.close());
  return peer;
}

async function raw(peer: Peer): Promise<RawPeer> {
  return RawPeer.agreed(peer.address, { secret });
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((close) => close()));
});

describe('a peer that has proved who it is', () => {
  test('is served', async () => {
    const node = await start();
    const peer = await raw(node);
    peer.sendSealed(encodeRequest(1, 1_000, WRITE));
    expect(await peer.messages()).toEqual([
      [1, 0, MESSAGE_SAMPLES['replica.write'].replies[0].version],
    ]);
    peer.socket.destroy();
  });

  test.each(HOSTILE_PAYLOADS)('is cut off when it sends %s', async (_name, payload) => {
    const node = await start();
    const peer = await raw(node);
    peer.sendSealed(payload());
    await peer.end();
    expect(node.counters.get('peer_frames_refused_total')).toBe(1);
    expect(node.log.warnings()).toEqual(['a frame from a peer was refused, its connection ended']);
    expect(node.served).toEqual([]);
  });

  const good = encodeRequest(1, 1_000, WRITE);
  test.each<[string, (peer: RawPeer) => void]>([
    ['a wrong tag', (peer) => peer.sendPlain(Buffer.concat([Buffer.alloc(16), good]))],
    ['a changed byte', (peer) => peer.sendPlain(flipped(peer.sealed(good), 30))],
    ['a frame twice', (peer) => twice(peer, peer.sealed(encodeRequest(1, 1_000, READ)))],
    ['a frame before another', (peer) => swapped(peer, good)],
    ['a length beyond the limit', (peer) => peer.socket.write(Buffer.from('ffffffff', 'hex'))],
    ['a length of nothing', (peer) => peer.socket.write(Buffer.from('00000000', 'hex'))],
    ['a tag without messages', (peer) => peer.sendPlain(Buffer.alloc(16))],
    ['an unknown type', (peer) => peer.sendSealed(packr.pack([1, 99, 1_000]))],
    ['a request without its fields', (peer) => peer.sendSealed(packr.pack([1, 18, 1_000]))],
    ['a request of id 0', (peer) => peer.sendSealed(encodeRequest(0, 1_000, WRITE))],
    [
      'a reply nobody asked for',
      (peer) => peer.sendSealed(encodeReply(1, 'ring.decided', { ok: true, reply: {} })),
    ],
    [
      'good requests and a bad one',
      (peer) => peer.sendSealed(Buffer.concat([good, good, packr.pack([1])])),
    ],
  ])('is cut off for %s, and nothing is applied', async (_name, misbehave) => {
    const node = await start();
    const peer = await raw(node);
    misbehave(peer);
    await peer.end();
    expect(node.counters.get('peer_frames_refused_total')).toBe(1);
    expect(node.log.warnings()).toEqual(['a frame from a peer was refused, its connection ended']);
    expect(node.served).not.toContain('replica.write');
  });

  test('does not take other connections with it', async () => {
    const [node, friend] = [await start(), await start()];
    const peer = await raw(node);
    expect(await friend.transport.callAddress(node.address, READ, CALL)).toMatchObject({
      ok: true,
    });
    peer.sendSealed(Buffer.from([0xc1]));
    await peer.end();
    expect(await friend.transport.call(node.nodeId, READ, CALL)).toMatchObject({ ok: true });
  });

  test('has requests refused whose time was up when they came', async () => {
    const node = await start();
    const peer = await raw(node);
    peer.sendSealed(encodeRequest(1, 0, WRITE));
    expect(await peer.messages()).toEqual([[1, 1, 7, null]]);
    expect(node.counters.get('peer_requests_expired_total')).toBe(1);
    expect(node.served).toEqual([]);
    peer.socket.destroy();
  });

  test('is not read from while it leaves its answers lying', async () => {
    const record = Buffer.alloc(100_000);
    const handlers = { 'replica.read': async () => ({ ok: true, reply: { record } }) as const };
    const node = await start({ handlers, limits: { maxAnswerBytes: 200_000 } });
    const peer = await raw(node);
    peer.socket.pause();
    // Ten at a time, until the node serves no more of them. 100 MB would lie in its memory in the end;
    // what sockets hold by themselves is a few.
    let sent = 0;
    const sendTen = async (): Promise<void> => {
      for (let each = 0; each < 10; each++) {
        sent++;
        peer.sendSealed(encodeRequest(sent, 60_000, READ));
      }
      await vi.waitFor(() => expect(node.served.length).toBe(sent), { timeout: 500, interval: 1 });
    };
    const sendAll = async (): Promise<void> => {
      while (sent < 1_000) await sendTen();
    };
    await expect(sendAll()).rejects.toThrow();
    peer.socket.destroy();
  });

  test('loses the connections of its life before when it is started again', async () => {
    const node = await start();
    const nodeId = hex(8) as NodeId;
    const before = await RawPeer.agreed(node.address, { secret, nodeId, incarnation: 1 });
    const now = await RawPeer.agreed(node.address, { secret, nodeId, incarnation: 2 });
    await before.end();
    now.sendSealed(encodeRequest(1, 1_000, READ));
    expect(await now.messages()).toHaveLength(1);
    now.socket.destroy();
  });
});

describe('whoever has not proved anything', () => {
  test('cannot write: a valid request without the handshake is not applied', async () => {
    const node = await start();
    for (const body of [
      encodeRequest(1, 1_000, WRITE),
      Buffer.concat([Buffer.alloc(16), encodeRequest(1, 1_000, WRITE)]),
    ]) {
      const peer = await RawPeer.upgrade(node.address);
      peer.sendPlain(body);
      await peer.end();
    }
    expect(node.served).toEqual([]);
    expect(node.counters.get('peer_handshakes_refused_total')).toBe(2);
    expect(node.log.warnings()).toEqual([expect.stringContaining('no handshake')]);
  });

  test('cannot send more than a hello needs', async () => {
    const node = await start();
    const peer = await RawPeer.upgrade(node.address);
    peer.socket.write(Buffer.from('00001001', 'hex'));
    await peer.end();
    expect(node.counters.get('peer_handshakes_refused_total')).toBe(1);
  });

  test.each(HOSTILE_PAYLOADS)('is cut off when it sends %s', async (_name, payload) => {
    const node = await start();
    const peer = await RawPeer.upgrade(node.address);
    peer.sendPlain(payload());
    await peer.end();
    expect(node.counters.get('peer_handshakes_refused_total')).toBe(1);
    expect(node.served).toEqual([]);
  });

  test('has little time', async () => {
    const node = await start({ limits: { handshakeTimeoutMs: 50 } });
    const peer = await RawPeer.upgrade(node.address);
    await peer.end();
    expect(node.log.warnings()).toEqual([expect.stringContaining('not finished in time')]);
  });

  test('gives way to others', async () => {
    const node = await start({ limits: { maxHandshakes: 3 } });
    const idle: RawPeer[] = [];
    for (let each = 0; each < 3; each++) idle.push(await RawPeer.upgrade(node.address));
    const friend = await start();
    expect(await friend.transport.callAddress(node.address, READ, CALL)).toMatchObject({
      ok: true,
    });
    await idle[0]?.end();
    expect(idle.map(({ closed }) => closed)).toEqual([true, false, false]);
    for (const peer of idle) peer.socket.destroy();
  });

  test.each([
    ['another path', 'GET /peers HTTP/1.1\r\nUpgrade: quorate-peer/1', '400'],
    ['another method', 'POST /peer HTTP/1.1\r\nUpgrade: quorate-peer/1', '400'],
    ['another protocol', 'GET /peer HTTP/1.1\r\nUpgrade: websocket', '426'],
    ['another version', 'GET /peer HTTP/1.1\r\nUpgrade: quorate-peer/9', '426'],
  ])('is answered and closed when it asks for %s', async (_name, request, status) => {
    const node = await start();
    const answer = await ask(node.address, `${request}\r\nHost: x\r\nConnection: Upgrade\r\n\r\n`);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
  });
});

describe('a recorded session', () => {
  test('is refused when it is played again', async () => {
    const node = await start();
    const recorder = await startRecorder(node.address);
    const caller = await start({ advertise: '127.0.0.1:1' as Address });
    const write = MESSAGE_SAMPLES['replica.write'].requests[0];
    expect(await caller.transport.callAddress(recorder.address, write, CALL)).toMatchObject({
      ok: true,
    });
    expect(node.served).toEqual(['replica.write']);
    await caller.transport.close();

    const replay = connect({ host: '127.0.0.1', port: portOf(node.address) });
    replay.on('error', () => undefined);
    replay.resume();
    for (const chunk of recorder.recorded()) replay.write(chunk);
    await new Promise((resolve) => replay.once('close', resolve));
    expect(node.served).toEqual(['replica.write']);
    expect(node.counters.get('peer_handshakes_refused_total')).toBe(1);
    expect(node.log.warnings()).toEqual([expect.stringContaining('wrong cluster secret')]);
  });

  test('does not pass for the node that was called', async () => {
    const node = await start();
    const recorder = await startRecorder(node.address);
    const caller = await start();
    expect(await caller.transport.callAddress(recorder.address, READ, CALL)).toMatchObject({
      ok: true,
    });

    const impostor = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.resume();
      for (const chunk of recorder.answered()) socket.write(chunk);
    });
    const address = await listen(impostor);
    const answer = await caller.transport.callAddress(address, READ, CALL);
    expect(answer).toMatchObject({ ok: false, reason: 'wrong cluster secret' });
  });
});

describe('a member that answers wrongly', () => {
  test.each<[string, (id: number) => Buffer]>([
    ['with another reply than was asked for', (id) => packr.pack([id, 0, 'what?'])],
    ['to what was not asked', (id) => encodeReply(id + 1, 'ring.decided', { ok: true, reply: {} })],
    ['with a request of its own', () => encodeRequest(1, 1_000, WRITE)],
  ])('%s is cut off, its calls are lost', async (_name, answer) => {
    const node = await start();
    const liar = createServer((socket) => {
      new RawResponder(socket, { secret, nodeId: hex(8) as NodeId, answer });
    });
    const outcome = await node.transport.callAddress(await listen(liar), READ, CALL);
    expect(outcome.ok).toBe(false);
    expect(node.counters.get('peer_frames_refused_total')).toBe(1);
    expect(node.served).toEqual([]);
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

function twice(peer: RawPeer, body: Buffer): void {
  peer.sendPlain(body);
  peer.sendPlain(body);
}

function swapped(peer: RawPeer, payload: Buffer): void {
  const first = peer.sealed(payload);
  const second = peer.sealed(payload);
  peer.socket.write(Buffer.concat([framed(second), framed(first)]));
}

function portOf(address: Address): number {
  return Number(address.split(':')[1]);
}

/** Sends one HTTP request; resolves with all that came back. */
async function ask(address: Address, request: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: portOf(address) });
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.write(request);
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

async function listen(server: ReturnType<typeof createServer>): Promise<Address> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  started.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as { port: number }).port}` as Address;
}

/** A proxy in front of `target` that keeps what flows through the first connection. */
async function startRecorder(target: Address): Promise<{
  readonly address: Address;
  recorded(): readonly Buffer[];
  answered(): readonly Buffer[];
}> {
  const recorded: Buffer[] = [];
  const answered: Buffer[] = [];
  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port: portOf(target) });
    client.on('data', (chunk) => {
      recorded.push(chunk);
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      answered.push(chunk);
      client.write(chunk);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    client.on('error', () => undefined);
    upstream.on('error', () => undefined);
  });
  const address = await listen(server);
  return { address, recorded: () => recorded, answered: () => answered };
}
