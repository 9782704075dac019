import { describe, expect, test } from 'vitest';
import type { ReplicaSide } from '../../src/coordinator/replica-side.ts';
import type { Epoch, Key } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { A, B, C, type Copy, D, openCopy, record, ringOf, settled } from '../stabilizer/copies.ts';
import { replicaSideOf } from './replica-side-of.ts';

const CONTEXT = { from: B, deadlineMs: 10_000 };
const JOINT = ringOf(2, [A, B, C], [B, C, D]);

/** A write that is admitted, and is not stored before `release`. */
async function admittedWrite(
  copy: Copy,
  { handlers }: ReplicaSide,
  level: 'one' | 'quorum' = 'quorum',
) {
  const release = copy.store.holdReads();
  const { bytes } = record('late');
  const request = { type: 'replica.write', epoch: 2 as Epoch, record: bytes, level } as const;
  const written = handlers['replica.write'](request, CONTEXT);
  await settled();
  return { written, release };
}

describe('a write that is under way when its replica leaves the cluster', () => {
  test.each([
    ['one', 'is acknowledged by nobody: what was set aside decides nothing alone'],
    ['quorum', 'counts for the old set: a quorum of the new one has to have it as well'],
  ] as const)('at level %s %s', async (level, _why) => {
    const copy = await openCopy(A, JOINT);
    const { written, release } = await admittedWrite(copy, await replicaSideOf(copy), level);
    copy.membership.ring = undefined as unknown as Ring;
    release();
    if (level === 'one') await expect(written).rejects.toThrow('left the cluster');
    else expect((await written).ok).toBe(true);
  });
});

test('a write that is stored after its replica has left and lost touch counts for no quorum', async () => {
  const copy = await openCopy(A, JOINT);
  let inTouch = true;
  const side = await replicaSideOf(copy, { servesQuorum: () => inTouch });
  const { written, release } = await admittedWrite(copy, side);
  [inTouch, copy.membership.ring] = [false, undefined as unknown as Ring];
  release();
  await expect(written).rejects.toThrow('lost touch');
});

describe('a write that is stored while its replica meets the members anew', () => {
  async function begin() {
    const copy = await openCopy(A, JOINT);
    const scene = { copy, inTouch: true, met: (): void => undefined };
    const side = await replicaSideOf(copy, {
      servesQuorum: () => scene.inTouch,
      nextMeeting: () => new Promise<void>((resolve) => (scene.met = resolve)),
    });
    const { written, release } = await admittedWrite(copy, side);
    scene.inTouch = false;
    release();
    await settled();
    return { scene, written };
  }

  test('waits to be counted', async () => {
    const { scene, written } = await begin();
    let answered = false;
    const answer = written.finally(() => (answered = true));
    scene.met();
    await settled();
    expect(answered).toBe(false);
    scene.inTouch = true;
    scene.met();
    expect((await answer).ok).toBe(true);
  });

  test('counts no more when the time of the request is up', async () => {
    const { scene, written } = await begin();
    scene.copy.clock.advance(CONTEXT.deadlineMs);
    scene.met();
    await expect(written).rejects.toThrow('lost touch');
  });
});

test('a write that is stored is judged by the ring and the time of its admission', async () => {
  const copy = await openCopy(A, JOINT);
  const judged: { readonly before: Ring; readonly atMs: number }[] = [];
  const side = await replicaSideOf(copy, {
    stillServesQuorum: (before, { monotonicMs }) => {
      judged.push({ before, atMs: monotonicMs });
      return true;
    },
  });
  const atMs = copy.clock.monotonicMs();
  const { written, release } = await admittedWrite(copy, side);
  copy.clock.advance(5_000);
  copy.membership.ring = ringOf(3, [B, C, D]);
  release();
  expect((await written).ok).toBe(true);
  expect(judged).toEqual([{ before: JOINT, atMs }]);
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

describe('a replica whose copy is damaged', () => {
  const key = 'x' as Key;
  const epoch = 2 as Epoch;
  const sources = [B, C];
  const healedBy = record('x', 1).bytes;

  test('tells so with a ticket, whatever it is asked, and is healed by who shows it', async () => {
    const copy = await openCopy(A, ringOf(2, [A, B, C]));
    const { handlers } = await replicaSideOf(copy);
    await copy.keep(record('x', 1));
    const level = 'quorum';
    for (const ask of [
      () => handlers['replica.version']({ type: 'replica.version', epoch, key, level }, CONTEXT),
      () => handlers['replica.read']({ type: 'replica.read', epoch, key, level }, CONTEXT),
      () => {
        const { bytes } = record('x', 2);
        return handlers['replica.write'](
          { type: 'replica.write', epoch, record: bytes, level },
          CONTEXT,
        );
      },
      () => {
        const { bytes } = record('x', 2);
        return handlers['replica.repair'](
          { type: 'replica.repair', epoch, record: bytes },
          CONTEXT,
        );
      },
    ]) {
      await copy.damage('x');
      const told = await ask();
      const damage = told.ok ? undefined : told.refusal.damage;
      if (damage === undefined) throw new Error('it told of no damage');
      const heal = { type: 'replica.heal', epoch, key, record: healedBy, sources } as const;
      const ofAnother = { ...heal, ...damage, life: 'another' };
      expect((await handlers['replica.heal'](ofAnother, CONTEXT)).ok).toBe(false);
      expect((await handlers['replica.heal']({ ...heal, ...damage }, CONTEXT)).ok).toBe(true);
    }
  });

  test.each([
    ['quorum', false],
    ['one', true],
  ] as const)('is held to what it told a reader at level %s: %s', async (level, isHealed) => {
    const copy = await openCopy(A, ringOf(2, [A, B, C]));
    const { handlers } = await replicaSideOf(copy);
    await copy.keep(record('x', 2));
    await handlers['replica.version']({ type: 'replica.version', epoch, key, level }, CONTEXT);
    await handlers['replica.read']({ type: 'replica.read', epoch, key, level }, CONTEXT);
    await copy.damage('x');
    const ticket = copy.replica.ticket();
    const heal = {
      type: 'replica.heal',
      epoch,
      key,
      record: healedBy,
      sources,
      ...ticket,
    } as const;
    expect((await handlers['replica.heal'](heal, CONTEXT)).ok).toBe(isHealed);
  });
});
