import { describe, expect, test } from 'vitest';
import type { Address, ClusterId, Epoch, Incarnation, NodeId } from '../../src/ids.ts';
import { Ring } from '../../src/ring/ring.ts';
import { decodeRing, encodeRing } from '../../src/ring/ring-codec.ts';
import type { Transport } from '../../src/rpc/transport.ts';
import { Life, simulatedClock } from '../simulator/life.ts';
import { Story } from '../simulator/story.ts';

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
    const { story, other } = await twoRings();
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
    for (const change of strange) await tell(story, teller, keeper, newRing(ring, change));
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
  const teller = outsider(story);
  const options = { timeoutMs: 1_000, traffic: 'membership' } as const;
  const address = story.node(1).address;
  const answer = await story.run(teller.callAddress(address, { type: 'membership.ring' }, options));
  const ring = answer.ok && answer.reply.ring ? decodeRing(answer.reply.ring) : undefined;
  if (ring === undefined) throw new Error('node 1 shows no ring');
  await tell(story, teller, keeper, newRing(ring, { epoch: 2 as Epoch }));
  expect(epochOf(story, keeper)).toBe(2);
  expect(epochOf(story, other)).toBe(1);
  return { story, teller, ring, keeper, other };
}

function newRing(ring: Ring, change: Partial<Ring>): Ring {
  return new Ring({ ...ring, ...change });
}

async function tell(story: Story, teller: Transport, number: number, ring: Ring): Promise<void> {
  const request = { type: 'ring.decided', ring: encodeRing(ring) } as const;
  const options = { timeoutMs: 1_000, traffic: 'membership' } as const;
  await story.run(teller.callAddress(story.node(number).address, request, options));
}

function epochOf(story: Story, number: number): number | undefined {
  return story.at(number).cluster.ring()?.epoch;
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
