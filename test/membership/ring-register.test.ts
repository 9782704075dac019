import { expect, test } from 'vitest';
import type { Epoch, NodeId } from '../../src/ids.ts';
import { RingRegister } from '../../src/membership/ring-register.ts';
import { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import { membersFrom } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';

const BEFORE = ringOf(membersFrom(1, 3));
const WANTED = new Ring({ ...BEFORE, epoch: 2 as Epoch, graceMs: 1_000 });
const ANOTHER = new Ring({ ...BEFORE, epoch: 2 as Epoch, graceMs: 2_000 });
const LATER = new Ring({ ...BEFORE, epoch: 3 as Epoch });

/** A proposal whose round ends without a majority while this node hears of `rings`, the last one last. */
test.each([
  ['its own ring', [WANTED], 'decided'],
  ['its own ring and the next', [WANTED, LATER], 'decided'],
  ['another ring', [ANOTHER], 'overtaken'],
  ['another ring and the next', [ANOTHER, LATER], 'overtaken'],
  ['only a later ring', [LATER], 'undecided'],
  ['that it is no member any more', [], 'undecided'],
])('a proposal of which one hears %s meanwhile', async (_what, rings, state) => {
  const held = {
    ring: BEFORE as Ring | undefined,
    encoded: encodeRing(BEFORE) as unknown,
    encodedBefore: undefined as unknown,
    adopt: async () => undefined,
  };
  const call = async (to: NodeId) => {
    held.ring = rings.at(-1);
    held.encoded = rings.at(-1) && encodeRing(rings.at(-1) as Ring);
    held.encodedBefore = encodeRing(rings.at(-2) ?? BEFORE);
    return { ok: false, from: to, failure: 'lost' };
  };
  const register = new RingRegister({
    self: BEFORE.members[0]?.id as NodeId,
    rings: held,
    bounds: { follows: () => true },
    transport: { call },
    clock: new HandClock(),
    random: new SeededRandom(1, 'register'),
  } as unknown as ConstructorParameters<typeof RingRegister>[0]);
  expect((await register.decide(() => WANTED)).state).toBe(state);
});
