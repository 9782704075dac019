import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Epoch, Partition } from '../../src/ids.ts';
import { BranchDigests } from '../../src/merkle/branch-digests.ts';
import { LeafDigests } from '../../src/merkle/leaf-digests.ts';
import { decodeLeaves, LEAVES } from '../../src/merkle/leaf-set.ts';
import type { Request } from '../../src/rpc/messages.ts';
import { type AskOther, differenceFrom } from '../../src/stabilizer/partition-comparison.ts';

type Entry = readonly [leaf: number, checksum: bigint];

const PLACE = { epoch: 2 as Epoch, partition: 7 as Partition };
const entry = fc.tuple(
  fc.integer({ min: 0, max: LEAVES - 1 }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

describe('the comparison of two copies of a partition', () => {
  test('finds the leaves that differ, and how many records the other holds there', async () => {
    const some = fc.array(entry, { maxLength: 100 });
    await fc.assert(
      fc.asyncProperty(some, some, some, async (both, here, there) => {
        const [own, theirs] = [digestsOf([...both, ...here]), digestsOf([...both, ...there])];
        const leaves = own.differingFrom(theirs);
        const full = [...leaves].filter((leaf) => theirs.countOf(leaf) > 0);
        const found = await differenceFrom(own, PLACE, holderOf(theirs).ask);
        if (typeof found === 'string') throw new Error(found);
        expect(found.leaves).toEqual(leaves);
        expect(new Map(found.theirCounts)).toEqual(
          new Map(full.map((leaf) => [leaf, theirs.countOf(leaf)])),
        );
      }),
    );
  });

  test('asks once where the copies are equal, or the own one is empty', async () => {
    const theirs = digestsOf(everyLeaf());
    for (const own of [digestsOf(everyLeaf()), digestsOf([])]) {
      const holder = holderOf(theirs);
      await differenceFrom(own, PLACE, holder.ask);
      expect(holder.asked).toEqual([{ type: 'transfer.branches', ...PLACE }]);
    }
  });

  test('takes two questions and few bytes for a record that was overwritten', async () => {
    const holder = holderOf(digestsOf([...everyLeaf(), [77, 9n]]));
    const found = await differenceFrom(digestsOf([...everyLeaf(), [77, 8n]]), PLACE, holder.ask);
    expect(found).toEqual({ leaves: new Set([77]), theirCounts: new Map([[77, 2]]) });
    expect(holder.asked).toHaveLength(2);
    expect(holder.bytes).toBeLessThan(700);
  });

  test('believes the last word where clients write meanwhile', async () => {
    const holder = holderOf(digestsOf([[77, 9n]]));
    holder.onAsked = () => (holder.digests = digestsOf([[77, 8n]]));
    const found = await differenceFrom(digestsOf([[77, 8n]]), PLACE, holder.ask);
    expect(found).toEqual({ leaves: new Set(), theirCounts: new Map() });
  });

  test('holds the other to the larger number, should its disk lose a record between the answers', async () => {
    const holder = holderOf(
      digestsOf([
        [77, 9n],
        [77, 7n],
      ]),
    );
    holder.onAsked = () => (holder.digests = digestsOf([[77, 9n]]));
    const found = await differenceFrom(
      digestsOf([
        [77, 8n],
        [77, 7n],
      ]),
      PLACE,
      holder.ask,
    );
    expect(found).toEqual({ leaves: new Set([77]), theirCounts: new Map([[77, 2]]) });
  });

  test('looks at no leaf that it did not ask for', async () => {
    const holder = holderOf(digestsOf([[77, 9n]]));
    holder.tellsAll = true;
    holder.onAsked = () => (holder.digests = digestsOf([...everyLeaf(), [77, 9n]]));
    const found = await differenceFrom(digestsOf([[77, 8n]]), PLACE, holder.ask);
    expect(found).toEqual({ leaves: new Set([77]), theirCounts: new Map([[77, 2]]) });
  });

  test('ends without an answer when either question stays without one', async () => {
    for (const answered of [0, 1]) {
      const holder = holderOf(digestsOf([[77, 9n]]));
      holder.answers = answered;
      const found = await differenceFrom(digestsOf([[77, 8n]]), PLACE, holder.ask);
      expect(found).toBe('no answer');
    }
  });
});

/** The other node, with its copy of the partition. */
function holderOf(digests: LeafDigests) {
  const holder = {
    digests,
    asked: [] as Request[],
    /** Questions that are answered. */
    answers: Number.POSITIVE_INFINITY,
    /** Sends the digests of all leaves. */
    tellsAll: false,
    /** Bytes of the digests that were sent. */
    bytes: 0,
    /** What happens after an answer. */
    onAsked: (): void => undefined,
    ask: (async (request: Request) => {
      holder.asked.push(request);
      if (holder.asked.length > holder.answers) return undefined;
      const reply = answerTo(request);
      holder.bytes += Object.values(reply).reduce((sum, { length }) => sum + length, 0);
      holder.onAsked();
      return reply;
    }) as AskOther,
  };
  const answerTo = (request: Request): Readonly<Record<string, Uint8Array>> => {
    if (request.type === 'transfer.branches') {
      return { branches: BranchDigests.of(holder.digests).encode() };
    }
    const leaves = request.type === 'transfer.digests' ? decodeLeaves(request.leaves) : undefined;
    if (leaves === undefined) throw new Error(`not a comparison: ${request.type}`);
    return { digests: (holder.tellsAll ? holder.digests : holder.digests.only(leaves)).encode() };
  };
  return holder;
}

function everyLeaf(): readonly Entry[] {
  return Array.from({ length: LEAVES }, (_, leaf) => [leaf, BigInt(leaf)]);
}

function digestsOf(records: readonly Entry[]): LeafDigests {
  const digests = new LeafDigests();
  for (const [leaf, checksum] of records) digests.add(leaf, checksum);
  return digests;
}
