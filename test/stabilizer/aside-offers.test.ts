import { describe, expect, test } from 'vitest';
import type { Epoch, Key, NodeId, Partition } from '../../src/ids.ts';
import { Aside } from '../../src/replica/aside.ts';
import { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import type { Replies, RequestOf } from '../../src/rpc/messages.ts';
import type { Answer } from '../../src/rpc/transport.ts';
import { RateLimit } from '../../src/runtime/rate-limit.ts';
import { AsideOffers } from '../../src/stabilizer/aside-offers.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { keepOwn, readOwn } from '../../src/storage/own-state.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import { type Entry, StoreReadError, valueBytesOf } from '../../src/storage/store.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import { openSealed, sealRecord } from '../../src/version/record-codec.ts';
import type { Version } from '../../src/version/version.ts';
import { membersFrom } from '../ring/placement.ts';
import { jointRing, ringOf } from '../ring/sample-rings.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { silentLog } from '../telemetry/silent-log.ts';
import { versionAt } from '../version/version-at.ts';

type Type = 'replica.version' | 'replica.repair';
const CURRENT = new RecordPlaces(1);
const P = 0 as Partition;
const K = 'k' as Key;
const NEVER = new AbortController().signal;

describe('offers of what was set aside', () => {
  test('send a record that nobody has to all replicas, and forget it when a quorum took it', async () => {
    const scene = await newScene();
    const [, , silent = ''] = scene.ring.replicasOf(scene.ring.partitionOf(K));
    scene.silent.add(silent);
    await scene.setAside(K, 5);
    await scene.turn();
    expect(scene.holders(K, 5)).toBe(2);
    expect(await scene.left()).toBe(0);
    expect(scene.counts()).toEqual({ offered: 1, taken: 1, damaged: 0 });
  });

  test('send nothing of what a quorum holds already, or holds newer', async () => {
    const scene = await newScene();
    const [a = '', b = ''] = scene.ring.replicasOf(scene.ring.partitionOf(K));
    scene.give(a, K, 5);
    scene.give(b, K, 9);
    await scene.setAside(K, 5);
    await scene.turn();
    expect(scene.sent).toBe(0);
    expect(scene.counts()).toEqual({ offered: 1, taken: 0, damaged: 0 });
    expect(await scene.left()).toBe(0);
  });

  test('keep a record that only a minority holds, until a quorum does', async () => {
    const scene = await newScene();
    const [a = '', b = '', c = ''] = scene.ring.replicasOf(scene.ring.partitionOf(K));
    scene.give(a, K, 9);
    scene.silent.add(b).add(c);
    await scene.setAside(K, 5);
    await scene.turn();
    expect(await scene.left()).toBe(1);
    expect(scene.counts()).toEqual({ offered: 0, taken: 0, damaged: 0 });
    scene.silent.delete(b);
    await scene.turn();
    expect(await scene.left()).toBe(0);
  });

  test('need a quorum of both replica sets while the ring is joint', async () => {
    const scene = await newScene();
    scene.ring = jointRing(scene.ring, membersFrom(6, 3));
    const [, wanted = []] = scene.ring.replicaSets(scene.ring.partitionOf(K));
    for (const id of wanted.slice(1)) scene.silent.add(id);
    await scene.setAside(K, 5);
    await scene.turn();
    expect(await scene.left()).toBe(1);
    scene.silent.clear();
    await scene.turn();
    expect(await scene.left()).toBe(0);
  });

  test('take the newer ring of a replica that refused, and go on under it', async () => {
    const scene = await newScene();
    scene.newer = new Ring({ ...scene.ring, epoch: 7 as Epoch });
    await scene.setAside(K, 5);
    await scene.turn();
    expect(scene.ring.epoch).toBe(7);
    expect(await scene.left()).toBe(1);
    await scene.turn();
    expect(await scene.left()).toBe(0);
  });

  test('wait until this node is a member', async () => {
    const scene = await newScene();
    scene.member = false;
    await scene.setAside(K, 5);
    await scene.turn();
    expect(scene.asked).toBe(0);
    expect(await scene.left()).toBe(1);
  });

  test('come to an end: then nothing is set aside any more', async () => {
    const scene = await newScene();
    for (let n = 0; n < 100; n++) await scene.setAside(`key ${n}`, 1);
    await scene.turn();
    expect(await readOwn(scene.store, 'aside')).toBeUndefined();
    expect(await Aside.open(scene.store, CURRENT)).toBeUndefined();
    const { asked } = scene;
    await scene.turn();
    expect(scene.asked).toBe(asked);
  });

  test('are left by one that cannot be settled: the others are, and it comes again', async () => {
    const scene = await newScene();
    for (let n = 0; n < 100; n++) await scene.setAside(`key ${n}`, 1);
    scene.refused.add('key 50');
    await scene.turn();
    expect(await scene.left()).toBe(1);
    expect(await readOwn(scene.store, 'aside')).toBeDefined();
    scene.refused.clear();
    await scene.turn();
    expect(await readOwn(scene.store, 'aside')).toBeUndefined();
    expect(scene.counts()).toEqual({ offered: 100, taken: 100, damaged: 0 });
  });

  test('go on behind a large one that cannot be settled', async () => {
    const scene = await newScene();
    for (const key of ['a', 'b', 'c']) await scene.setAside(key, 1, 700_000);
    scene.refused.add('a');
    await scene.turn();
    expect(await scene.left()).toBe(1);
  });

  test('stop walking when many in a row cannot be settled', async () => {
    const scene = await newScene();
    for (let n = 0; n < 100; n++) await scene.setAside(`key ${n}`, 1);
    for (const { id } of scene.ring.members) scene.silent.add(id);
    await scene.turn();
    expect(scene.asked).toBeLessThanOrEqual(32 * 3);
  });

  test('pass over what is damaged, or lies under the key of another', async () => {
    const scene = await newScene();
    await scene.setAside(K, 5);
    await scene.putAside('cut', Uint8Array.of(1, 2, 3));
    await scene.putAside('swapped', recordOf(K, 9).bytes);
    await scene.turn();
    expect(scene.counts()).toEqual({ offered: 1, taken: 1, damaged: 2 });
    expect(scene.holders(K, 5)).toBe(3);
    expect(await scene.left()).toBe(0);
  });

  test('end, and leave everything, where the disk cannot be read', async () => {
    const scene = await newScene();
    await scene.setAside(K, 5);
    scene.store.unreadable = true;
    await scene.turn();
    scene.store.unreadable = false;
    await scene.turn();
    expect(scene.asked).toBe(0);
    expect(await scene.left()).toBe(1);
    expect(await readOwn(scene.store, 'aside')).toBeDefined();
  });

  test('send large values one by one', async () => {
    const scene = await newScene();
    for (const key of ['a', 'b', 'c']) await scene.setAside(key, 1, 700_000);
    await scene.turn();
    expect(scene.mostAtOnce).toBe(3); // of the three replicas one each
    expect(scene.store.largestPage).toBeLessThan(800_000);
    expect(await scene.left()).toBe(0);
  });

  test('are held to their rate', async () => {
    const scene = await newScene(4 * 1024 * 1024);
    for (let n = 0; n < 64; n++) await scene.setAside(`key ${n}`, 1, 200_000);
    let over = false;
    const turn = scene.turn().then(() => {
      over = true;
    });
    while (scene.clock.timers === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await scene.left()).toBeLessThan(64);
    let waitedMs = 0;
    for (; !over; waitedMs += 100) {
      scene.clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await turn;
    expect(waitedMs).toBeGreaterThan(2_500); // 12.8 MB at 4 MiB a second, the first page at once
    expect(waitedMs).toBeLessThan(3_500);
  });
});

async function newScene(bytesPerSecond = Number.POSITIVE_INFINITY) {
  const scene = new Scene();
  await scene.store.batch([keepOwn('aside', {})]);
  const aside = await Aside.open(scene.store, CURRENT);
  if (aside === undefined) throw new Error('something is set aside');
  const offers = new AsideOffers({
    aside,
    membership: scene,
    call: (to, request) => scene.call(to, request) as Promise<Answer<never>>,
    rate: new RateLimit(scene.clock, bytesPerSecond),
    clock: scene.clock,
    counters: scene.counters,
    log: silentLog,
  });
  return Object.assign(scene, { turn: () => offers.turn(NEVER) });
}

/** Five members that answer at once, and a store with records set aside. */
class Scene {
  readonly store = new TestStore();
  readonly clock = new HandClock();
  readonly counters = new Counters();
  readonly silent = new Set<string>();
  /** Keys that no replica takes. */
  readonly refused = new Set<string>();
  member = true;
  /** A ring that the replicas hold already. */
  newer: Ring | undefined;
  asked = 0;
  sent = 0;
  mostAtOnce = 0;
  #underWay = 0;
  #ring = ringOf(membersFrom(1, 5));
  readonly #held = new Map<string, Version>();

  get ring(): Ring {
    return this.member ? this.#ring : (undefined as unknown as Ring);
  }

  set ring(ring: Ring) {
    this.#ring = ring;
  }

  async adopt(bytes: Uint8Array): Promise<void> {
    expect(this.newer && encodeRing(this.newer)).toEqual(bytes);
    this.#ring = this.newer ?? this.#ring;
  }

  async call(to: NodeId, request: RequestOf<Type>): Promise<Answer<Replies[Type]>> {
    this.asked += 1;
    if (this.silent.has(to)) return { ok: false, from: to, failure: 'timeout' };
    if (this.newer !== undefined && this.newer.epoch > request.epoch) {
      const refusal = { reason: 'stale_epoch', ring: encodeRing(this.newer) } as const;
      return { ok: false, from: to, failure: 'refused', refusal };
    }
    if (request.type === 'replica.version') {
      const version = this.#held.get(`${to} ${request.key}`);
      return { ok: true, from: to, reply: { version, tombstone: false, pressure: 'none' } };
    }
    this.sent += 1;
    this.#underWay += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#underWay);
    await Promise.resolve();
    this.#underWay -= 1;
    const record = openSealed(request.record);
    if (record === undefined || this.refused.has(record.key)) {
      return { ok: false, from: to, failure: 'refused', refusal: { reason: 'damaged' } };
    }
    const place = `${to} ${record.key}`;
    const held = this.#held.get(place);
    const version = held !== undefined && held > record.version ? held : record.version;
    this.#held.set(place, version);
    return { ok: true, from: to, reply: { version } };
  }

  give(to: string, key: string, at: number): void {
    this.#held.set(`${to} ${key}`, versionAt(at));
  }

  /** Members that hold that version of `key`. */
  holders(key: string, at: number): number {
    const of = ({ id }: { id: NodeId }): boolean =>
      this.#held.get(`${id} ${key}`) === versionAt(at);
    return this.ring.members.filter(of).length;
  }

  async setAside(key: string, at: number, bytes = 1): Promise<void> {
    await this.putAside(key, recordOf(key, at, bytes).bytes);
  }

  async putAside(key: string, value: Uint8Array): Promise<void> {
    await this.store.batch([{ type: 'put', key: CURRENT.other.at(P, key as Key), value }]);
  }

  async left(): Promise<number> {
    return (await this.store.scan(CURRENT.other.all, 1_000)).length;
  }

  counts() {
    const { counters } = this;
    return {
      offered: counters.get('aside_records_offered_total'),
      taken: counters.get('aside_records_taken_total'),
      damaged: counters.get('aside_records_damaged_total'),
    };
  }
}

class TestStore extends MemoryStore {
  unreadable = false;
  largestPage = 0;

  override async scan(...args: Parameters<MemoryStore['scan']>): Promise<readonly Entry[]> {
    if (this.unreadable) throw new StoreReadError('a page is damaged');
    const entries = await super.scan(...args);
    this.largestPage = Math.max(this.largestPage, valueBytesOf(entries));
    return entries;
  }
}

function recordOf(key: string, at: number, bytes = 1) {
  const value = { type: 'value', value: new Uint8Array(bytes), contentType: 'text/plain' } as const;
  const content = { ...value, metadata: new Map<string, string>() };
  return sealRecord({ key: key as Key, version: versionAt(at), content });
}
