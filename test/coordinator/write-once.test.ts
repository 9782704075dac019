import { describe, expect, test } from 'vitest';
import { AcceptedBeforeError, WriteOnce } from '../../src/coordinator/write-once.ts';
import { versionAt } from '../version/version-at.ts';

const VERSION = versionAt(1);
const TAKEN = { ok: true, reply: { version: VERSION } } as const;
const FULL = { ok: false, refusal: { reason: 'full' } } as const;
const STALE = { ok: false, refusal: { reason: 'stale_epoch' } } as const;

describe("a client's write whose message arrives again", () => {
  test('stays refused when it was refused, though there is room now', async () => {
    const writes = new WriteOnce();
    expect(await writes.serve(VERSION, async () => FULL)).toEqual(FULL);
    expect(await writes.serve(VERSION, async () => TAKEN)).toEqual(FULL);
    expect(await writes.serve(versionAt(2), async () => TAKEN)).toEqual(TAKEN);
  });

  test('gets the answer of the first message while that is served', async () => {
    const writes = new WriteOnce();
    let finish = (): void => undefined;
    const first = writes.serve(VERSION, async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      return TAKEN;
    });
    const second = writes.serve(VERSION, async () => FULL);
    finish();
    expect(await Promise.all([first, second])).toEqual([TAKEN, TAKEN]);
  });

  test.each([FULL, STALE])(
    'is not refused after it was accepted: nobody knows then (%j)',
    async (refusal) => {
      const writes = new WriteOnce();
      await writes.serve(VERSION, async () => TAKEN);
      await expect(writes.serve(VERSION, async () => refusal)).rejects.toThrow(AcceptedBeforeError);
      expect(await writes.serve(VERSION, async () => TAKEN)).toEqual(TAKEN);
      expect(writes.serving).toBe(0);
    },
  );

  test('is looked at anew after a refusal for its epoch: it was sent again on purpose', async () => {
    const writes = new WriteOnce();
    await writes.serve(VERSION, async () => STALE);
    expect(await writes.serve(VERSION, async () => TAKEN)).toEqual(TAKEN);
  });

  test('is looked at anew when the first message is refused for its epoch a moment later', async () => {
    const writes = new WriteOnce();
    let refuse = (): void => undefined;
    const refused = async () => {
      await new Promise<void>((resolve) => (refuse = resolve));
      return STALE;
    };
    const first = writes.serve(VERSION, refused);
    const again = writes.serve(VERSION, async () => TAKEN);
    const copy = writes.serve(VERSION, async () => FULL);
    refuse();
    expect(await Promise.all([first, again, copy])).toEqual([STALE, TAKEN, TAKEN]);
    expect(writes.serving).toBe(0);
  });

  test('is not refused after it broke: it may be on the disk', async () => {
    const writes = new WriteOnce();
    const broken = async () => {
      throw new Error('lost touch');
    };
    await expect(writes.serve(VERSION, broken)).rejects.toThrow('lost touch');
    await expect(writes.serve(VERSION, async () => FULL)).rejects.toThrow(AcceptedBeforeError);
  });

  test('is remembered as long as it may still be on its way, and not for ever', async () => {
    const writes = new WriteOnce();
    for (let at = 1; at <= 5_000; at++) await writes.serve(versionAt(at), async () => FULL);
    expect(await writes.serve(versionAt(5_000), async () => TAKEN)).toEqual(FULL);
    expect(await writes.serve(versionAt(1), async () => TAKEN)).toEqual(TAKEN);
  });
});
