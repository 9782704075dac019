import { describe, expect, test } from 'vitest';
import type { Epoch } from '../../src/ids.ts';
import { EpochCheck } from '../../src/membership/epoch-check.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import { HandClock } from '../runtime/hand-clock.ts';
import { A, B, C, ringOf } from '../stabilizer/copies.ts';

const EPOCH = 2 as Epoch;
const REQUEST = { from: B, deadlineMs: 1_000 };

describe('a request that carries an epoch', () => {
  test('is served under the ring of that epoch, which is fetched first where it is newer', async () => {
    for (const held of [undefined, ringOf(1, [A, B, C]), ringOf(2, [A, B, C])]) {
      const newest = ringOf(2, [A, B, C]);
      expect(await check(held, newest)).toMatchObject({ ok: true, ring: { epoch: 2 } });
    }
  });

  test('is refused with the ring when its own is older', async () => {
    const held = ringOf(3, [A, B, C]);
    const refusal = { reason: 'stale_epoch', ring: encodeRing(held) };
    expect(await check(held, held)).toEqual({ ok: false, refusal });
  });

  test('is refused with the ring when that changed once more while it was fetched', async () => {
    const newest = ringOf(3, [A, B, C]);
    const refusal = { reason: 'stale_epoch', ring: encodeRing(newest) };
    expect(await check(ringOf(1, [A, B, C]), newest)).toEqual({ ok: false, refusal });
  });

  test('is put off by a node that could not catch up', async () => {
    for (const held of [undefined, ringOf(1, [A, B, C])]) {
      const refusal = { reason: 'not_ready' };
      expect(await check(held, held)).toEqual({ ok: false, refusal });
    }
  });

  test('is dropped when its time is up, even if that was while the ring was fetched', async () => {
    const refusal = { reason: 'expired' };
    expect(await check(ringOf(1, [A, B, C]), ringOf(2, [A, B, C]), 1_000)).toEqual({
      ok: false,
      refusal,
    });
  });
});

/** A request of epoch 2 at a node that holds one ring, and `newest` after it caught up. */
function check(held: Ring | undefined, newest: Ring | undefined, catchUpTakesMs = 0) {
  const clock = new HandClock();
  const membership = {
    ring: held,
    catchUp: async () => {
      membership.ring = newest;
      clock.advance(catchUpTakesMs);
    },
  };
  const epochs = new EpochCheck({ membership, clock, counters: new Counters() });
  return epochs.check(EPOCH, REQUEST);
}
