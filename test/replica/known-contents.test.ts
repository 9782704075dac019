import { describe, expect, test } from 'vitest';
import type { Epoch, Partition } from '../../src/ids.ts';
import { LeafDigests } from '../../src/merkle/leaf-digests.ts';
import { EpochBarrier } from '../../src/replica/epoch-barrier.ts';
import { KnownContents } from '../../src/replica/known-contents.ts';
import type { PartitionContents } from '../../src/replica/partition-scan.ts';
import { HandClock } from '../runtime/hand-clock.ts';

const P = 1 as Partition;

describe('known contents', () => {
  test('come from one walk for all who ask under one ring', async () => {
    const scene = newScene();
    const [first, second] = await Promise.all([scene.ask(), scene.ask()]);
    expect(second).toBe(first);
    expect(await scene.ask()).toBe(first);
    expect(scene.walks).toBe(1);
  });

  test.each([
    ['a walk under another ring', (scene: Scene) => (scene.ring.epoch = 3 as Epoch)],
    ['many changes', (scene: Scene) => (scene.changes += 5)],
    ['a removal', (scene: Scene) => (scene.removed += 1)],
    ['a loss', (scene: Scene) => (scene.marks += 1)],
    ['two seconds', (scene: Scene) => scene.clock.advance(2_001)],
  ])('are walked for again after %s', async (_what, happen) => {
    const scene = newScene();
    await scene.ask();
    scene.changes += 4;
    await scene.ask();
    expect(scene.walks).toBe(1);
    happen(scene);
    await scene.ask();
    expect(scene.walks).toBe(2);
    await scene.ask();
    expect(scene.walks).toBe(2);
  });

  test('are shared by those who ask during a long walk, and for two seconds after it', async () => {
    const scene = newScene();
    const end = scene.holdWalk();
    const early = scene.ask();
    scene.clock.advance(90_000);
    const late = scene.ask();
    end();
    expect(await late).toBe(await early);
    scene.clock.advance(2_000);
    await scene.ask();
    expect(scene.walks).toBe(1);
  });

  test('are not kept from before the changes of older epochs were over', async () => {
    const scene = newScene();
    let end = (): void => undefined;
    const change = scene.barrier.during(1 as Epoch, () => new Promise<void>((go) => (end = go)));
    const early = scene.ask();
    end();
    await change;
    await early;
    await scene.ask();
    expect(scene.walks).toBe(2);
    await scene.ask();
    expect(scene.walks).toBe(2);
  });

  test.each([
    ['damaged', { damaged: ['key'] }],
    ['fewer than counted', { extent: 'fewer' }],
    ['not readable', { extent: 'unreadable' }],
  ])('are not kept when they are %s', async (_what, flaw) => {
    const scene = newScene();
    scene.found = { ...scene.found, ...flaw } as PartitionContents;
    await scene.ask();
    await scene.ask();
    expect(scene.walks).toBe(2);
  });

  test('are not kept of a walk that failed', async () => {
    const scene = newScene();
    scene.fails = true;
    await expect(scene.ask()).rejects.toThrow('unreadable');
    scene.fails = false;
    await scene.ask();
    expect(scene.walks).toBe(2);
  });

  test('are kept of some partitions only', async () => {
    const scene = newScene();
    for (let partition = 0; partition < 600; partition++) await scene.ask(partition as Partition);
    await scene.ask(599 as Partition);
    expect(scene.walks).toBe(600);
    await scene.ask(0 as Partition);
    expect(scene.walks).toBe(601);
  });
});

type Scene = ReturnType<typeof newScene>;

function newScene() {
  const barrier = new EpochBarrier();
  const clock = new HandClock();
  const scene = {
    barrier,
    clock,
    ring: { epoch: 2 as Epoch, tokenOf: () => 0n },
    changes: 0,
    removed: 0,
    marks: 0,
    walks: 0,
    fails: false,
    held: Promise.resolve(),
    /** The next walks go on until the function returned is called. */
    holdWalk(): () => void {
      let end = (): void => undefined;
      scene.held = new Promise((resolve) => (end = resolve));
      return end;
    },
    found: { digests: new LeafDigests(), damaged: [], extent: 'whole' } as PartitionContents,
    ask: (partition = P) => known.of(partition, { ...scene.ring }),
  };
  const known = new KnownContents({
    scan: {
      contents: async () => {
        scene.walks += 1;
        await scene.held;
        if (scene.fails) throw new Error('unreadable');
        return { ...scene.found };
      },
    },
    barrier,
    counts: { changes: () => scene.changes, removed: () => scene.removed },
    lossy: { marks: () => scene.marks },
    clock,
  });
  return scene;
}
