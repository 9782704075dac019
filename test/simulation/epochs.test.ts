import { describe, expect, test } from 'vitest';
import type { ClusterId, Epoch } from '../../src/ids.ts';
import { Ring } from '../../src/ring/ring.ts';
import { Story } from '../simulator/story.ts';
import { Teller } from '../simulator/teller.ts';

/** Rings do not change by themselves yet: here somebody tells one node of a newer one. */
describe('a newer ring that one node knows', () => {
  test('is taken by a coordinator from the replica that refused its older epoch', async () => {
    const { story, keeper, other } = await twoRings();
    await story.put(other, 'k', 'v');
    expect(epochOf(story, other)).toBe(2);
    expect(await story.get(keeper, 'k')).toBe('v');
  });

  test('is taken by the replicas before they serve its coordinator', async () => {
    const { story, keeper } = await twoRings();
    await story.put(keeper, 'k', 'v');
    const { keepers } = await story.replicasOf('k');
    for (const number of keepers) expect(epochOf(story, number)).toBe(2);
  });

  test('restarts a read, which returns what was written before', async () => {
    const { story, other, teller, keepers, newer } = await twoRings();
    for (const number of keepers.slice(1, 2)) await teller.tell(number, newer);
    expect(await story.get(other, 'k')).toBe('before');
    expect(epochOf(story, other)).toBe(2);
  });

  test('reaches everyone within a few pings', async () => {
    const { story } = await twoRings();
    await story.pass(3_000);
    for (const number of [1, 2, 3, 4, 5]) expect(epochOf(story, number)).toBe(2);
  });

  test('is never taken from another cluster or lineage, nor an older one after a newer', async () => {
    const { story, teller, ring, keeper } = await twoRings();
    const strange = [
      { epoch: 3 as Epoch, clusterId: 'f'.repeat(32) as ClusterId },
      { epoch: 3 as Epoch, lineage: 'f'.repeat(16) as Ring['lineage'] },
      { epoch: 1 as Epoch },
    ];
    for (const change of strange) await teller.tell(keeper, newRing(ring, change));
    expect(epochOf(story, keeper)).toBe(2);
  });

  test('survives a restart of the node that took it', async () => {
    const { story, keeper } = await twoRings();
    story.cluster.crash(story.node(keeper));
    story.cluster.start(story.node(keeper));
    await story.until(() => story.node(keeper).node !== undefined);
    expect(epochOf(story, keeper)).toBe(2);
  });
});

/** `keeper`, a replica of `k`, holds epoch 2; all others, `other` that keeps no `k` too, hold epoch 1. */
async function twoRings() {
  const story = await Story.begin();
  await story.put(1, 'k', 'before', 'all');
  const { keepers, others } = await story.replicasOf('k');
  const [keeper = 0] = keepers;
  const [other = 0] = others;
  const teller = new Teller(story);
  const ring = await teller.ringOf(1);
  const newer = newRing(ring, { epoch: 2 as Epoch });
  await teller.tell(keeper, newer);
  expect(epochOf(story, keeper)).toBe(2);
  expect(epochOf(story, other)).toBe(1);
  return { story, teller, ring, newer, keeper, keepers, other };
}

function newRing(ring: Ring, change: Partial<Ring>): Ring {
  return new Ring({ ...ring, ...change });
}

function epochOf(story: Story, number: number): number | undefined {
  return story.at(number).cluster.ring()?.epoch;
}
