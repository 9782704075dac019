import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Address, Incarnation, NodeId } from '../../src/ids.ts';
import type { PeerCard } from '../../src/rpc/handshake.ts';
import { judge, ProvenClones } from '../../src/rpc/proven-clones.ts';

const NODE = '00112233aabbccdd' as NodeId;
const OTHER = 'ffffffffffffffff' as NodeId;

describe('of two that run as one node', () => {
  test('the one that was started fewer times stays: a copy of a running node begins later', () => {
    const [original, copy] = [life('f', 5), life('0', 6)];
    expect(judge(original, copy)).toEqual({ stays: original, goes: copy });
  });

  test('every member picks the same one, whichever of them it knew', () => {
    const anyLife = fc.record({ name: fc.constantFrom('a', 'b', 'c'), starts: fc.nat({ max: 3 }) });
    fc.assert(
      fc.property(anyLife, anyLife, (one, two) => {
        fc.pre(one.name !== two.name);
        const [a, b] = [life(one.name, one.starts), life(two.name, two.starts)];
        expect(judge(a, b)).toEqual(judge(b, a));
        expect(new Set(Object.values(judge(a, b)))).toEqual(new Set([a, b]));
      }),
    );
  });
});

describe('clones that were found', () => {
  const clones = judge(life('a', 1), life('b', 1));
  const { stays, goes } = clones;

  test('are news once, and only one of them is to go', () => {
    const proven = new ProvenClones();
    expect(proven.add(clones, 0)).toBe(true);
    expect(proven.add(clones, 1)).toBe(false);
    expect(proven.keptInsteadOf(goes.nonce)).toBe(stays);
    expect(proven.keptInsteadOf(stays.nonce)).toBeUndefined();
    proven.forget(goes.nonce);
    expect(proven.keptInsteadOf(goes.nonce)).toBeUndefined();
  });

  test('are apart for as long as members tell of another life than the one that goes', () => {
    const proven = new ProvenClones();
    proven.add(clones, 0);
    expect(proven.isKeptElsewhere(goes.nonce, 29_999)).toBe(true);
    expect(proven.isKeptElsewhere(goes.nonce, 30_000)).toBe(false);
    proven.hear(NODE, 'its next life', 30_000);
    expect(proven.isKeptElsewhere(goes.nonce, 59_999)).toBe(true);
    proven.hear(NODE, goes.nonce, 50_000);
    proven.hear(OTHER, stays.nonce, 50_000);
    expect(proven.isKeptElsewhere(goes.nonce, 60_000)).toBe(false);
  });

  test('are remembered up to a bound, the latest of them', () => {
    const proven = new ProvenClones();
    for (let copy = 0; copy < 100; copy++) {
      proven.add({ stays, goes: life(`copy ${copy}`, 2) }, copy);
    }
    const remembered = Array.from({ length: 100 }, (_, copy) => copy).filter(
      (copy) => proven.keptInsteadOf(`copy ${copy}`) !== undefined,
    );
    expect(remembered).toEqual(Array.from({ length: 64 }, (_, place) => 36 + place));
  });
});

function life(nonce: string, incarnation: number): PeerCard {
  return {
    nodeId: NODE,
    nonce,
    incarnation: incarnation as Incarnation,
    address: `${nonce.replaceAll(' ', '-')}:7400` as Address,
    clusterId: undefined,
  };
}
