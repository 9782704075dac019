import { describe, expect, test } from 'vitest';
import type { Key, NodeId } from '../../src/ids.ts';
import type { Replies, RequestOf, RequestType, Served } from '../../src/rpc/messages.ts';
import type { Answer } from '../../src/rpc/transport.ts';
import { RateLimit } from '../../src/runtime/rate-limit.ts';
import { Surplus } from '../../src/stabilizer/surplus.ts';
import { recordKey } from '../../src/storage/keys.ts';
import { openSealed } from '../../src/version/record-codec.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { silentLog } from '../telemetry/silent-log.ts';
import { A, B, C, type Copy, D, openCopy, P, record, ringOf, settled } from './copies.ts';

const RING = ringOf(2, [A, B, C]);

describe('surplus', () => {
  test('is removed when the present replicas hold it', async () => {
    const scene = await begin();
    await scene.passUntil(() => scene.removed);
    expect(await scene.own.keys()).toEqual([]);
    expect(await scene.takers[0].keys()).toEqual(['a', 'b', 'c', 'only here']);
  });

  test('is not removed after a walk that broke off: what lies behind was offered to nobody', async () => {
    const scene = await begin();
    scene.own.store.unreadableOnce = recordKey(1, P, 'only here' as Key);
    await scene.passUntil(() => scene.removed);
    for (const taker of scene.takers) expect(await taker.keys()).toContain('only here');
  });

  test('is offered as well when it could not be read soundly the first time', async () => {
    const scene = await begin();
    await scene.own.damage('only here');
    scene.onAsked = async () => {
      scene.onAsked = async () => undefined;
      await scene.own.damage('only here'); // the same bit again: it is sound from now on
    };
    await scene.passUntil(() => scene.removed);
    for (const taker of scene.takers) expect(await taker.keys()).toContain('only here');
  });

  test('is left as it is, without a word, when the node stops during the walk', async () => {
    const scene = await begin();
    let stopped: Promise<void> | undefined;
    scene.onAsked = async () => {
      if (stopped !== undefined) return;
      scene.own.scan.close();
      stopped = scene.stop();
    };
    await scene.passUntil(() => stopped !== undefined);
    await stopped;
    expect(await scene.own.replica.read(P, 'only here' as Key)).toMatchObject({ state: 'record' });
    expect(scene.errors).toEqual([]);
  });

  test('of which records are missing goes the way of the rest: nothing brings those back', async () => {
    const scene = await begin();
    await scene.own.lose('b');
    await scene.passUntil(() => scene.removed);
    for (const taker of scene.takers) expect(await taker.keys()).toContain('only here');
  });
});

/** D keeps a partition that is A's, B's and C's by now, and a record of it that they lack. */
async function begin() {
  const own = await openCopy(D, RING);
  const takers = [
    await openCopy(A, RING),
    await openCopy(B, RING),
    await openCopy(C, RING),
  ] as const;
  for (const copy of [own, ...takers]) await copy.keep(record('a'), record('b'), record('c'));
  await own.keep(record('only here'));
  const errors: string[] = [];
  const scene = {
    own,
    errors,
    stop: (): Promise<void> => surplus.close(),
    takers,
    /** Runs before a question is answered. */
    onAsked: async (): Promise<void> => undefined,
    get removed() {
      return own.counters.get('surplus_partitions_removed_total') > 0;
    },
    async passUntil(isDone: () => boolean) {
      for (let turn = 0; turn < 1_000 && !isDone(); turn++) {
        own.clock.advance(100);
        await settled();
      }
      await surplus.close();
      expect(isDone()).toBe(true);
    },
  };
  const surplus = new Surplus({
    self: D,
    membership: own.membership,
    transport: {
      async call<Type extends RequestType>(to: NodeId, request: RequestOf<Type>) {
        await scene.onAsked();
        const taker = takers.find(({ self }) => self === to) ?? own;
        const served = (await serve(taker, request)) as Served<Replies[Type]>;
        const answer: Answer<Replies[Type]> = served.ok
          ? { ok: true, from: to, reply: served.reply }
          : { ok: false, from: to, failure: 'refused', refusal: served.refusal };
        return answer;
      },
    },
    replica: own.replica,
    counts: own.counts,
    scan: own.scan,
    barrier: own.barrier,
    rate: new RateLimit(own.clock, Number.POSITIVE_INFINITY),
    clock: own.clock,
    random: new SeededRandom(1, 'surplus'),
    counters: own.counters,
    log: { ...silentLog, error: (message: string) => void errors.push(message) },
  });
  return scene;
}

async function serve(copy: Copy, request: RequestOf<RequestType>): Promise<Served<unknown>> {
  const context = { from: D, deadlineMs: Number.POSITIVE_INFINITY };
  switch (request.type) {
    case 'transfer.branches':
      return copy.source.handlers[request.type](request, context);
    case 'transfer.digests':
      return copy.source.handlers[request.type](request, context);
    case 'replica.version': {
      const held = await copy.replica.read(P, request.key);
      const version = held.state === 'record' ? held.record.version : undefined;
      return { ok: true, reply: { version, tombstone: false, pressure: 'none' } };
    }
    case 'replica.repair': {
      const offered = openSealed(request.record);
      if (offered !== undefined) await copy.keep(offered);
      return { ok: true, reply: { version: offered?.version } };
    }
    default:
      throw new Error(`surplus asks no ${request.type}`);
  }
}
