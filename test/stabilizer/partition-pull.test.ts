import { describe, expect, test } from 'vitest';
import type { Key, NodeId } from '../../src/ids.ts';
import { LossyPartitions } from '../../src/replica/lossy-partitions.ts';
import { Ring } from '../../src/ring/ring.ts';
import type { Request, RequestContext, Served } from '../../src/rpc/messages.ts';
import type { Transport } from '../../src/rpc/transport.ts';
import { PartitionPull } from '../../src/stabilizer/partition-pull.ts';
import { silentLog } from '../telemetry/silent-log.ts';
import { A, B, C, type Copy, D, openCopy, P, record, records, ringOf, settled } from './copies.ts';

const JOINT = ringOf(2, [A, B, C], [A, B, D]);

describe('the pull of a partition', () => {
  test('needs n-q+1 of the old replicas', async () => {
    const pull = await begin(D, JOINT);
    pull.silent.add(B).add(C);
    expect(await pull.attempt()).toBe(false);
    pull.silent.delete(C);
    expect(await pull.attempt()).toBe(true);
    expect(pull.failed).toEqual([]);
  });

  test('needs all of them where only survivors are left', async () => {
    const pull = await begin(D, new Ring({ ...JOINT, recovering: [P] }));
    pull.silent.add(C);
    expect(await pull.attempt()).toBe(false);
    pull.silent.delete(C);
    expect(await pull.attempt()).toBe(true);
  });

  test('counts this node itself when it is an old replica with a sound copy', async () => {
    const sound = await begin(A, JOINT);
    sound.silent.add(C);
    expect(await sound.attempt()).toBe(true);
    for (const spoil of [
      (copy: Copy) => copy.damage('own'),
      (copy: Copy) => copy.lose('own'),
      (copy: Copy) => copy.store.batch(copy.lossy.mark(P)),
    ]) {
      const pull = await begin(A, JOINT);
      await pull.own.keep(record('own'));
      await spoil(pull.own);
      pull.silent.add(C);
      expect(await pull.attempt()).toBe(false);
    }
  });

  test('needs no other where this node was the only replica', async () => {
    const pull = await begin(A, ringOf(2, [A], [A, B, C]));
    await pull.own.keep(...records(10));
    expect(await pull.attempt()).toBe(true);
    const damaged = await begin(A, ringOf(2, [A], [A, B, C]));
    await damaged.own.keep(record('own'));
    await damaged.own.damage('own');
    expect(await damaged.attempt()).toBe(false);
  });

  test('counts a lossy copy where the other survivors have brought what they have', async () => {
    for (const old of [[A], [A, B]]) {
      const pull = await begin(A, new Ring({ ...ringOf(2, old, [A, C, D]), recovering: [P] }));
      await pull.own.store.batch(pull.own.lossy.mark(P));
      for (const other of old.slice(1)) {
        pull.silent.add(other);
        expect(await pull.attempt()).toBe(false);
        pull.silent.delete(other);
      }
      expect(await pull.attempt()).toBe(true);
      expect(pull.own.lossy.has(P)).toBe(false);
    }
  });

  test('brings the newest of what its sources hold', async () => {
    const pull = await begin(D, JOINT);
    const [a, b] = [pull.copy(A), pull.copy(B)];
    await a.keep(...records(30), record('x', 5), record('y', 1));
    await b.keep(...records(30), record('x', 4), record('y', 2), record('z', 1));
    expect(await pull.attempt()).toBe(true);
    for (const [key, at] of [
      ['x', 5],
      ['y', 2],
      ['z', 1],
    ] as const) {
      expect(await pull.own.replica.read(P, key as Key)).toMatchObject({
        record: { version: record(key, at).version },
      });
    }
    expect(await pull.own.keys()).toHaveLength(33);
  });

  test('goes on behind the last page that was stored', async () => {
    const pull = await begin(D, JOINT);
    const all = records(600, 2_000);
    for (const id of [A, B, C]) await pull.copy(id).keep(...all);
    pull.silent.add(B).add(C);
    pull.failAfterPages = 2;
    expect(await pull.attempt()).toBe(false);
    expect(pull.failed).toEqual([A]);
    const stored = await pull.own.keys();
    expect(stored.length).toBeGreaterThan(100);
    pull.failAfterPages = Number.POSITIVE_INFINITY;
    pull.asked.length = 0;
    await pull.attempt();
    expect(pull.asked[0]).toMatchObject({ type: 'transfer.records', after: stored.at(-1) });
    expect(await pull.own.keys()).toHaveLength(600);
    const whole = all.reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(pull.own.counters.get('transfer_bytes_total')).toBe(whole);
  });

  test('is not done while a source holds what cannot be stored over a damaged copy', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(record('x', 2));
    await pull.own.keep(record('x', 1));
    await pull.own.damage('x');
    expect(await pull.attempt()).toBe(false);
    expect(pull.own.healed).toContain('x');
    await pull.own.replica.heal(P, 'x' as Key, record('x', 2), pull.own.replica.ticket(), 0);
    expect(await pull.attempt()).toBe(true);
  });

  test('takes nothing for held that is being removed, because the ring before gave it to others', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C, D]) await pull.copy(id).keep(...records(10));
    const { store, replica } = pull.own;
    const batch = store.batch.bind(store);
    let remove = (): void => undefined;
    store.batch = async (changes) => {
      if (changes[0]?.type === 'delete') await new Promise<void>((go) => (remove = go));
      return batch(changes);
    };
    const removal = replica.discard(P, () => true);
    const attempt = pull.attempt();
    await new Promise((resolve) => setImmediate(resolve));
    remove();
    await removal;
    expect(await attempt).toBe(true);
    expect(await pull.own.keys()).toHaveLength(10);
  });

  test('makes a copy whole again that lost records without a trace', async () => {
    const pull = await begin(A, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(record('lost'), record('there'));
    await pull.own.lose('lost');
    await pull.own.store.batch(pull.own.lossy.mark(P));
    expect(await pull.attempt()).toBe(false);
    expect(pull.own.healed).toEqual(expect.arrayContaining(['lost']));
    await pull.own.replica.heal(P, 'lost' as Key, record('lost'), pull.own.replica.ticket(), 0);
    expect(await pull.attempt()).toBe(true);
    expect(pull.own.lossy.has(P)).toBe(false);
    expect((await LossyPartitions.open(pull.own.store, 0)).has(P)).toBe(false);
    const read = await pull.own.replica.read(P, 'other' as Key);
    expect(read).toEqual({ state: 'nothing' });
  });

  test('takes all that its sources hold now for a lossy copy, whatever they said before', async () => {
    const pull = await begin(A, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(...records(10));
    pull.silent.add(C);
    expect(await pull.attempt()).toBe(true); // B keeps what its walk found
    for (const id of [A, B]) await pull.copy(id).keep(record('acknowledged later'));
    await pull.own.lose('acknowledged later');
    await pull.own.store.batch(pull.own.lossy.mark(P));
    pull.silent.delete(C);
    expect(await pull.attempt()).toBe(false);
    expect(pull.own.healed).toContain('acknowledged later');
    expect(pull.own.lossy.has(P)).toBe(true);
  });

  test('waits with a lossy copy until its last writes have reached the others', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C, D]) await pull.copy(id).keep(...records(10));
    await pull.own.replica.apply(P, record('under way'), 5_000);
    await pull.own.store.batch(pull.own.lossy.mark(P));
    pull.own.clock.advance(4_999);
    expect(await pull.attempt()).toBe(false);
    expect(pull.asked).toEqual([]);
    pull.own.clock.advance(1);
    expect(await pull.attempt()).toBe(true);
    expect(pull.own.lossy.has(P)).toBe(false);
  });

  test('asks no other source before it can tell of a loss that was found on the way', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C, D]) await pull.copy(id).keep(...records(10));
    pull.onRest = () => {
      pull.onRest = () => undefined;
      const { own } = pull;
      own.lossy.noteAcknowledged(own.clock.monotonicMs() + 5_000);
      own.lossy.mark(P);
    };
    expect(await pull.attempt()).toBe(false);
    expect(new Set(pull.askedOf)).toEqual(new Set([A]));
    pull.own.clock.advance(5_000);
    expect(await pull.attempt()).toBe(true);
    expect(pull.own.lossy.has(P)).toBe(false);
  });

  test.each([
    ['a new replica', D, [B, C, A], [B, C, D]],
    ['a replica that stays', B, [B, C, A], [B, C, D]],
    ['the new replica of a partition with two copies', D, [B, A], [B, D]],
    ['one while two leave', D, [C, A, B], [C, D]],
  ])('by %s brings what only a leaving member has', async (_who, self, old, wanted) => {
    const joint = ringOf(2, old, wanted);
    const members = joint.members.map((each) =>
      wanted.includes(each.id) ? each : ({ ...each, leaving: 'asked' } as const),
    );
    const pull = await begin(self, new Ring({ ...joint, members }));
    await pull.copy(A).keep(record('acknowledged alone'));
    expect(await pull.attempt()).toBe(true);
    expect(await pull.own.keys()).toEqual(['acknowledged alone']);
  });

  test('spreads the first reading over those that stay, and does without one that left for good', async () => {
    const joint = ringOf(2, [B, C, A], [B, C, D]);
    const members = joint.members.map((each) =>
      each.id === A ? ({ ...each, leaving: 'asked' } as const) : each,
    );
    const pull = await begin(D, new Ring({ ...joint, members }));
    for (const id of [B, C]) await pull.copy(id).keep(...records(10));
    pull.silent.add(A);
    expect(await pull.attempt()).toBe(true);
    expect([...new Set(pull.askedOf)]).toEqual([B, C]);
    const other = await begin(D, new Ring({ ...joint, members }));
    expect(await other.attempt()).toBe(true);
    expect([...new Set(other.askedOf)]).toEqual([B, A]);
  });

  test('believes no source that sends fewer records than it said to hold', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B]) await pull.copy(id).keep(...records(10), record('lost here'));
    await pull.copy(C).keep(...records(10));
    await pull.copy(A).contents.of(P, JOINT); // somebody else had asked
    await pull.copy(A).lose('lost here');
    pull.silent.add(B);
    expect(await pull.attempt()).toBe(false);
    pull.silent.delete(B);
    expect(await pull.attempt()).toBe(true);
    expect(await pull.own.keys()).toHaveLength(11);
  });

  test('brings again what it brought before a loss was found', async () => {
    const pull = await begin(A, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(...records(10));
    pull.silent.add(C);
    pull.own.lossy.mark(P);
    expect(await pull.attempt()).toBe(false); // B is merged
    await pull.own.lose('key00003');
    await pull.own.store.batch(pull.own.lossy.mark(P));
    pull.silent.delete(C);
    pull.silent.add(B);
    await pull.own.replica.heal(
      P,
      'key00003' as Key,
      record('key00003'),
      pull.own.replica.ticket(),
      0,
    );
    expect(await pull.attempt()).toBe(false); // C is merged
    expect(pull.own.lossy.has(P)).toBe(true);
    pull.silent.delete(B);
    expect(await pull.attempt()).toBe(true);
    expect(pull.own.lossy.has(P)).toBe(false);
  });

  test('is not done any more when a loss is found afterwards', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(...records(10));
    expect(await pull.attempt()).toBe(true);
    expect(pull.isDone).toBe(true);
    await pull.own.store.batch(pull.own.lossy.mark(P));
    expect(pull.isDone).toBe(false);
    expect(await pull.attempt()).toBe(true);
    expect(pull.own.lossy.has(P)).toBe(false);
  });

  test('leaves a lossy copy marked while the disk has no room for less', async () => {
    const pull = await begin(D, JOINT);
    await pull.own.store.batch(pull.own.lossy.mark(P));
    pull.own.store.full = true;
    expect(await pull.attempt()).toBe(false);
    pull.own.store.full = false;
    expect(await pull.attempt()).toBe(true);
  });

  test('waits for room on the disk', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(...records(10));
    pull.own.store.full = true;
    expect(await pull.attempt()).toBe(false);
    pull.own.store.full = false;
    expect(await pull.attempt()).toBe(true);
    expect(await pull.own.keys()).toHaveLength(10);
  });

  test('asks nobody for what could not be kept', async () => {
    const pull = await begin(D, JOINT);
    Object.defineProperty(pull.own.replica, 'space', { value: 'exhausted', configurable: true });
    expect(await pull.attempt()).toBe(false);
    expect(pull.asked).toEqual([]);
  });

  test('dies with its epoch, and takes the ring of a source that refused its own', async () => {
    const pull = await begin(D, JOINT);
    const fold = ringOf(3, [A, B, C], [A, C, D]);
    for (const id of [A, B, C]) pull.copy(id).membership.ring = fold;
    expect(await pull.attempt()).toBe(false);
    expect(pull.own.membership.ring.epoch).toBe(3);
    for (const id of [A, B, C]) pull.copy(id).membership.ring = JOINT;
    expect(await pull.attempt()).toBe(false);
  });

  test.each(['transfer.branches', 'transfer.digests', 'transfer.records'] as const)(
    'dies with its epoch while it waits for %s, and stores nothing any more',
    async (type) => {
      const pull = await begin(D, JOINT);
      for (const id of [A, B, C]) await pull.copy(id).keep(record('x', 2));
      await pull.own.keep(record('x', 1));
      pull.onAnswer = (request) => {
        if (request.type === type) pull.own.membership.ring = ringOf(3, [A, B, C], [A, B, C]);
      };
      expect(await pull.attempt()).toBe(false);
      expect(pull.asked.at(-1)?.type).toBe(type);
      expect(await pull.own.replica.read(P, 'x' as Key)).toMatchObject({
        record: { version: record('x', 1).version },
      });
      expect(pull.rests).toBe(type === 'transfer.records' ? 1 : 0);
    },
  );

  test.each([
    [
      'its epoch is over',
      (pull: Bench) => (pull.own.membership.ring = ringOf(3, [A, B, C], [A, B, C])),
    ],
    ['its source is silent', (pull: Bench) => pull.silent.add(A)],
  ])('waits for no answer any more when %s', async (_what, happen) => {
    const pull = await begin(D, JOINT);
    pull.onAnswer = () => new Promise(() => undefined);
    const attempt = pull.attempt((source) => source !== A);
    await settled();
    happen(pull);
    pull.own.clock.advance(1_000);
    expect(await attempt).toBe(false);
    expect(pull.askedOf).toEqual([A]);
  });

  test.each([
    ['a record of nobody', { records: [Buffer.from('nonsense')], next: undefined }],
    ['bytes that are no digests of branches', { branches: Buffer.from('nonsense') }],
    ['bytes that are no digests of leaves', { digests: Buffer.from('nonsense') }],
  ])('believes no source that sends %s', async (_what, reply) => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(record('x', 2), record('y'));
    await pull.own.keep(record('x', 1));
    pull.forged = reply;
    expect(await pull.attempt()).toBe(false);
    expect(await pull.own.keys()).toEqual(['x']);
    expect(pull.failed).toEqual([A, B, C]);
  });

  test('believes no source that sends a key twice', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(record('x'));
    pull.forged = { records: [record('x', 1).bytes, record('x', 2).bytes], next: undefined };
    expect(await pull.attempt()).toBe(false);
    expect(await pull.own.keys()).toEqual([]);
  });

  test('does not follow pages that lead back', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(record('x'));
    pull.forged = { records: [record('x').bytes], next: 'x' as Key };
    expect(await pull.attempt()).toBe(false);
    expect(pull.failed).toEqual([A, B, C]);
    expect(pull.asked).toHaveLength(3 * 3);
  });

  test('rests after each comparison and each page, and goes no further when it is to end', async () => {
    const pull = await begin(D, JOINT);
    for (const id of [A, B, C]) await pull.copy(id).keep(...records(300));
    pull.silent.add(B).add(C);
    await pull.attempt();
    expect(pull.rests).toBe(1 + 3);

    const ended = await begin(D, JOINT);
    for (const id of [A, B, C]) await ended.copy(id).keep(...records(300));
    ended.onRest = () => ended.over.abort();
    expect(await ended.attempt()).toBe(false);
    expect(ended.asked.map(({ type }) => type)).toEqual(['transfer.branches']);
  });

  test('tells a source that fails from a copy that is damaged, there or here', async () => {
    const pull = await begin(D, JOINT);
    await pull.copy(A).keep(record('x'));
    await pull.copy(A).damage('x');
    pull.failAfterPages = 0;
    await pull.copy(B).keep(record('x'));
    expect(await pull.attempt()).toBe(false);
    expect(pull.failed).toEqual([A, B]);
    expect(pull.available).toEqual([A]);
    const own = await begin(D, JOINT);
    await own.own.keep(record('x', 1));
    await own.own.damage('x');
    await own.copy(A).keep(record('x', 2));
    await own.attempt();
    expect(own.failed).toEqual([A]);
    expect(own.available).toEqual([A]);
  });

  test('leaves sources alone that rest', async () => {
    const pull = await begin(D, JOINT);
    expect(await pull.attempt((source) => source !== A)).toBe(false);
    expect(new Set(pull.askedOf)).toEqual(new Set([A]));
  });
});

type Bench = Awaited<ReturnType<typeof begin>>;

/** Node `self` pulls from the others of the old set. */
async function begin(self: NodeId, ring: Ring) {
  const own = await openCopy(self, ring);
  const copies = new Map<NodeId, Copy>();
  for (const id of [A, B, C, D]) copies.set(id, id === self ? own : await openCopy(id, ring));
  const copy = (id: NodeId): Copy => copies.get(id) ?? own;
  const bench = {
    own,
    copy,
    /** Nodes that count as not reachable. */
    silent: new Set<NodeId>(),
    failAfterPages: Number.POSITIVE_INFINITY,
    /** Sent in place of the replies that have such fields. */
    forged: undefined as object | undefined,
    asked: [] as Request[],
    askedOf: [] as NodeId[],
    failed: [] as NodeId[],
    /** Those that failed for reasons of this partition alone. */
    available: [] as NodeId[],
    /** Rests after steps; `onRest` is what happens meanwhile. */
    rests: 0,
    onRest: (): void => undefined,
    /** What happens while an answer is on its way. */
    onAnswer: (_request: Request): unknown => undefined,
    over: new AbortController(),
    attempt(resting: (source: NodeId) => boolean = () => false): Promise<boolean> {
      const { signal } = bench.over;
      const onFailed = (source: NodeId, isAvailable: boolean): void => {
        bench.failed.push(source);
        if (isAvailable) bench.available.push(source);
      };
      return pull.attempt(resting, onFailed, signal);
    },
    get isDone() {
      return pull.isDone;
    },
  };
  let pages = 0;
  const call = async (to: NodeId, request: Request) => {
    bench.asked.push(request);
    bench.askedOf.push(to);
    if (request.type === 'transfer.records' && ++pages > bench.failAfterPages) {
      return { ok: false, from: to, failure: 'lost' };
    }
    const context = { from: self, deadlineMs: copy(to).clock.monotonicMs() + 10_000 };
    const answer = await serve(copy(to), request, context);
    await bench.onAnswer(request);
    if (!answer.ok) return { ok: false, from: to, failure: 'refused', refusal: answer.refusal };
    const [field = ''] = Object.keys(bench.forged ?? {});
    const isForged = field in (answer.reply as object);
    return { ok: true, from: to, reply: isForged ? bench.forged : answer.reply };
  };
  const membership = {
    get ring() {
      return own.membership.ring;
    },
    isReachable: (node: NodeId) => !bench.silent.has(node),
    adopt: async () => {
      own.membership.ring = copy(A).membership.ring;
    },
  };
  const pull = new PartitionPull(
    {
      ...own,
      membership,
      transport: { call: call as unknown as Transport['call'] },
      pacing: {
        async restAfter() {
          bench.rests += 1;
          bench.onRest();
        },
      },
      log: silentLog,
    },
    ring,
    P,
  );
  return bench;
}

function serve(copy: Copy, request: Request, context: RequestContext): Promise<Served<unknown>> {
  const { handlers } = copy.source;
  if (request.type === 'transfer.branches') return handlers[request.type](request, context);
  if (request.type === 'transfer.digests') return handlers[request.type](request, context);
  if (request.type === 'transfer.records') return handlers[request.type](request, context);
  throw new Error(`nobody pulls by ${request.type}`);
}
