/**
 * A real process that is told that its cluster goes on without it: it starts again by itself, on the same
 * port and disk, as another node, and offers what it had when it is a member again.
 */
import { expect, onTestFinished, test } from 'vitest';
import type { Address, Epoch, NodeId } from '../../src/ids.ts';
import type { Member } from '../../src/ring/member.ts';
import { Ring } from '../../src/ring/ring.ts';
import { decodeRing, encodeRing } from '../../src/ring/ring-codec.ts';
import type { Handlers } from '../../src/rpc/messages.ts';
import { type Peer, startPeer } from '../rpc/peers.ts';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './live-cluster.ts';
import { StartProcess } from './start-process.ts';

const CALL = { timeoutMs: 5_000, traffic: 'membership' } as const;

test('a process whose node was replaced goes on as another node, on the same port', async () => {
  const folder = await temporaryFolder();
  onTestFinished(folder.remove);
  const port = await freePort();
  const node = new StartProcess({
    QUORATE_PORT: String(port),
    QUORATE_NODE_NAME: 'n1',
    QUORATE_DATA_DIR: folder.path,
    QUORATE_REPLICATION_FACTOR: '1',
    QUORATE_LOG_LEVEL: 'info',
  });
  onTestFinished(() => node.stop());
  await expect.poll(() => node.readiness(), { timeout: 20_000 }).toMatchObject({ ready: true });
  await fetch(`${node.url}/kv/k`, { method: 'PUT', body: 'kept' });
  const pid = node.pid;
  const before = await idOf(node);

  const address = `127.0.0.1:${port}` as Address;
  const first = await ringOf(address);
  const rest = await member(first);
  await tell(rest, address, ringFor(first, [rest.nodeId]));
  // Between two lives nobody listens.
  const another = async () => ((await idOf(node)) ?? before) !== before;
  await expect.poll(another, { timeout: 20_000 }).toBe(true);
  const after = await idOf(node);
  expect(node.isRunning && node.pid).toBe(pid);
  // The second, when it has asked to be taken in meanwhile: the other one does not answer that.
  expect((await node.readiness())?.text).toMatch(/this node was replaced|a member was asked/);
  expect((await fetch(`${node.url}/kv/k?consistency=one`)).status).toBe(503);

  await tell(rest, address, ringFor(first, [after as NodeId], 2));
  await expect
    .poll(async () => (await fetch(`${node.url}/kv/k`)).text(), { timeout: 20_000 })
    .toBe('kept');
  await expect.poll(() => node.said, { timeout: 20_000 }).toContain('is offered and removed');
  await node.stop();
  expect(await node.ended()).toBe(0);

  function ringFor(ring: Ring, ids: readonly NodeId[], later = 1): Ring {
    const [member] = ring.members;
    if (member === undefined) throw new Error('a ring has members');
    const members = ids.map((id): Member => ({ ...member, id }));
    const assignment = ring.assignment.map(() => ids);
    return new Ring({ ...ring, epoch: (ring.epoch + later) as Epoch, members, assignment });
  }
}, 90_000);

/** The one with whom the cluster goes on. */
async function member({ clusterId }: Ring): Promise<Peer> {
  const peer = await startPeer({ clusterId, handlers: { ...NOBODY } });
  onTestFinished(() => peer.close());
  return peer;
}

/** It has nothing to say; the node is told its rings by the test. */
const NOBODY: Partial<Handlers> = {
  'membership.ring': async () => ({ ok: true, reply: { ring: undefined } }),
};

async function ringOf(address: Address): Promise<Ring> {
  const peer = await startPeer();
  try {
    const answer = await peer.transport.callAddress(address, { type: 'membership.ring' }, CALL);
    const ring = answer.ok && answer.reply.ring ? decodeRing(answer.reply.ring) : undefined;
    if (ring === undefined) throw new Error(`no ring: ${JSON.stringify(answer)}`);
    return ring;
  } finally {
    await peer.close();
  }
}

async function tell(from: Peer, address: Address, ring: Ring): Promise<void> {
  const request = { type: 'ring.decided', ring: encodeRing(ring) } as const;
  await from.transport.callAddress(address, request, CALL);
}

async function idOf(node: StartProcess): Promise<string | undefined> {
  try {
    const answer = await fetch(`${node.url}/livez`);
    return ((await answer.json()) as { readonly id: string }).id;
  } catch {
    return undefined;
  }
}
