/** Two processes that run as one node, each of which has met another member first. */
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Address, Epoch, NodeId } from '../../src/ids.ts';
import type { CallOptions } from '../../src/rpc/transport.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { systemClock } from '../../src/runtime/system-clock.ts';
import { hex, KEY, type Peer, type PeerSettings, startPeer } from './peers.ts';

const READ = { type: 'replica.read', epoch: 7 as Epoch, key: KEY, level: 'quorum' } as const;
const RING = { type: 'membership.ring' } as const;
const WITHIN: CallOptions = { timeoutMs: 2_000, traffic: 'membership' };
const FOUND_WITHIN_MS = 10_000;
const SAME = expect.stringContaining('same node id');

const nodeId = hex(8) as NodeId;
const started: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((close) => close()));
});

describe('of two that run as one node, and that two members each know another one of', () => {
  test.each<[string, PeerSettings, PeerSettings]>([
    ['was started fewer times', { incarnation: 1 }, { incarnation: 2 }],
    [
      'comes first by its nonce, of equal starts',
      { nonce: `0${hex(16).slice(1)}` },
      { nonce: `f${hex(16).slice(1)}` },
    ],
  ])(
    'the one that %s is talked to by both, the other by neither',
    async (_which, first, second) => {
      const { b, c, stays, goes } = await divided(first, second);
      tellEachOther(b, c);
      await vi.waitFor(async () => {
        for (const member of [b, c]) {
          expect(await goes.transport.callAddress(member.address, RING, WITHIN)).toMatchObject({
            ok: false,
            reason: SAME,
          });
          expect(await stays.transport.callAddress(member.address, RING, WITHIN)).toMatchObject({
            ok: true,
          });
        }
      }, FOUND_WITHIN_MS);

      goes.served.splice(0);
      for (const member of [b, c]) {
        await vi.waitFor(async () => {
          expect(await member.transport.call(nodeId, READ, WITHIN)).toMatchObject({ ok: true });
        }, FOUND_WITHIN_MS);
        const other = await member.transport.callAddress(goes.address, RING, WITHIN);
        expect(other).toMatchObject({ ok: false });
      }
      expect(stays.served.filter((type) => type === READ.type)).toHaveLength(2);
      expect(goes.served).toEqual([]);

      for (const member of [b, c]) {
        await vi.waitFor(() => expect(errorsOf(member)).not.toEqual([]), FOUND_WITHIN_MS);
        expect(errorsOf(member)).toEqual([
          {
            node: nodeId,
            stays: stays.address,
            refused: goes.address,
            remedy: expect.any(String),
          },
        ]);
      }
    },
  );

  test('the other one stays out where the first is not reached, as long as members tell of that one', async () => {
    const time = new AheadClock();
    const { b, c, stays, goes } = await divided(
      { incarnation: 1, advertise: '127.0.0.1:1' as Address },
      { incarnation: 2 },
      { clock: time },
    );
    expect(await b.transport.callAddress(stays.address, RING, WITHIN)).toMatchObject({ ok: true });
    const call = () => goes.transport.callAddress(c.address, RING, WITHIN);
    const telling = tellEachOther(b, c);
    await vi.waitFor(() => expect(errorsOf(c)).not.toEqual([]), FOUND_WITHIN_MS);
    for (let turn = 0; turn < 2; turn++) {
      await vi.waitFor(
        async () => expect(await call()).toMatchObject({ ok: false, reason: SAME }),
        FOUND_WITHIN_MS,
      );
      time.aheadMs += 20_000;
      const life = b.transport.lifeOf(nodeId);
      if (life !== undefined) c.transport.hearLife(b.nodeId, [nodeId, life]);
    }
    telling.stop();
    await stays.close();
    await vi.waitFor(() => expect(b.transport.lifeOf(nodeId)).toBeUndefined());
    time.aheadMs += 30_000;
    await vi.waitFor(async () => expect(await call()).toMatchObject({ ok: true }), FOUND_WITHIN_MS);
    expect(c.transport.lifeOf(nodeId)).toBe(goes.nonce);
  });

  test('a later start of the other one is a life like any other, once the first has ended', async () => {
    const { b, c, stays, goes } = await divided({ incarnation: 1 }, { incarnation: 2 });
    tellEachOther(b, c);
    await vi.waitFor(() => expect(errorsOf(c)).not.toEqual([]), FOUND_WITHIN_MS);
    await Promise.all([stays.close(), goes.close()]);
    const again = await start({ nodeId, incarnation: 3 });
    for (const member of [b, c]) {
      await vi.waitFor(async () => {
        const answer = await again.transport.callAddress(member.address, RING, WITHIN);
        expect(answer).toMatchObject({ ok: true });
      }, FOUND_WITHIN_MS);
    }
    expect([errorsOf(b).length, errorsOf(c).length]).toEqual([1, 1]);
  });
});

describe('one process is not taken for two', () => {
  test('however often it is started again while members tell what they know of it', async () => {
    const [b, c] = [await startMember(), await startMember()];
    await acquaint(b, c);
    tellEachOther(b, c);
    const lives = new Set<string>();
    for (let incarnation = 1; incarnation <= 25; incarnation++) {
      const life = await start({ nodeId, incarnation });
      lives.add(life.nonce);
      // Now the one meets it first, now the other; and what is told is soon old.
      for (const member of incarnation % 2 === 0 ? [b, c] : [c, b]) {
        const { transport } = life;
        expect(await transport.callAddress(member.address, RING, WITHIN)).toMatchObject({
          ok: true,
        });
        for (const old of lives) {
          b.transport.hearLife(c.nodeId, [nodeId, old]);
          c.transport.hearLife(b.nodeId, [nodeId, old]);
        }
      }
      await life.close();
    }
    expect([errorsOf(b), errorsOf(c)]).toEqual([[], []]);
  });

  test('because calls to a former life of it pile up, and are shed here', async () => {
    const b = await startMember();
    const c = await startMember({ limits: { maxPendingCalls: 1 } });
    await acquaint(b, c);
    const silent = { 'replica.read': () => new Promise<never>(() => undefined) };
    const former = await start({ nodeId, incarnation: 1, handlers: silent });
    expect(await c.transport.callAddress(former.address, RING, WITHIN)).toMatchObject({ ok: true });
    const waiting = c.transport.call(nodeId, READ, { ...WITHIN, timeoutMs: 2_500 });
    const next = await start({ nodeId, incarnation: 2 });
    expect(await next.transport.callAddress(b.address, RING, WITHIN)).toMatchObject({ ok: true });
    for (let told = 0; told < 10; told++) {
      c.transport.hearLife(b.nodeId, [nodeId, next.nonce]);
      await b.transport.callAddress(c.address, RING, WITHIN);
    }
    expect(c.counters.get('peer_requests_shed_total')).toBeGreaterThan(0);
    expect(await waiting).toMatchObject({ ok: false });
    expect(errorsOf(c)).toEqual([]);
  });
});

/** `b` has met a life of the node begun with `first`, `c` one begun with `second`. */
async function divided(first: PeerSettings, second: PeerSettings, ofC: PeerSettings = {}) {
  const [b, c] = [await startMember(), await startMember(ofC)];
  await acquaint(b, c);
  const stays = await start({ ...first, nodeId });
  const goes = await start({ ...second, nodeId });
  expect(await stays.transport.callAddress(b.address, RING, WITHIN)).toMatchObject({ ok: true });
  expect(await goes.transport.callAddress(c.address, RING, WITHIN)).toMatchObject({ ok: true });
  return { b, c, stays, goes };
}

async function start(settings: PeerSettings): Promise<Peer & { readonly nonce: string }> {
  const nonce = settings.nonce ?? hex(16);
  const peer = await startPeer({ ...settings, nonce });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= peer.close();
    return closed;
  };
  started.push(close);
  return { ...peer, nonce, close };
}

/** A peer that answers for the lives that it is connected to. */
async function startMember(settings: PeerSettings = {}): Promise<Peer> {
  const member: Peer = await start({
    ...settings,
    handlers: {
      'membership.confirm': async (request) => ({
        ok: true,
        reply: await member.transport.confirmLife(request),
      }),
    },
  });
  return member;
}

async function acquaint(b: Peer, c: Peer): Promise<void> {
  expect(await b.transport.callAddress(c.address, RING, WITHIN)).toMatchObject({ ok: true });
  expect(await c.transport.callAddress(b.address, RING, WITHIN)).toMatchObject({ ok: true });
}

/** What pings do, until the end of the test. */
function tellEachOther(b: Peer, c: Peer): { stop(): void } {
  const tell = (from: Peer, to: Peer): void => {
    const life = from.transport.lifeOf(nodeId);
    if (life !== undefined) to.transport.hearLife(from.nodeId, [nodeId, life]);
  };
  const timer = setInterval(() => {
    tell(b, c);
    tell(c, b);
  }, 5);
  const stop = (): void => clearInterval(timer);
  onTestFinished(stop);
  return { stop };
}

function errorsOf({ log }: Peer): readonly object[] {
  return log.lines.filter(({ level }) => level === 'error').map(({ fields }) => fields);
}

/** The machine's clock, which can be set ahead. */
class AheadClock implements Clock {
  aheadMs = 0;

  wallMs(): number {
    return systemClock.wallMs();
  }
  monotonicMs(): number {
    return systemClock.monotonicMs() + this.aheadMs;
  }
  schedule(delayMs: number, task: () => void) {
    return systemClock.schedule(delayMs, task);
  }
}
