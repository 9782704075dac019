import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import {
  CONSISTENCY_LEVELS,
  quorumOf,
  requiredAnswers,
} from '../../src/quorum/consistency-level.ts';
import { ReadQuorum } from '../../src/quorum/read-quorum.ts';
import { WriteQuorum } from '../../src/quorum/write-quorum.ts';
import { nodeIds, versions } from '../version/arbitraries.ts';

const A = 'a'.repeat(16) as NodeId;
const B = 'b'.repeat(16) as NodeId;
const C = 'c'.repeat(16) as NodeId;
const D = 'd'.repeat(16) as NodeId;

const replicaSets = fc.array(fc.uniqueArray(nodeIds, { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 2,
});
const levels = fc.constantFrom(...CONSISTENCY_LEVELS);
const words = fc.array(fc.record({ node: nodeIds, yes: fc.boolean() }), { maxLength: 20 });

test('any two quorums of one replica set share a replica', () => {
  for (let replicas = 1; replicas <= 7; replicas++) {
    expect(2 * quorumOf(replicas)).toBeGreaterThan(replicas);
  }
});

describe('a write quorum', () => {
  test('is met exactly when enough different replicas of every set acknowledged', () => {
    fc.assert(
      fc.property(replicaSets, levels, words, (sets, level, said) => {
        const quorum = new WriteQuorum(sets, level);
        const first = new Map<NodeId, boolean>();
        for (const { node, yes } of said) {
          const verdict = yes ? quorum.acknowledge(node) : quorum.fail(node);
          if (!first.has(node)) first.set(node, yes);
          expect(verdict).toBe(expected(sets, level, first));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('counts a replica once, however often it answers', () => {
    const quorum = new WriteQuorum([[A, B, C]], 'quorum');
    quorum.acknowledge(A);
    expect(quorum.acknowledge(A)).toBe('pending');
    expect(quorum.acknowledge(B)).toBe('met');
  });

  test('counts no node that is not a replica: no hint and no stand-in', () => {
    const quorum = new WriteQuorum([[A, B, C]], 'quorum');
    quorum.acknowledge(A);
    expect(quorum.acknowledge(D)).toBe('pending');
  });

  test('needs a quorum of the old and of the new set while the ring is joint', () => {
    const quorum = new WriteQuorum(
      [
        [A, B],
        [B, C, D],
      ],
      'quorum',
    );
    quorum.acknowledge(A);
    expect(quorum.acknowledge(B)).toBe('pending'); // one answer of B counts for both sets
    expect(quorum.acknowledge(C)).toBe('met');
  });
});

describe('a read quorum', () => {
  test('tells of the set that lacks most, and counts all that said yes', () => {
    const sets = [
      [A, B, C],
      [A, D],
    ];
    const quorum = new ReadQuorum(sets, 'quorum', 'all');
    for (const node of [B, C, D]) quorum.answer(node, undefined);
    quorum.fail(A);
    expect([quorum.answered, quorum.shortfall]).toEqual([3, '2 of the 3 replicas needed']);
    const write = new WriteQuorum(sets, 'one');
    write.acknowledge(B); // stored, whatever the other set says
    expect([write.acknowledged, write.shortfall]).toEqual([1, '0 of the 1 replicas needed']);
  });

  test('may ask more of the old set than of the new one', () => {
    const quorum = new ReadQuorum(
      [
        [A, B, C],
        [B, C, D],
      ],
      'quorum',
      'all',
    );
    expect([quorum.answer(B, undefined), quorum.answer(C, undefined)]).toEqual([
      'pending',
      'pending',
    ]);
    expect(quorum.required).toBe(3);
    expect(quorum.answer(A, undefined)).toBe('met');
    const failing = new ReadQuorum(
      [
        [A, B, C],
        [B, C, D],
      ],
      'quorum',
      'all',
    );
    expect([failing.fail(D), failing.fail(A)]).toEqual(['pending', 'failed']);
  });

  test('knows the newest version, who holds it and who is stale', () => {
    const answers = fc.uniqueArray(fc.record({ node: nodeIds, version: fc.option(versions) }), {
      selector: ({ node }) => node,
      maxLength: 6,
    });
    fc.assert(
      fc.property(answers, (given) => {
        const sets = [['0', '1', '2', '3', '4', '5'].map((n) => n.padStart(16, '0') as NodeId)];
        const quorum = new ReadQuorum(sets, 'quorum');
        for (const { node, version } of given) quorum.answer(node, version ?? undefined);
        const newest =
          given
            .map(({ version }) => version ?? '')
            .sort()
            .at(-1) || undefined;
        expect(quorum.newest).toBe(newest);
        const holds = ({ version }: { version: string | null }) =>
          (version ?? undefined) === newest;
        expect([...quorum.holders].sort()).toEqual(
          given
            .filter(holds)
            .map(({ node }) => node)
            .sort(),
        );
        expect(quorum.stale.length + quorum.holders.length).toBe(given.length);
        expect(quorum.settled).toBe(quorum.holders.length >= 4);
      }),
    );
  });

  test('takes "nothing" for an answer like any other', () => {
    const quorum = new ReadQuorum([[A, B, C]], 'quorum');
    quorum.answer(A, undefined);
    expect(quorum.answer(B, undefined)).toBe('met');
    expect(quorum.newest).toBeUndefined();
    expect(quorum.settled).toBe(true);
  });

  test('is not settled while only one replica is known to hold the newest version', () => {
    const [version] = fc.sample(versions, 1);
    const quorum = new ReadQuorum([[A, B, C]], 'quorum');
    quorum.answer(A, version);
    quorum.answer(B, undefined);
    expect(quorum.settled).toBe(false);
    quorum.answer(C, version);
    expect(quorum.settled).toBe(true);
    expect(quorum.stale).toEqual([B]);
  });

  test('is settled only when a quorum of each set holds the newest version', () => {
    const [version] = fc.sample(versions, 1);
    const quorum = new ReadQuorum(
      [
        [A, B, C],
        [B, C, D],
      ],
      'quorum',
    );
    quorum.answer(A, version);
    quorum.answer(B, version);
    quorum.answer(C, undefined);
    expect(quorum.verdict).toBe('met');
    expect(quorum.settled).toBe(false);
    quorum.answer(D, version);
    expect(quorum.settled).toBe(true);
  });
});

function expected(
  sets: readonly (readonly NodeId[])[],
  level: (typeof CONSISTENCY_LEVELS)[number],
  said: ReadonlyMap<NodeId, boolean>,
): string {
  const open = sets.map((set) => {
    const yes = set.filter((node) => said.get(node) === true).length;
    const no = set.filter((node) => said.get(node) === false).length;
    const required = requiredAnswers(level, set.length);
    if (set.length - no < required) return 'failed';
    return yes >= required ? 'met' : 'pending';
  });
  if (open.includes('failed')) return 'failed';
  return open.includes('pending') ? 'pending' : 'met';
}
