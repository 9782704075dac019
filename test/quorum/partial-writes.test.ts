import { describe, expect, test } from 'vitest';
import type { Epoch, NodeId, Partition } from '../../src/ids.ts';
import { PartialWrites } from '../../src/quorum/partial-writes.ts';

const [A, B, C] = ['a', 'b', 'c'] as unknown as readonly [NodeId, NodeId, NodeId];
const P = 3 as Partition;
const EPOCH = 5 as Epoch;
const LATER = 6 as Epoch;

describe('writes that not all replicas have', () => {
  test('are lost when none of the survivors confirmed a copy, and counted once', () => {
    const writes = new PartialWrites();
    writes.note(P, EPOCH, [A, B]);
    writes.note(P, EPOCH, [B, A]);
    writes.note(P, EPOCH, [A, C]);
    writes.note(P, EPOCH, [A]);
    writes.note(4 as Partition, EPOCH, [A, B]);
    expect(writes.takeLost(P, LATER, [C])).toBe(3);
    expect(writes.takeLost(P, LATER, [C])).toBe(0);
    expect(writes.takeLost(P, LATER, [])).toBe(1);
    expect(writes.size).toBe(1);
  });

  test('are forgotten when all replicas have pulled since', () => {
    const writes = new PartialWrites();
    writes.note(P, EPOCH, [A, B]);
    writes.note(P, LATER, [A, B]);
    writes.note(4 as Partition, EPOCH, [A, B]);
    writes.forgetBelow(P, LATER);
    expect(writes.takeLost(P, 9 as Epoch, [C])).toBe(1);
    expect(writes.size).toBe(1);
  });

  test('are not lost by survivors who went on before', () => {
    const writes = new PartialWrites();
    writes.note(P, LATER, [A, B]);
    expect(writes.takeLost(P, LATER, [C])).toBe(0);
    expect(writes.size).toBe(1);
  });

  test('take bounded memory: of very many kinds some count as held by nobody', () => {
    const writes = new PartialWrites();
    for (let epoch = 1; epoch <= 1_000; epoch++) writes.note(P, epoch as Epoch, [A, B]);
    expect(writes.takeLost(P, 1_001 as Epoch, [A])).toBe(1_000 - 64);
    expect(writes.takeLost(P, 1_001 as Epoch, [C])).toBe(64);
  });
});
