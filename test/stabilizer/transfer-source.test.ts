import { describe, expect, test } from 'vitest';
import type { Epoch, Key, NodeId, Partition } from '../../src/ids.ts';
import { BranchDigests } from '../../src/merkle/branch-digests.ts';
import { LeafDigests, leafOf } from '../../src/merkle/leaf-digests.ts';
import { encodeLeaves, LEAVES } from '../../src/merkle/leaf-set.ts';
import { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import type { RefusalReason, ReplyOf, Served } from '../../src/rpc/messages.ts';
import { openSealed } from '../../src/version/record-codec.ts';
import { replicaSideOf } from '../coordinator/replica-side-of.ts';
import { A, B, C, type Copy, D, openCopy, P, record, records, ringOf, settled } from './copies.ts';

const REST = ringOf(1, [A, B, C]);
const JOINT = ringOf(2, [A, B, C], [A, B, D]);
const ALL_LEAVES = encodeLeaves(new Set(Array.from({ length: LEAVES }, (_, leaf) => leaf)));
const CONTEXT = { from: D, deadlineMs: 10_000 };

describe('a source of transfers', () => {
  test('waits for a write that passed the check of the epoch before, and shows it', async () => {
    const copy = await openCopy(A, REST);
    const side = await replicaSideOf(copy);
    const release = copy.store.holdReads();
    const write = { type: 'replica.write', epoch: 1 as Epoch, level: 'quorum' } as const;
    const { bytes } = record('late');
    const written = side.handlers['replica.write']({ ...write, record: bytes }, CONTEXT);
    await settled();
    copy.membership.ring = JOINT;
    let answered = false;
    const asked = digestsOf(copy).finally(() => (answered = true));
    await settled();
    expect(answered).toBe(false);
    release();
    expect((await written).ok).toBe(true);
    expect(replyOf(await asked).records).toBe(1);
  });

  test('gives up waiting when nobody waits for its answer any more', async () => {
    const copy = await openCopy(A, JOINT);
    void copy.barrier.during(1 as Epoch, () => new Promise(() => undefined));
    const asked = digestsOf(copy);
    await settled();
    copy.clock.advance(10_000);
    expect(reasonOf(await asked)).toBe('expired');
    expect(copy.source.serving).toBe(0);
  });

  test('refuses an older epoch with its ring, and takes a newer one first', async () => {
    const ahead = await openCopy(A, ringOf(3, [A, B, D]));
    const refused = await digestsOf(ahead);
    expect(refused).toMatchObject({
      refusal: { reason: 'stale_epoch', ring: encodeRing(ringOf(3, [A, B, D])) },
    });
    const behind = await openCopy(A, REST);
    expect(reasonOf(await digestsOf(behind))).toBe('not_ready');
    behind.membership.offered = JOINT;
    expect((await digestsOf(behind)).ok).toBe(true);
    expect(behind.membership.ring).toBe(JOINT);
  });

  test('speaks for the old set only, and for partitions that there are', async () => {
    expect(reasonOf(await digestsOf(await openCopy(D, JOINT)))).toBe('not_ready');
    const copy = await openCopy(A, JOINT);
    expect(reasonOf(await digestsOf(copy, 1 as Partition))).toBe('not_ready');
  });

  test('refuses while a record is damaged, and has it healed', async () => {
    const copy = await openCopy(A, JOINT);
    await copy.keep(...records(20));
    await copy.damage('key00007');
    expect(reasonOf(await digestsOf(copy))).toBe('damaged');
    expect(copy.healed).toEqual(['key00007']);
    expect(reasonOf(await branchesOf(copy))).toBe('damaged');
    expect(reasonOf(await pageOf(copy))).toBe('damaged');
    expect(copy.healed).toHaveLength(3);
  });

  test('refuses while records are known to be missing', async () => {
    const copy = await openCopy(A, JOINT);
    await copy.keep(...records(20));
    await copy.lose('key00007');
    expect(reasonOf(await digestsOf(copy))).toBe('damaged');
    const lossy = await openCopy(A, JOINT);
    await lossy.store.batch(lossy.lossy.mark(P));
    expect(reasonOf(await digestsOf(lossy))).toBe('damaged');
    expect(reasonOf(await pageOf(lossy))).toBe('damaged');
  });

  test('tells its branches, and more closely the leaves that are asked for', async () => {
    const copy = await openCopy(A, JOINT);
    await copy.keep(...records(2_500, 300));
    const whole = replyOf(await digestsOf(copy));
    const branches = await branchesOf(copy);
    if (!branches.ok) throw new Error('refused');
    expect(branches.reply.branches).toEqual(BranchDigests.of(whole).encode());
    const some = replyOf(await digestsOf(copy, P, encodeLeaves(new Set([3, 77]))));
    expect(some.records).toBe(whole.countOf(3) + whole.countOf(77));
    expect(some.differingFrom(whole.only(new Set([3, 77])))).toEqual(new Set());
    expect(reasonOf(await digestsOf(copy, P, new Uint8Array(31)))).toBe('not_ready');
  });

  test('hands out all records of the leaves that are wanted, in pages of bounded size', async () => {
    const copy = await openCopy(A, JOINT);
    const all = records(2_500, 300);
    await copy.keep(...all);
    const wanted = new Set([3, 77, 200]);
    for (const [leaves, expected] of [
      [ALL_LEAVES, all],
      [encodeLeaves(wanted), all.filter(({ key }) => wanted.has(leafOf(JOINT.tokenOf(key))))],
    ] as const) {
      const keys: string[] = [];
      let after: Key | undefined;
      do {
        const page = await pageOf(copy, after, leaves);
        if (!page.ok) throw new Error('refused');
        const bytes = page.reply.records.reduce((sum, { length }) => sum + length, 0);
        expect(bytes).toBeLessThan(256 * 1024 + 500);
        expect(page.reply.records.length).toBeLessThanOrEqual(1_024);
        keys.push(...page.reply.records.map((each) => openSealed(each)?.key ?? ''));
        after = page.reply.next;
      } while (after !== undefined);
      expect(keys).toEqual(expected.map(({ key }) => key));
    }
  });

  test('hands out a record that is larger than a page alone', async () => {
    const copy = await openCopy(A, JOINT);
    await copy.keep(record('a', 1, 600_000), record('b', 1, 600_000));
    const page = await pageOf(copy);
    expect(page).toMatchObject({ ok: true, reply: { next: 'a' } });
    expect(page.ok && page.reply.records).toHaveLength(1);
  });

  test('ends a page of which nothing is wanted before it has read the whole partition', async () => {
    const copy = await openCopy(A, JOINT);
    await copy.keep(...records(10, 1_000_000));
    const page = await pageOf(copy, undefined, encodeLeaves(new Set()));
    expect(page).toEqual({ ok: true, reply: { records: [], next: 'key00008' } });
  });

  test('sends no more than its rate allows, and refuses what could not leave in time', async () => {
    const copy = await openCopy(A, JOINT, 100_000);
    await copy.keep(...records(40, 10_000));
    expect((await pageOf(copy)).ok).toBe(true);
    let second: Served<unknown> | undefined;
    void pageOf(copy).then((page) => (second = page));
    copy.clock.advance(2_000);
    await settled();
    expect(second).toBeUndefined();
    copy.clock.advance(1_000);
    await settled();
    expect(second?.ok).toBe(true);
    const hurried = copy.source.handlers['transfer.records'](
      {
        type: 'transfer.records',
        epoch: 2 as Epoch,
        partition: P,
        leaves: ALL_LEAVES,
        after: undefined,
      },
      { ...CONTEXT, deadlineMs: copy.clock.monotonicMs() + 1_000 },
    );
    expect(reasonOf(await hurried)).toBe('overloaded');
  });

  test('says how long a damaged copy was asked for in vain, until it is healed', async () => {
    const copy = await openCopy(A, JOINT);
    await copy.keep(record('a'), record('b'));
    await copy.damage('a');
    expect(reasonOf(await branchesOf(copy))).toBe('damaged');
    copy.clock.advance(5_000);
    expect(reasonOf(await branchesOf(copy))).toBe('damaged');
    expect(copy.unsound.forLongerThan(4_000)).toEqual([P]);
    await copy.replica.heal(P, 'a' as Key, record('a'), copy.replica.ticket(), 0);
    expect((await branchesOf(copy)).ok).toBe(true);
    expect(copy.unsound.forLongerThan(0)).toEqual([]);
  });

  test('hands out a lossy copy only where nobody else is left who knows better', async () => {
    const copy = await openCopy(A, JOINT);
    await copy.keep(record('a'));
    await copy.store.batch(copy.lossy.mark(P));
    expect(reasonOf(await pageOf(copy))).toBe('damaged');
    expect(reasonOf(await branchesOf(copy))).toBe('damaged');
    copy.membership.ring = new Ring({ ...JOINT, recovering: [P] });
    expect((await branchesOf(copy)).ok).toBe(true);
    const page = await pageOf(copy);
    expect(page.ok && page.reply.records.map((each) => openSealed(each)?.key)).toEqual(['a']);
  });

  test('does not call a copy damaged that the end of the node kept it from reading', async () => {
    const copy = await openCopy(A, JOINT);
    await copy.keep(record('a'));
    const asked = [branchesOf(copy), digestsOf(copy), pageOf(copy)];
    copy.source.close();
    copy.scan.close();
    for (const answer of await Promise.all(asked)) expect(reasonOf(answer)).toBe('not_ready');
  });

  test('serves a few at once, and ends the waiting when it closes', async () => {
    const copy = await openCopy(A, JOINT, 1);
    await copy.keep(record('a'));
    const asked = Array.from({ length: 9 }, () => pageOf(copy));
    await settled();
    expect(copy.source.serving).toBeLessThanOrEqual(8);
    copy.source.close();
    const answers = await Promise.all(asked);
    expect(answers.filter(({ ok }) => ok).length).toBeLessThanOrEqual(1);
    expect(copy.source.serving).toBe(0);
    expect(copy.clock.timers).toBe(0);
  });
});

function digestsOf(copy: Copy, partition = P, leaves = ALL_LEAVES) {
  const request = { type: 'transfer.digests', epoch: 2 as Epoch, partition, leaves } as const;
  return copy.source.handlers['transfer.digests'](request, contextOf(copy));
}

function branchesOf(copy: Copy, partition = P) {
  const request = { type: 'transfer.branches', epoch: 2 as Epoch, partition } as const;
  return copy.source.handlers['transfer.branches'](request, contextOf(copy));
}

function pageOf(copy: Copy, after?: Key, leaves = ALL_LEAVES) {
  const { handlers } = copy.source;
  return handlers['transfer.records'](
    { type: 'transfer.records', epoch: 2 as Epoch, partition: P, leaves, after },
    contextOf(copy),
  );
}

function contextOf({ clock }: Copy, from: NodeId = D) {
  return { from, deadlineMs: clock.monotonicMs() + 10_000 };
}

function replyOf(answer: Served<ReplyOf<'transfer.digests'>>): LeafDigests {
  const digests = answer.ok ? LeafDigests.decode(answer.reply.digests) : undefined;
  if (digests === undefined) throw new Error('no digests');
  return digests;
}

function reasonOf(answer: Served<unknown>): RefusalReason | undefined {
  return answer.ok ? undefined : answer.refusal.reason;
}
