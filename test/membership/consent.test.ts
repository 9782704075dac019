import { expect, test } from 'vitest';
import type { Epoch } from '../../src/ids.ts';
import { Consent } from '../../src/membership/consent.ts';
import { Ring } from '../../src/ring/ring.ts';
import { membersFrom, nodeId } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';
import { HandClock } from '../runtime/hand-clock.ts';

const FIRST = ringOf(membersFrom(1, 5));
const WAIT_MS = 3 * FIRST.graceMs;

test.each([
  ['the same terms of leases', 1, {}, true],
  ['other terms', 1, { graceMs: FIRST.graceMs - 1 }, false],
  ['the same terms, over a ring that it never held', 2, {}, false],
])('a member that goes on under %s', async (_what, epochs, changes, agreesAtOnce) => {
  const clock = new HandClock();
  const rings = { ring: FIRST };
  const consent = new Consent({
    rings,
    clock,
    deaths: { deadSinceMs: () => clock.monotonicMs() - 1, lastAnsweredMs: () => undefined },
    acceptor: {
      agreeToSurvivors: async (_: unknown, mayAgree: () => boolean) => ({
        ok: true,
        reply: { agrees: mayAgree() },
      }),
    },
  } as unknown as ConstructorParameters<typeof Consent>[0]);
  const agrees = async (): Promise<unknown> => {
    const { epoch } = rings.ring;
    const request = { type: 'ring.consent', epoch, missing: [nodeId(2)], to: 'survivors' } as const;
    const answer = await consent.answer(request, nodeId(3));
    return answer.ok && answer.reply.agrees;
  };
  expect(await agrees()).toBe(false);
  clock.advance(WAIT_MS + 1);
  expect(await agrees()).toBe(true);
  rings.ring = new Ring({ ...FIRST, ...changes, epoch: (FIRST.epoch + epochs) as Epoch });
  consent.noteRing(rings.ring);
  expect(await agrees()).toBe(agreesAtOnce);
  clock.advance(WAIT_MS + 1);
  expect(await agrees()).toBe(true);
});
