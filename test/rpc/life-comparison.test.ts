import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Address, Incarnation, NodeId } from '../../src/ids.ts';
import type { PeerCard } from '../../src/rpc/handshake.ts';
import { LifeComparison, type LifeComparisonPorts } from '../../src/rpc/life-comparison.ts';
import type { Clones } from '../../src/rpc/proven-clones.ts';
import { hex } from './peers.ts';

const NODE = '00112233aabbccdd' as NodeId;
const MEMBER = 'ffffffffffffffff' as NodeId;

const own = life('own');
const other = life('other');

test('another life than the own one is a clone when both answer, the own one first', async () => {
  const { comparison, asked, proven } = comparing({});
  comparison.hear(MEMBER, NODE, other.nonce);
  await settled();
  expect(asked).toEqual(['own', `other of ${NODE} by ${MEMBER}, as own answered`]);
  expect(proven.map(({ stays, goes }) => [stays.nonce, goes.nonce])).toEqual([['other', 'own']]);
});

describe('nothing is proven', () => {
  test.each<[string, Partial<LifeComparisonPorts>]>([
    ['when this node is connected to no life of it', { connectedTo: () => undefined }],
    ['when it is the same', { connectedTo: () => other }],
  ])('%s, and nobody is asked', async (_when, ports) => {
    const { comparison, asked, proven } = comparing(ports);
    comparison.hear(MEMBER, NODE, other.nonce);
    await settled();
    expect([asked, proven]).toEqual([[], []]);
  });

  test('when the own one does not answer: it has ended, and the other follows upon it', async () => {
    const { comparison, asked, proven } = comparing({ answers: async () => false });
    comparison.hear(MEMBER, NODE, other.nonce);
    await settled();
    expect([asked, proven]).toEqual([[], []]);
  });

  test('when the other one does not: what was told is old', async () => {
    const { comparison, proven } = comparing({ confirmedBy: async () => undefined });
    comparison.hear(MEMBER, NODE, other.nonce);
    await settled();
    expect(proven).toEqual([]);
  });
});

describe('asked by a member that compares, this node', () => {
  test('puts a question to its life, and finds the same as the member if that answers', async () => {
    const { comparison, asked, proven } = comparing({});
    expect(await comparison.confirm(own.nonce, other)).toBe(own);
    expect(asked).toEqual(['own']);
    expect(proven.map(({ stays, goes }) => [stays.nonce, goes.nonce])).toEqual([['other', 'own']]);
  });

  test.each<[string, Partial<LifeComparisonPorts>]>([
    ['it has lost that life', { connectedTo: () => undefined }],
    ['it has met the next one', { connectedTo: () => life('next') }],
    ['its life does not answer', { answers: async () => false }],
  ])('confirms and finds nothing when %s', async (_when, ports) => {
    const { comparison, proven } = comparing(ports);
    expect(await comparison.confirm(own.nonce, other)).toBeUndefined();
    expect(proven).toEqual([]);
  });

  test('confirms nothing of a life beside itself', async () => {
    const { comparison, proven } = comparing({});
    expect(await comparison.confirm(own.nonce, own)).toBeUndefined();
    expect(proven).toEqual([]);
  });
});

test('a node is compared once at a time, and few at once; later again', async () => {
  let asked = 0;
  let answer: (isThere: boolean) => void = () => undefined;
  const answered = new Promise<boolean>((resolve) => {
    answer = resolve;
  });
  const { comparison } = comparing({
    connectedTo: (nodeId) => ({ ...own, nodeId }),
    answers: () => {
      asked++;
      return answered;
    },
  });
  for (let time = 0; time < 3; time++) comparison.hear(MEMBER, NODE, other.nonce);
  expect(asked).toBe(1);
  for (let node = 0; node < 20; node++) comparison.hear(MEMBER, hex(8) as NodeId, other.nonce);
  expect(asked).toBe(8);
  answer(false);
  await settled();
  comparison.hear(MEMBER, NODE, other.nonce);
  expect(asked).toBe(9);
});

/**
 * One node that is started again and again, two members that meet its lives as late as they like, and news of
 * them that is as old as it likes.
 */
test('a node of which only one process runs at a time is never taken for two', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 8 }), { maxLength: 60, size: 'max' }),
      async (steps) => {
        const world = new World();
        const { b, c } = world;
        for (const step of steps) {
          if (step === 0) world.restart();
          else if (step <= 2) world.meet(step === 1 ? b : c);
          else if (step === 3) world.tell();
          else if (step <= 5) world.hear(step === 4 ? b : c);
          // What is under way goes on a little, or stays where it is.
          else await undefined;
        }
        await settled();
        expect(world.proven).toEqual([]);
      },
    ),
  );
});

test('two that run at the same time are found by both members, the one that compares and the one it asks', async () => {
  const world = new World();
  world.startBeside();
  world.meet(world.c);
  world.tell();
  world.hear(world.c);
  await settled();
  expect(world.proven.map(({ by }) => by)).toEqual(['b', 'c']);
  expect(world.proven[0]?.clones).toEqual(world.proven[1]?.clones);
});

interface Met {
  readonly name: string;
  /** The life that it met last. */
  known: string;
  /** What it was told of the other one's, and has not heard yet. */
  readonly told: string[];
  readonly comparison: LifeComparison;
}

/** One node, whose lives are numbered, and two members that are connected to it. */
class World {
  readonly b: Met = this.#member('b', () => this.c);
  readonly c: Met = this.#member('c', () => this.b);
  readonly proven: { readonly by: string; readonly clones: Clones }[] = [];
  readonly #running = new Set(['1']);
  #started = 1;

  restart(): void {
    this.#running.clear();
    this.startBeside();
  }

  startBeside(): void {
    this.#running.add(String(++this.#started));
  }

  meet(member: Met): void {
    member.known = String(this.#started);
  }

  tell(): void {
    this.b.told.push(this.c.known);
    this.c.told.push(this.b.known);
  }

  hear(member: Met): void {
    for (const known of member.told.splice(0)) member.comparison.hear(MEMBER, NODE, known);
  }

  #member(name: string, other: () => Met): Met {
    const comparison = new LifeComparison({
      connectedTo: () => life(member.known),
      answers: ({ nonce }) => this.#ask(nonce),
      confirmedBy: async (_member, nonce, own) => {
        await undefined;
        const confirmed = await other().comparison.confirm(nonce, own);
        return confirmed;
      },
      onProven: (clones) => this.proven.push({ by: name, clones }),
    });
    const member: Met = { name, known: '1', told: [], comparison };
    return member;
  }

  async #ask(nonce: string): Promise<boolean> {
    await undefined;
    const isThere = this.#running.has(nonce);
    await undefined;
    return isThere;
  }
}

function comparing(ports: Partial<LifeComparisonPorts>) {
  const asked: string[] = [];
  const proven: Clones[] = [];
  const comparison = new LifeComparison({
    connectedTo: () => own,
    answers: async ({ nonce }) => {
      asked.push(nonce);
      return true;
    },
    confirmedBy: async (member, nonce, { nodeId, nonce: answered }) => {
      asked.push(`${nonce} of ${nodeId} by ${member}, as ${answered} answered`);
      return other;
    },
    onProven: (clones) => proven.push(clones),
    ...ports,
  });
  return { comparison, asked, proven };
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function life(nonce: string): PeerCard {
  const address = `${nonce}:7400` as Address;
  const incarnation = (nonce === 'own' ? 2 : 1) as Incarnation;
  return { nodeId: NODE, nonce, incarnation, address, clusterId: undefined };
}
