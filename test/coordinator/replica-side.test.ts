import { describe, expect, test } from 'vitest';
import type { Epoch, Key } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { A, B, C, D, openCopy, record, ringOf, settled } from '../stabilizer/copies.ts';
import { replicaSideOf } from './replica-side-of.ts';

const CONTEXT = { from: B, deadlineMs: 10_000 };
const JOINT = ringOf(2, [A, B, C], [B, C, D]);

describe('a write that is under way when its replica leaves the cluster', () => {
  test.each([
    ['one', 'is acknowledged by nobody: what was set aside decides nothing alone'],
    ['quorum', 'counts for the old set: a quorum of the new one has to have it as well'],
  ] as const)('at level %s %s', async (level, _why) => {
    const copy = await openCopy(A, JOINT);
    const { handlers } = await replicaSideOf(copy);
    const release = copy.store.holdReads();
    const { bytes } = record('late');
    const request = { type: 'replica.write', epoch: 2 as Epoch, record: bytes, level } as const;
    const written = handlers['replica.write'](request, CONTEXT);
    await settled();
    copy.membership.ring = undefined as unknown as Ring;
    release();
    if (level === 'one') await expect(written).rejects.toThrow('left the cluster');
    else expect((await written).ok).toBe(true);
  });
});

test('a write that is stored after its replica has left and lost touch counts for no quorum', async () => {
  const copy = await openCopy(A, JOINT);
  let inTouch = true;
  const { handlers } = await replicaSideOf(copy, { servesQuorum: () => inTouch });
  const release = copy.store.holdReads();
  const { bytes } = record('late');
  const request = {
    type: 'replica.write',
    epoch: 2 as Epoch,
    record: bytes,
    level: 'quorum',
  } as const;
  const written = handlers['replica.write'](request, CONTEXT);
  await settled();
  [inTouch, copy.membership.ring] = [false, undefined as unknown as Ring];
  release();
  await expect(written).rejects.toThrow('lost touch');
});

describe('a replica that may not serve quorums', () => {
  const REQUEST = { type: 'replica.version', epoch: 2 as Epoch, key: 'x' as Key } as const;

  test('waits for the members that it meets just now, and looks again after each', async () => {
    const copy = await openCopy(A, JOINT);
    let [serves, met] = [false, (): void => undefined];
    const { handlers } = await replicaSideOf(copy, {
      servesQuorum: () => serves,
      nextMeeting: () => new Promise<void>((resolve) => (met = resolve)),
    });
    let answered = false;
    const asked = handlers['replica.version']({ ...REQUEST, level: 'quorum' }, CONTEXT);
    void asked.then(() => (answered = true));
    await settled();
    met();
    await settled();
    expect(answered).toBe(false);
    serves = true;
    met();
    expect((await asked).ok).toBe(true);
  });

  test('refuses when there is nobody left to meet, or the time of the request is up', async () => {
    const copy = await openCopy(A, JOINT);
    const { handlers } = await replicaSideOf(copy, { servesQuorum: () => false });
    const refused = await handlers['replica.version']({ ...REQUEST, level: 'quorum' }, CONTEXT);
    expect(refused).toMatchObject({ refusal: { reason: 'not_ready' } });
    const late = await replicaSideOf(copy, {
      servesQuorum: () => false,
      nextMeeting: async () => copy.clock.advance(CONTEXT.deadlineMs),
    });
    const asked = late.handlers['replica.version']({ ...REQUEST, level: 'quorum' }, CONTEXT);
    expect(await asked).toMatchObject({ refusal: { reason: 'expired' } });
  });
});
