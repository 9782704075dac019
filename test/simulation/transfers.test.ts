import { describe, expect, test } from 'vitest';
import type { Address, Epoch, Incarnation, Key, NodeId, Partition } from '../../src/ids.ts';
import type { Member } from '../../src/ring/member.ts';
import type { ReplicaSet } from '../../src/ring/replica-set.ts';
import { Ring } from '../../src/ring/ring.ts';
import { decodeRing, encodeRing } from '../../src/ring/ring-codec.ts';
import type { Transport } from '../../src/rpc/transport.ts';
import { partitionRange } from '../../src/storage/keys.ts';
import { Life, simulatedClock } from '../simulator/life.ts';
import { Story } from '../simulator/story.ts';

/** Somebody tells the nodes of joint and settled rings here, so that they come and end when a test wants it. */
describe('while a ring is joint', () => {
  test('a new replica ends with the same records as the old ones, sent once', async () => {
    const tale = await Tale.begin();
    await tale.fill(200);
    await tale.replaceLast();
    await tale.pulled(tale.joining, ...tale.kept);
    await tale.expectEqual(tale.joining, ...tale.kept);
    const data = await tale.bytesOn(tale.joining);
    expect(tale.bytesPulledBy(tale.joining)).toBeGreaterThanOrEqual(data);
    expect(tale.bytesPulledBy(tale.joining)).toBeLessThanOrEqual(data * 1.1);
  });

  test('a replica that keeps its place pulls what it missed', async () => {
    const tale = await Tale.begin();
    await tale.fill(50);
    const [stale = 0] = tale.kept;
    const { story } = tale;
    story.network.cut(`node${tale.bystander}`, `node${stale}`);
    await story.put(tale.bystander, 'late', 'v');
    await story.pass(2_000);
    story.network.mend();
    expect(await story.onDisk(stale, 'late')).toBeUndefined();
    await tale.replaceLast();
    await tale.pulled(stale, ...tale.kept, tale.joining);
    expect(await story.onDisk(stale, 'late')).toBeDefined();
    await tale.expectEqual(tale.joining, ...tale.kept);
  });

  test('a second pull right after brings nothing', async () => {
    const tale = await Tale.begin();
    await tale.fill(100);
    await tale.replaceLast();
    await tale.pulled(tale.joining, ...tale.kept);
    const before = tale.bytesPulledBy(tale.joining);
    expect(before).toBeGreaterThan(0);
    await tale.tell({ epoch: 3 as Epoch, next: tale.joint.next });
    await tale.pulled(tale.joining, ...tale.kept);
    expect(tale.bytesPulledBy(tale.joining)).toBe(before);
  });

  test('a source that is cut off in the middle is read on where it stood', async () => {
    const tale = await Tale.begin();
    await tale.fill(60, 20_000);
    const { network } = tale.story;
    const cut = (is: 'cut' | 'mend'): void => {
      if (is === 'mend') network.mend();
      else for (const number of tale.old) network.cut(`node${number}`, `node${tale.joining}`);
    };
    await tale.replaceLast();
    await tale.story.until(() => tale.bytesPulledBy(tale.joining) > 0);
    cut('cut');
    await tale.story.pass(15_000);
    const before = tale.bytesPulledBy(tale.joining);
    cut('mend');
    await tale.pulled(tale.joining, ...tale.kept);
    await tale.expectEqual(tale.joining, ...tale.kept);
    expect(before).toBeLessThan(await tale.bytesOn(tale.joining));
    expect(tale.bytesPulledBy(tale.joining)).toBeLessThanOrEqual(
      (await tale.bytesOn(tale.joining)) * 1.1 + PAGE_AND_MORE,
    );
  });

  test('two of the old replicas are enough, and one is not', async () => {
    const tale = await Tale.begin();
    await tale.fill(50);
    const [first = 0, second = 0] = tale.kept;
    await tale.replaceLast({ tell: tale.others(tale.leaving, second) });
    tale.story.cluster.crash(tale.story.node(tale.leaving));
    tale.story.cluster.crash(tale.story.node(second));
    await tale.story.pass(20_000);
    expect(await tale.progressOf(tale.joining)).toMatchObject({ toPull: 1, pulled: 0 });
    tale.story.cluster.start(tale.story.node(second));
    await tale.pulled(tale.joining, first);
    await tale.expectEqual(tale.joining, first);
  });

  test('a damaged record at a source is healed, and pulled afterwards', async () => {
    const tale = await Tale.begin();
    await tale.fill(50);
    const [first = 0] = tale.kept;
    const [key = ''] = tale.keys;
    await tale.story.tamper(first, key, (bytes) => flipped(bytes));
    await tale.replaceLast();
    await tale.pulled(tale.joining, ...tale.kept);
    await tale.expectEqual(tale.joining, ...tale.kept);
  });

  test('a crash of the puller in the middle costs what it had not stored', async () => {
    const tale = await Tale.begin();
    await tale.fill(60, 20_000);
    const { cluster } = tale.story;
    await tale.replaceLast();
    await tale.story.until(() => tale.bytesPulledBy(tale.joining) > 0);
    const before = tale.bytesPulledBy(tale.joining);
    cluster.crash(tale.story.node(tale.joining));
    cluster.start(tale.story.node(tale.joining));
    await tale.story.until(() => tale.story.node(tale.joining).node !== undefined);
    await tale.pulled(tale.joining, ...tale.kept);
    await tale.expectEqual(tale.joining, ...tale.kept);
    const whole = await tale.bytesOn(tale.joining);
    expect(before).toBeLessThan(whole);
    expect(before + tale.bytesPulledBy(tale.joining)).toBeLessThanOrEqual(
      whole * 1.1 + PAGE_AND_MORE,
    );
  });

  test('what a replica missed under the ring before a fold, it pulls under the next one', async () => {
    const tale = await Tale.begin();
    await tale.fill(20);
    const { story } = tale;
    await tale.replaceLast();
    await tale.pulled(tale.joining, ...tale.kept);
    story.network.cut(`node${tale.leaving}`, `node${tale.joining}`);
    await story.put(tale.leaving, 'late', 'v');
    await story.pass(2_000);
    story.network.mend();
    expect(await story.onDisk(tale.joining, 'late')).toBeUndefined();
    const [first = 0] = tale.kept;
    await tale.changeTo([first, tale.joining, tale.bystander], 3 as Epoch);
    await tale.pulled(first, tale.joining, tale.bystander);
    expect(await story.onDisk(tale.joining, 'late')).toBeDefined();
    await tale.expectEqual(first, tale.joining, tale.bystander);
  });

  test('writes go on, and none that was acknowledged is missing in the end', async () => {
    const tale = await Tale.begin();
    await tale.fill(60, 20_000);
    await tale.replaceLast();
    for (let n = 0; n < 30; n++) {
      const key = tale.keys[n] ?? '';
      await tale.story.put(tale.bystander, key, `newer ${n}`);
    }
    await tale.pulled(tale.joining, ...tale.kept);
    await tale.settle();
    for (let n = 0; n < 30; n++) {
      expect(await tale.story.get(tale.bystander, tale.keys[n] ?? '')).toBe(`newer ${n}`);
    }
  });

  test('a new replica refuses level one until it has pulled', async () => {
    const tale = await Tale.begin();
    await tale.fill(20);
    const [key = ''] = tale.keys;
    const { story } = tale;
    for (const number of tale.old) story.network.cut(`node${tale.joining}`, `node${number}`);
    await tale.replaceLast();
    await expect(story.get(tale.joining, key, 'one')).rejects.toMatchObject({
      replicas: expect.arrayContaining([expect.objectContaining({ state: 'not_ready' })]),
    });
    story.network.mend();
    await tale.pulled(tale.joining);
    for (const number of tale.old) story.cluster.crash(story.node(number));
    expect(await story.get(tale.joining, key, 'one')).toBeDefined();
  });
});

describe('surplus', () => {
  test('stays until the ring is at rest, and is gone soon after', async () => {
    const tale = await Tale.begin();
    await tale.fill(400);
    await tale.replaceLast();
    await tale.pulled(tale.joining, ...tale.kept);
    await tale.story.pass(20_000);
    expect(await tale.recordsOn(tale.leaving)).toBe(400);
    await tale.settle();
    await tale.story.pass(20_000);
    expect(await tale.recordsOn(tale.leaving)).toBe(0);
    await tale.expectEqual(tale.joining, ...tale.kept);
    // And no scrub misses it.
    await tale.story.pass(10_000);
    expect(tale.story.cluster.recordsMissing).toBe(0);
    expect(tale.story.at(tale.leaving).cluster.ring()?.epoch).toBe(3);
  });

  test('that the present replicas lack is offered before it is removed', async () => {
    const tale = await Tale.begin();
    await tale.fill(20);
    const { story } = tale;
    // A write at level one that reached no other node.
    for (const number of tale.others(tale.leaving)) {
      story.network.cut(`node${tale.leaving}`, `node${number}`);
    }
    await story.put(tale.leaving, 'late', 'alone', 'one');
    await story.pass(2_000);
    story.network.mend();
    await tale.replaceLast();
    await tale.pulled(tale.joining, ...tale.kept);
    expect(await story.onDisk(tale.joining, 'late')).toBeUndefined();
    const lone = await story.onDisk(tale.leaving, 'late');
    await tale.settle();
    await story.until(
      () => story.node(tale.leaving).counters.get('surplus_partitions_removed_total') > 0,
    );
    expect(await story.onDisk(tale.leaving, 'late')).toBeUndefined();
    for (const number of [tale.joining, ...tale.kept]) {
      expect(await story.onDisk(number, 'late')).toEqual(lone);
    }
    expect(await story.get(tale.bystander, 'late')).toBe('alone');
  });

  test('stays while too few of the present replicas answer', async () => {
    const tale = await Tale.begin();
    await tale.fill(20);
    await tale.replaceLast();
    await tale.pulled(tale.joining, ...tale.kept);
    const [first = 0] = tale.kept;
    await tale.settle();
    for (const number of [first, tale.joining]) {
      tale.story.cluster.crash(tale.story.node(number));
    }
    await tale.story.pass(30_000);
    expect(await tale.recordsOn(tale.leaving)).toBe(20);
  });

  test('that comes back to its node is only merged by version', async () => {
    const tale = await Tale.begin();
    await tale.fill(20);
    const [first = 0] = tale.kept;
    const [key = ''] = tale.keys;
    await tale.replaceLast();
    await tale.pulled(tale.joining, ...tale.kept);
    tale.story.cluster.crash(tale.story.node(tale.leaving)); // it cannot remove anything meanwhile
    await tale.settle({ tell: tale.others(tale.leaving) });
    await tale.story.put(first, key, 'newer', 'all');
    tale.story.cluster.start(tale.story.node(tale.leaving));
    await tale.story.until(() => tale.story.node(tale.leaving).node !== undefined);
    await tale.changeTo(tale.old, 4 as Epoch);
    await tale.pulled(tale.leaving);
    expect(await tale.story.onDisk(tale.leaving, key)).toEqual(await tale.story.onDisk(first, key));
  });
});

/**
 * What a transition left behind acts after it. The nine steps are those of ScyllaDB's developers ("Topology
 * guards" in their document on the topology over Raft).
 */
test('what a transition that was given up left behind brings no deleted record back (failure mode 24)', async () => {
  const tale = await Tale.begin(); // 1: three replicas
  const { story } = tale;
  await tale.fill(3); // 2: written everywhere
  const [key = ''] = tale.keys;
  const late: { readonly type: string; readonly done: boolean }[] = [];
  story.network.onServed = ({ request, done }) => {
    if ('epoch' in request && request.epoch === 2) late.push({ type: request.type, done });
  };
  const sent = new Set<string>();
  story.network.onSent = (_, request) => {
    if ('epoch' in request && request.epoch === 2) sent.add(request.type);
  };
  story.network.holdUp = ({ type }) => (LEFT_BEHIND.has(type) ? HELD_UP_MS : 0);
  const heldFromMs = story.scheduler.nowMs;
  await tale.replaceLast(); // 3: one gives its place to another
  await story.get(tale.bystander, key).catch(() => undefined); // it repairs the new one, or would
  await story.until(() => [...LEFT_BEHIND].every((type) => sent.has(type)));
  expect(await tale.recordsOn(tale.joining)).toBe(0);
  await tale.tell({ epoch: 3 as Epoch }); // 4: given up, while that is on its way
  story.network.holdUp = () => 0;
  await tale.changeTo([...tale.kept, tale.joining], 4 as Epoch); // 5: once more, to the end
  await tale.pulled(tale.joining, ...tale.kept);
  await tale.settle();
  const present = [...tale.kept, tale.joining];
  await story.delete(tale.bystander, key, 'all'); // 6: deleted everywhere
  await tale.expectEqual(...present); // 7: nothing is left to repair
  await story.pass(heldFromMs + HELD_UP_MS - 50 - story.scheduler.nowMs);
  for (const number of present) await story.tamper(number, key, () => undefined); // 8: tombstones go
  late.length = 0;
  await story.pass(10_000); // 9: what was on its way arrives
  expect(late.map(({ type }) => type)).toEqual(expect.arrayContaining([...LEFT_BEHIND]));
  expect(late.filter(({ done }) => done)).toEqual([]);
  for (const number of present) expect(await story.onDisk(number, key)).toBeUndefined();
});

/** What brings records to a new replica. */
const LEFT_BEHIND: ReadonlySet<string> = new Set(['replica.repair', 'transfer.records']);
const HELD_UP_MS = 600_000;

/** A page that was under way when it was lost, and the largest record behind it. */
const PAGE_AND_MORE = 300_000;

/** Five nodes; the three old replicas of one partition, of which the last gives its place to a fourth. */
class Tale {
  /** Whose partition the member that is not there is to take over. */
  #ghostTakesFrom: ReplicaSet = [];
  readonly story: Story;
  readonly ring: Ring;
  readonly partition: Partition;
  readonly keys: string[] = [];
  /** Numbers of the nodes. */
  readonly old: readonly number[];
  readonly kept: readonly number[];
  readonly leaving: number;
  readonly joining: number;
  /** Keeps no replica of the partition at any time. */
  readonly bystander: number;
  joint: Ring;
  readonly #teller: Transport;

  private constructor(story: Story, teller: Transport, ring: Ring) {
    this.story = story;
    this.#teller = teller;
    this.ring = ring;
    this.joint = ring;
    this.partition = ring.partitionOf('late' as Key);
    this.old = ring.replicasOf(this.partition).map((id) => numberOf(ring, id));
    const [first = 0, second = 0, third = 0] = this.old;
    this.kept = [first, second];
    this.leaving = third;
    const [joining = 0, bystander = 0] = [1, 2, 3, 4, 5].filter((n) => !this.old.includes(n));
    this.joining = joining;
    this.bystander = bystander;
  }

  static async begin(): Promise<Tale> {
    const story = await Story.begin();
    const teller = outsider(story);
    const options = { timeoutMs: 1_000, traffic: 'membership' } as const;
    const { address } = story.node(1);
    const answer = await story.run(
      teller.callAddress(address, { type: 'membership.ring' }, options),
    );
    const ring = answer.ok && answer.reply.ring ? decodeRing(answer.reply.ring) : undefined;
    if (ring === undefined) throw new Error('node 1 shows no ring');
    return new Tale(story, teller, ring);
  }

  /** Puts so many keys of the partition, on all its replicas. */
  async fill(count: number, valueBytes = 20): Promise<void> {
    for (let n = 0; this.keys.length < count; n++) {
      const key = `key${n}`;
      if (this.ring.partitionOf(key as Key) !== this.partition) continue;
      this.keys.push(key);
      await this.story.put(this.bystander, key, `${n}`.padEnd(valueBytes, '.'), 'all');
    }
  }

  others(...numbers: readonly number[]): readonly number[] {
    return [1, 2, 3, 4, 5].filter((number) => !numbers.includes(number));
  }

  async replaceLast({ tell = this.others() }: { tell?: readonly number[] } = {}): Promise<void> {
    const next = this.#assignment([...this.kept, this.joining]);
    await this.tell({ epoch: 2 as Epoch, next }, tell);
  }

  async settle({ tell = this.others() }: { tell?: readonly number[] } = {}): Promise<void> {
    const wanted = this.joint.next ?? this.joint.assignment;
    const assignment = wanted.map((set) => (set.includes(GHOST.id) ? this.#ghostTakesFrom : set));
    await this.tell({ epoch: (this.joint.epoch + 1) as Epoch, assignment, next: undefined }, tell);
  }

  async changeTo(numbers: readonly number[], epoch: Epoch): Promise<void> {
    await this.tell({ epoch, next: this.#assignment(numbers) });
  }

  async tell(change: Partial<Ring>, numbers: readonly number[] = this.others()): Promise<void> {
    const members = change.next === undefined ? this.ring.members : [...this.ring.members, GHOST];
    const told = new Ring({ ...this.joint, next: undefined, ...change, members });
    this.joint = told.next === undefined ? told : this.#heldOpen(told);
    const request = { type: 'ring.decided', ring: encodeRing(this.joint) } as const;
    const options = { timeoutMs: 1_000, traffic: 'membership' } as const;
    await this.story.run(
      Promise.all(
        numbers
          .filter((number) => this.story.node(number).node !== undefined)
          .map((number) =>
            this.#teller.callAddress(this.story.node(number).address, request, options),
          ),
      ),
    );
  }

  async pulled(...numbers: readonly number[]): Promise<void> {
    for (const number of numbers) {
      for (let tries = 0; ; tries++) {
        const { toPull, pulled, epoch } = await this.progressOf(number);
        if (epoch === this.joint.epoch && toPull > 0 && pulled === toPull) break;
        if (tries > 200) throw new Error(`node${number} has pulled ${pulled} of ${toPull}`);
        await this.story.pass(250);
      }
    }
  }

  async progressOf(number: number) {
    const { address } = this.story.node(number);
    const options = { timeoutMs: 1_000, traffic: 'membership' } as const;
    const answer = await this.story.run(
      this.#teller.callAddress(address, { type: 'member.status' }, options),
    );
    return answer.ok ? answer.reply : { toPull: 0, pulled: 0, epoch: 0 };
  }

  bytesPulledBy(number: number): number {
    return this.story.node(number).counters.get('transfer_bytes_total');
  }

  async recordsOn(number: number): Promise<number> {
    return (await this.#contents(number)).length;
  }

  async bytesOn(number: number): Promise<number> {
    const entries = await this.#contents(number);
    return entries.reduce((sum, { value }) => sum + value.length, 0);
  }

  async expectEqual(...numbers: readonly number[]): Promise<void> {
    const texts = async (number: number): Promise<string[]> =>
      (await this.#contents(number)).map(({ key, value }) => `${textOf(key)} ${textOf(value)}`);
    const [first, ...rest] = await Promise.all(numbers.map(texts));
    expect(first?.length).toBeGreaterThanOrEqual(this.keys.length);
    for (const other of rest) expect(other).toEqual(first);
  }

  #contents(number: number) {
    return this.story.node(number).disk.durable.scan(partitionRange(1, this.partition), 10_000);
  }

  #assignment(numbers: readonly number[]): readonly ReplicaSet[] {
    const ids = numbers.map((number) => this.story.idOf(number));
    return this.joint.assignment.map((set, p) => (p === this.partition ? ids : set));
  }

  /** A member that is not there has to pull something, too: so the members do not end the transition. */
  #heldOpen(ring: Ring): Ring {
    const elsewhere = this.partition === 0 ? 1 : 0;
    this.#ghostTakesFrom = ring.assignment[elsewhere] ?? [];
    const next = ring.next?.map((set, p) => (p === elsewhere ? [GHOST.id] : set));
    return new Ring({ ...ring, next });
  }
}

const GHOST: Member = {
  id: 'd'.repeat(16) as NodeId,
  name: 'ghost',
  address: 'ghost:7400' as Address,
  zone: 'default',
  weight: 1,
  joining: true,
  leaving: 'no',
};

function numberOf(ring: Ring, id: NodeId): number {
  return Number(ring.member(id)?.name.slice('node'.length));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function flipped(bytes: Uint8Array | undefined): Uint8Array {
  const changed = Buffer.from(bytes ?? []);
  changed.writeUInt8(changed.readUInt8(30) ^ 1, 30);
  return changed;
}

/** Somebody on the network who is no member. */
function outsider(story: Story): Transport {
  const life = new Life();
  return story.network.connect({
    name: 'teller',
    address: 'teller:7400' as Address,
    life,
    clock: simulatedClock(story.scheduler, life, { offsetMs: 0, drift: 0 }),
    card: {
      identity: { nodeId: 'e'.repeat(16) as NodeId, incarnation: 1 as Incarnation, nonce: '' },
      clusterId: () => undefined,
    },
  });
}
