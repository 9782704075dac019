import { describe, expect, test } from 'vitest';
import type { Epoch, NodeId, Partition } from '../../src/ids.ts';
import { PartialWrites } from '../../src/quorum/partial-writes.ts';

const [A, B, C] = ['a', 'b', 'c'] as unknown as readonly [NodeId, NodeId, NodeId];
const P = 3 as Partition;
const EPOCH = 5 as Epoch;

describe('writes that not all replicas have', () => {
  test('are lost when none of the survivors confirmed a copy, and counted once', () => {
    const writes = new PartialWrites();
    writes.note(P, EPOCH, [A, B]);
    writes.note(P, EPOCH, [B, A]);
    writes.note(P, EPOCH, [A, C]);
    writes.note(P, EPOCH, [A]);
    writes.note(4 as Partition, EPOCH, [A, B]);
    expect(writes.takeLost(P, [C])).toBe(3);
    expect(writes.takeLost(P, [C])).toBe(0);
    expect(writes.takeLost(P, [])).toBe(1);
    expect(writes.size).toBe(1);
  });

  test('are forgotten when all replicas have pulled since', () => {
    const writes = new PartialWrites();
    writes.note(P, EPOCH, [A, B]);
    writes.note(P, (EPOCH + 1) as Epoch, [A, B]);
    writes.forgetBelow((EPOCH + 1) as Epoch);
    expect(writes.takeLost(P, [C])).toBe(1);
    expect(writes.size).toBe(0);
  });

  test('take bounded memory: of very many kinds some count as held by nobody', () => {
    const writes = new PartialWrites();
    for (let epoch = 1; epoch <= 1_000; epoch++) writes.note(P, epoch as Epoch, [A, B]);
    expect(writes.takeLost(P, [A])).toBe(1_000 - 64);
    expect(writes.takeLost(P, [C])).toBe(64);
  });
});
