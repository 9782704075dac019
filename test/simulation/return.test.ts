import { describe, expect, test } from 'vitest';
import { ClientError } from '../../src/errors.ts';
import type { Epoch, Key, Lineage, NodeId } from '../../src/ids.ts';
import { formerCluster } from '../../src/membership/former-cluster.ts';
import type { Member } from '../../src/ring/member.ts';
import { Ring } from '../../src/ring/ring.ts';
import { ownKey } from '../../src/storage/keys.ts';
import { keepOwn } from '../../src/storage/own-state.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import { Story } from '../simulator/story.ts';
import { Teller } from '../simulator/teller.ts';

/** Rings do not change by themselves here: the cluster is told which one it goes on with. */
describe('a node that was replaced while it was away', () => {
  test('comes up by itself as another node, which holds no ring and no record', async () => {
    const { story, gone, before } = await replacedWhileCutOff();
    await returns(story, gone);
    expect(story.idOf(gone)).not.toBe(before);
    expect(story.at(gone).identity.incarnation).toBe(1);
    expect(story.at(gone).cluster.ring()).toBeUndefined();
    expect(await story.onDisk(gone, 'k')).toBeUndefined();
  });

  test('acknowledges nothing on its old ring, before it learns of the newer one', async () => {
    const { story, gone, others } = await replacedWhileCutOff();
    await expect(story.put(gone, 'k', 'late')).rejects.toBeInstanceOf(ClientError);
    await expect(story.get(gone, 'k')).rejects.toBeInstanceOf(ClientError);
    story.network.mend(); // the others refuse its epoch
    await expect(story.put(gone, 'k', 'later')).rejects.toBeInstanceOf(ClientError);
    expect(await story.get(others[0] ?? 0, 'k')).toBe('before');
  });

  test('learns it from the first member that it reaches, when it was stopped all the while', async () => {
    const { story, gone, before } = await replacedWhileCutOff();
    story.cluster.crash(story.node(gone));
    story.network.mend();
    story.cluster.start(story.node(gone));
    await story.until(() => isAnother(story, gone, before));
  });

  test('sets aside after a crash, too, that came right after it had learnt of it', async () => {
    const { story, gone, before, ring } = await replacedWhileCutOff();
    story.network.mend();
    story.cluster.crash(story.node(gone));
    const departed = formerCluster(ring, before);
    await story.node(gone).disk.durable.batch([keepOwn('departed', departed)]);
    story.cluster.start(story.node(gone));
    await story.until(() => isAnother(story, gone, before));
    expect(await story.onDisk(gone, 'k')).toBeUndefined();
  });

  test('is what a member does whose disk was put back to an older state', async () => {
    const story = await Story.begin({ nodes: 4 });
    const victim = story.node(2);
    const before = story.at(2).identity.nodeId;
    const bound = await victim.disk.durable.get(ownKey('clock-bound'));
    for (let n = 0; n < 3; n++) {
      await story.put(2, `k${n}`, 'v');
      await story.pass(1_500);
    }
    story.cluster.crash(victim);
    const back =
      bound === undefined
        ? ([{ type: 'delete' }] as const)
        : [{ type: 'put', value: bound } as const];
    await victim.disk.durable.batch(
      back.map((change) => ({ ...change, key: ownKey('clock-bound') })),
    );
    story.cluster.start(victim);
    await story.until(() => isAnother(story, 2, before));
    await story.until(() => story.cluster.ready);
    for (let n = 0; n < 3; n++) expect(await story.get(2, `k${n}`)).toBe('v');
  });

  test('is what a member does whose whole disk was put back to before a vote, though nobody wrote', async () => {
    const story = await Story.begin({ nodes: 3, replicationFactor: 2 });
    await story.pass(2_000);
    const victim = story.node(2);
    const before = story.at(2).identity.nodeId;
    const ring = await new Teller(story).ringOf(1);
    const snapshot = await victim.disk.durable.scan(WHOLE_DISK, 10_000);
    isolate(story, 3);
    const asked = story.at(1).operator.changeMember('leave', 'node3');
    await story.until(() => heldBy(story, 1) > ring.epoch);
    story.cluster.crash(victim); // right after it voted, before it pings anybody
    await asked;
    victim.disk.wipe();
    await victim.disk.durable.batch(snapshot.map((entry) => ({ type: 'put', ...entry })));
    story.cluster.start(victim);
    await story.until(() => isAnother(story, 2, before));
  });

  test('is what a member does whose disk was put back to before its last start, though nothing was stored', async () => {
    const story = await Story.begin({ nodes: 3 });
    await story.pass(5_000);
    const victim = story.node(2);
    const before = story.idOf(2);
    const snapshot = await victim.disk.durable.scan(WHOLE_DISK, 10_000);
    for (const isPutBack of [false, true]) {
      story.cluster.crash(victim);
      if (isPutBack) {
        victim.disk.wipe();
        await victim.disk.durable.batch(snapshot.map((entry) => ({ type: 'put', ...entry })));
      }
      story.cluster.start(victim);
      await story.pass(10_000);
      expect(isAnother(story, 2, before)).toBe(isPutBack);
    }
  });

  test('is what a member does whose disk was put back to before a repair, the last that was stored on it', async () => {
    const story = await Story.begin({ nodes: 3 });
    isolate(story, 2);
    await story.put(1, 'k', 'v');
    story.network.mend();
    await story.pass(5_000);
    const victim = story.node(2);
    const before = story.idOf(2);
    const snapshot = await victim.disk.durable.scan(WHOLE_DISK, 10_000);
    expect(await story.get(1, 'k')).toBe('v');
    await story.pass(5_000);
    expect(await story.onDisk(2, 'k')).toBeDefined();
    story.cluster.crash(victim);
    victim.disk.wipe();
    await victim.disk.durable.batch(snapshot.map((entry) => ({ type: 'put', ...entry })));
    story.cluster.start(victim);
    await story.until(() => isAnother(story, 2, before));
  });

  test('says what it waits for, serves nothing, and forms no cluster of its own', async () => {
    const { story, gone } = await replacedWhileCutOff();
    await returns(story, gone);
    story.node(gone).change = { seeds: [] };
    story.cluster.crash(story.node(gone));
    isolate(story, gone);
    story.cluster.start(story.node(gone));
    await story.pass(20_000);
    const [check] = story.at(gone).cluster.readiness();
    expect(check?.detail).toContain('this node was replaced, and looks for members of its cluster');
    for (const level of ['one', 'quorum'] as const)
      await expect(story.get(gone, 'k', level)).rejects.toMatchObject({ code: 'not_ready' });
    expect(story.at(gone).cluster.ring()).toBeUndefined();
    story.network.mend();
    await story.until(() => story.at(gone).cluster.ring() !== undefined);
  });

  test('finds its cluster by what it last knew of it, though its settings name no other node', async () => {
    const { story, gone, teller, others } = await replacedWhileCutOff();
    await returns(story, gone);
    story.node(gone).change = { seeds: [] };
    story.cluster.crash(story.node(gone));
    story.cluster.start(story.node(gone));
    await story.until(() => story.node(gone).node !== undefined);
    const [teacher = 0] = others;
    await teller.tell(teacher, withMember(await teller.ringOf(teacher), memberFor(story, gone)));
    await story.until(() => story.at(gone).cluster.ring() !== undefined);
  });

  test('takes no ring of another cluster: it would offer the data of one to the other', async () => {
    const { story, gone, ring, teller } = await replacedWhileCutOff();
    await returns(story, gone);
    const strange = withMember(ring, memberFor(story, gone));
    await teller.tell(
      gone,
      new Ring({ ...strange, clusterId: 'f'.repeat(32) as Ring['clusterId'] }),
    );
    expect(story.at(gone).cluster.ring()).toBeUndefined();
  });

  test('does not go because of a ring of another lineage that nobody holds', async () => {
    const { story, gone, before, without, teller } = await replacedWhileCutOff();
    const forced = new Ring({
      ...without,
      lineage: 'f'.repeat(16) as Lineage,
      formers: [without.lineage],
    });
    await teller.tell(gone, forced);
    await story.pass(5_000);
    expect(isAnother(story, gone, before)).toBe(false);
  });

  test('offers what it alone had, which a quorum read finds', async () => {
    const { story, gone, others } = await replacedWhileCutOff(async ({ story, gone }) => {
      await story.put(gone, 'k', 'only here', 'one');
    });
    const [reader = 0] = others;
    expect(await story.get(reader, 'k')).toBe('before');
    await returns(story, gone);
    await becomesMember(story, gone, others);
    await offersAll(story, gone);
    expect(await story.get(reader, 'k')).toBe('only here');
    const { counters } = story.node(gone);
    expect(counters.get('aside_records_offered_total')).toBe(1);
    expect(counters.get('aside_records_taken_total')).toBe(1);
  });

  test('never serves what it set aside', async () => {
    const { story, gone, others, teller } = await replacedWhileCutOff(async ({ story, gone }) => {
      await story.put(gone, 'k', 'only here', 'one');
    });
    await returns(story, gone);
    const ring = await becomesMember(story, gone, others);
    expect(ring.keeps(story.idOf(gone), ring.partitionOf('k' as Key))).toBe(true);
    const question = {
      type: 'replica.read',
      epoch: ring.epoch,
      key: 'k' as Key,
      level: 'one',
    } as const;
    expect(story.node(gone).counters.get('aside_records_offered_total')).toBe(0);
    expect(await teller.ask<'replica.read'>(gone, question)).toMatchObject({
      ok: true,
      reply: { record: undefined },
    });
  });

  test('brings back no key that was deleted meanwhile', async () => {
    const { story, gone, others } = await replacedWhileCutOff(async ({ story, others }) => {
      expect(await story.delete(others[0] ?? 0, 'k')).toBe(true);
    });
    await returns(story, gone);
    await becomesMember(story, gone, others);
    await offersAll(story, gone);
    const { counters } = story.node(gone);
    expect(counters.get('aside_records_offered_total')).toBe(1);
    expect(counters.get('aside_records_taken_total')).toBe(0);
    for (const number of [...others, gone]) {
      expect(await story.get(number, 'k')).toBeUndefined();
      expect(await story.get(number, 'k', 'all')).toBeUndefined();
    }
  });

  test('goes on after a crash with what is not offered yet, and waits for a quorum', async () => {
    const keys: string[] = [];
    const { story, gone, others } = await replacedWhileCutOff(async ({ story, gone, ring }) => {
      keys.push(...keysOf(ring, story.idOf(gone), 100));
      for (const key of keys) await story.put(gone, key, 'only here', 'one');
    });
    await returns(story, gone);
    await becomesMember(story, gone, others);
    const offered = (): number => story.node(gone).counters.get('aside_records_offered_total');
    await story.until(() => offered() > 0);
    story.cluster.crash(story.node(gone));
    const left = await asideOn(story, gone);
    expect(left).toBeGreaterThan(0);
    isolate(story, gone);
    story.cluster.start(story.node(gone));
    await story.pass(30_000);
    expect(await asideOn(story, gone)).toBe(left);
    story.network.mend();
    await offersAll(story, gone);
    expect(offered()).toBe(left);
    for (const key of keys) expect(await story.get(others[0] ?? 0, key)).toBe('only here');
  });

  test('passes over damaged records, and counts them', async () => {
    const { story, gone, others } = await replacedWhileCutOff(async ({ story, gone }) => {
      await story.put(gone, 'k', 'only here', 'one');
      await story.tamper(gone, 'k', (bytes) => bytes?.subarray(1));
    });
    await returns(story, gone);
    await becomesMember(story, gone, others);
    await offersAll(story, gone);
    expect(await story.get(gone, 'k')).toBe('before');
    expect(story.node(gone).counters.get('aside_records_damaged_total')).toBe(1);
  });

  test('loses nothing when it is replaced again before all was offered', async () => {
    const { story, gone, others } = await replacedWhileCutOff(async ({ story, gone }) => {
      await story.put(gone, 'k', 'only here', 'one');
    });
    await returns(story, gone);
    isolate(story, gone);
    await becomesMember(story, gone, others);
    const before = story.idOf(gone);
    const second = await new Teller(story).ringOf(gone);
    await tellAll(story, [...others, gone], withoutMember(second, before));
    await story.until(() => isAnother(story, gone, before));
    story.network.mend();
    await becomesMember(story, gone, others);
    await offersAll(story, gone);
    expect(await story.get(others[0] ?? 0, 'k')).toBe('only here');
  });
});

describe('a node that was asked to leave', () => {
  test('stays up when it has left, serves nothing, and does not come back by itself', async () => {
    const { story, gone, before } = await left();
    await story.pass(20_000);
    expect(story.idOf(gone)).toBe(before);
    expect(story.at(gone).cluster.readiness()).toContainEqual(
      expect.objectContaining({
        ok: false,
        detail: expect.stringContaining('has left the cluster'),
      }),
    );
    await expect(story.get(gone, 'k', 'one')).rejects.toMatchObject({ code: 'not_ready' });
    await expect(story.put(gone, 'k', 'v')).rejects.toMatchObject({
      code: 'not_ready',
      outcome: 'not_applied',
    });
  });

  test('comes back as another node when it is started again', async () => {
    const { story, gone, before } = await left();
    story.cluster.crash(story.node(gone));
    story.cluster.start(story.node(gone));
    await story.until(() => isAnother(story, gone, before));
    expect(story.at(gone).cluster.ring()).toBeUndefined();
  });

  test('does not come back by itself either when it missed all of its leave', async () => {
    const story = await Story.begin({ nodes: 5 });
    isolate(story, 5);
    const before = story.idOf(5);
    const { operator } = story.at(1);
    await story.run(operator.changeMember('leave', 'node5'));
    await story.settled(1, 2, 3, 4);
    await story.run(operator.changeMember('leave', 'node4'));
    await story.settled(1, 2, 3);

    story.network.mend();
    await story.until(() => story.at(5).cluster.ring() === undefined);
    await story.pass(20_000);
    expect(story.idOf(5)).toBe(before);
    await story.settled(1, 2, 3);
    expect(story.at(5).cluster.readiness()).toContainEqual(
      expect.objectContaining({ detail: expect.stringContaining('has left the cluster') }),
    );
  });

  async function left() {
    const story = await Story.begin({ nodes: 4 });
    const teller = new Teller(story);
    await story.put(1, 'k', 'v', 'all');
    const { keepers } = await story.replicasOf('k');
    const [gone = 0] = keepers;
    const before = story.idOf(gone);
    const ring = await teller.ringOf(1);
    const members = ring.members.map(
      (member): Member => (member.id === before ? { ...member, leaving: 'asked' } : member),
    );
    const without = withoutMember(ring, before);
    const joint = new Ring({
      ...ring,
      members,
      next: without.assignment,
      epoch: (ring.epoch + 1) as Epoch,
    });
    await teller.tell(gone, joint);
    await teller.tell(gone, new Ring({ ...without, epoch: (ring.epoch + 2) as Epoch }));
    return { story, gone, before };
  }
});

interface Scene {
  readonly story: Story;
  /** A replica of `k`. */
  readonly gone: number;
  readonly others: readonly number[];
  readonly ring: Ring;
}

/** Four nodes; `gone` is cut off, and the others go on without it. `meanwhile` is done in between. */
async function replacedWhileCutOff(meanwhile: (scene: Scene) => Promise<void> = async () => {}) {
  const story = await Story.begin({ nodes: 4 });
  await story.put(1, 'k', 'before', 'all');
  const { keepers } = await story.replicasOf('k');
  const [gone = 0] = keepers;
  const others = [1, 2, 3, 4].filter((number) => number !== gone);
  const before = story.idOf(gone);
  const teller = new Teller(story);
  const ring = await teller.ringOf(gone);
  await story.pass(2_000);
  isolate(story, gone);
  await meanwhile({ story, gone, others, ring });
  const without = withoutMember(ring, before);
  await tellAll(story, others, without);
  return { story, gone, others, before, ring, without, teller };
}

/** The cut ends, the node learns that it was replaced and comes up again. */
async function returns(story: Story, gone: number): Promise<void> {
  const before = story.idOf(gone);
  story.network.mend();
  await story.until(() => isAnother(story, gone, before));
}

/** All are told a ring in which the node, as it is now, has its old place. */
async function becomesMember(story: Story, gone: number, others: readonly number[]): Promise<Ring> {
  const ring = await new Teller(story).ringOf(others[0] ?? 0);
  const joined = withMember(ring, memberFor(story, gone));
  await tellAll(story, [...others, gone], joined);
  return joined;
}

async function offersAll(story: Story, gone: number): Promise<void> {
  const told = (): boolean =>
    story.trace.last.some((line) =>
      line.includes(`node${gone} info: the data that was set aside is offered and removed`),
    );
  await story.until(told);
  expect(await asideOn(story, gone)).toBe(0);
}

/** Keys of which `id` keeps a replica. */
function keysOf(ring: Ring, id: NodeId, count: number): readonly string[] {
  const all = Array.from({ length: 4 * count }, (_, n) => `alone ${n}`);
  return all.filter((key) => ring.keeps(id, ring.partitionOf(key as Key))).slice(0, count);
}

/** Records that are set aside on a node's disk. */
async function asideOn(story: Story, number: number): Promise<number> {
  const { durable } = story.node(number).disk;
  const { other } = await RecordPlaces.open(durable);
  return (await durable.scan(other.all, 1_000)).length;
}

function isAnother(story: Story, number: number, before: NodeId): boolean {
  const { node } = story.node(number);
  return node !== undefined && node.identity.nodeId !== before;
}

/** Everything that a node keeps. */
const WHOLE_DISK = { start: Uint8Array.of(0), end: Uint8Array.of(0xff) };

function heldBy(story: Story, number: number): number {
  return story.at(number).cluster.ring()?.epoch ?? 0;
}

function isolate(story: Story, number: number): void {
  for (const { name } of story.cluster.nodes) {
    story.network.cut(name, `node${number}`);
    story.network.cut(`node${number}`, name);
  }
}

async function tellAll(story: Story, numbers: readonly number[], ring: Ring): Promise<void> {
  const teller = new Teller(story);
  for (const number of numbers) await teller.tell(number, ring);
}

/** The next ring, in which the remaining members have taken the place of one. */
function withoutMember(ring: Ring, id: NodeId): Ring {
  const members = ring.members.filter((member) => member.id !== id);
  const all = members.map((member) => member.id);
  return new Ring({
    ...ring,
    epoch: (ring.epoch + 1) as Epoch,
    members,
    assignment: ring.assignment.map(() => all.slice(0, ring.replicationFactor)),
  });
}

/** The next ring, in which a new member keeps a copy of everything, beside two of the others. */
function withMember(ring: Ring, member: Member): Ring {
  return new Ring({
    ...ring,
    epoch: (ring.epoch + 1) as Epoch,
    members: [...ring.members, member],
    assignment: ring.assignment.map((replicas) => [...replicas.slice(0, 2), member.id]),
  });
}

function memberFor(story: Story, number: number): Member {
  const { name, address } = story.node(number);
  return {
    id: story.idOf(number),
    name,
    address,
    zone: 'default',
    weight: 1,
    joining: false,
    leaving: 'no',
  };
}
