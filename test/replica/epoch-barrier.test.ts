import { describe, expect, test } from 'vitest';
import type { Epoch } from '../../src/ids.ts';
import { EpochBarrier } from '../../src/replica/epoch-barrier.ts';

const [ONE, TWO, THREE] = [1, 2, 3] as Epoch[] as [Epoch, Epoch, Epoch];

describe('an epoch barrier', () => {
  test('waits for the changes of older epochs, and for all of them', async () => {
    const barrier = new EpochBarrier();
    const [first, second] = [change(barrier, ONE), change(barrier, TWO)];
    const passed = watch(barrier.settledBelow(THREE));
    await settled();
    expect(passed()).toBe(false);
    first.end();
    await settled();
    expect(passed()).toBe(false);
    second.end();
    await settled();
    expect(passed()).toBe(true);
    expect(barrier.size).toBe(0);
  });

  test('does not wait for changes of the same epoch or a newer one', async () => {
    const barrier = new EpochBarrier();
    change(barrier, TWO);
    change(barrier, THREE);
    const passed = watch(barrier.settledBelow(TWO));
    await settled();
    expect(passed()).toBe(true);
    expect(barrier.size).toBe(2);
  });

  test('counts a change from before it checks its epoch', async () => {
    const barrier = new EpochBarrier();
    let sizeAtCheck = 0;
    await barrier.during(ONE, async () => {
      sizeAtCheck = barrier.size;
    });
    expect(sizeAtCheck).toBe(1);
  });

  test('lets go of a change that broke', async () => {
    const barrier = new EpochBarrier();
    const broken = barrier.during(ONE, () => Promise.reject(new Error('broken')));
    await expect(broken).rejects.toThrow('broken');
    await barrier.settledBelow(TWO);
    expect(barrier.size).toBe(0);
  });
});

function change(barrier: EpochBarrier, epoch: Epoch) {
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => (end = resolve));
  void barrier.during(epoch, () => over);
  return { end: () => end() };
}

function watch(promise: Promise<void>): () => boolean {
  let over = false;
  void promise.then(() => (over = true));
  return () => over;
}

/** Everything that can go on without the outside has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
