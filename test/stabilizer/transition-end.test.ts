import { expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import type { Membership } from '../../src/membership/membership.ts';
import { partitionsToPull } from '../../src/ring/pulls.ts';
import type { Ring } from '../../src/ring/ring.ts';
import type { Transport } from '../../src/rpc/transport.ts';
import { TransitionEnd } from '../../src/stabilizer/transition-end.ts';
import { ClusterEvents } from '../../src/telemetry/cluster-events.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { silentLog } from '../telemetry/silent-log.ts';
import { A, B, C, D, ringOf, settled } from './copies.ts';

test('settles no ring on a replica that died after it had said that it pulled everything', async () => {
  const scene = newScene(ringOf(2, [A, B, C], [A, B, D]));
  await scene.pass(1_000);
  expect(scene.proposals.at(-1)).toMatchObject({ epoch: 3, next: undefined });
  scene.onDecide = () => scene.dead.add(D);
  await scene.pass(1_000);
  expect(scene.proposals.at(-1)).toBeUndefined();
  await scene.end.stop();
});

/** Node A, for whom everybody has pulled all of `ring`. */
function newScene(ring: Ring) {
  const clock = new HandClock();
  const scene = {
    dead: new Set<NodeId>(),
    /** Happens between what the others said and the proposal. */
    onDecide: (): unknown => undefined,
    /** What was proposed each time, if anything. */
    proposals: [] as (Ring | undefined)[],
    async pass(ms: number) {
      for (let passed = 0; passed < ms; passed += 50) {
        clock.advance(50);
        await settled();
      }
    },
    end: undefined as unknown as TransitionEnd,
  };
  const call = async (from: NodeId) => {
    const toPull = partitionsToPull(ring, from).length;
    const reply = { keys: 0, epoch: ring.epoch, ready: true, toPull, pulled: toPull };
    return { ok: true, from, reply };
  };
  const membership = {
    ring,
    isReachable: (member: NodeId) => !scene.dead.has(member),
    async decide(propose: (now: Ring) => Ring | undefined) {
      scene.onDecide();
      scene.proposals.push(propose(ring));
    },
  };
  scene.end = new TransitionEnd({
    self: A,
    membership: membership as unknown as Membership,
    transport: { call } as unknown as Transport,
    clock,
    random: new SeededRandom(1, 'transition-end'),
    log: silentLog,
    events: new ClusterEvents({ life: 'life', wallMs: () => 0 }),
  });
  return scene;
}
