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
  expect(asked).toEqual(['own', `other of ${NODE} by ${MEMBER}`]);
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
      fc.array(fc.nat({ max: 7 }), { maxLength: 60, size: 'max' }),
      async (steps) => {
        const world = new World();
        const [b, c] = [world.member(), world.member()];
        for (const step of steps) {
          if (step === 0) world.restart();
          else if (step < 3) (step === 1 ? b : c).meet();
          else if (step === 3) c.told.push(b.known);
          else if (step === 4)
            for (const known of c.told.splice(0)) c.comparison.hear(MEMBER, NODE, known);
          // What is under way goes on a little, or stays where it is.
          if (step >= 5) await undefined;
        }
        await settled();
        expect(world.proven).toEqual([]);
      },
    ),
  );
});

test('two that run at the same time are found by each member, whoever met which', async () => {
  const world = new World(2);
  const [b, c] = [world.member(), world.member()];
  [b.known, c.known] = ['1', '2'];
  c.comparison.hear(MEMBER, NODE, b.known);
  await settled();
  expect(world.proven).toHaveLength(1);
});

/** Processes of one node: the lives that run, by their nonces. Restarts fall between any two steps. */
class World {
  readonly proven: Clones[] = [];
  #started: number;
  readonly #running = new Set<string>();

  constructor(running = 1) {
    this.#started = running;
    for (let each = 1; each <= running; each++) this.#running.add(String(each));
  }

  restart(): void {
    this.#running.clear();
    this.#running.add(String(++this.#started));
  }

  member() {
    const comparison = new LifeComparison({
      connectedTo: () => life(member.known),
      answers: async ({ nonce }) => this.#ask(nonce),
      confirmedBy: async (_member, _node, nonce) =>
        (await this.#ask(nonce)) ? life(nonce) : undefined,
      onProven: (clones) => this.proven.push(clones),
    });
    const member = {
      known: '1',
      told: [] as string[],
      comparison,
      meet: () => {
        member.known = String(this.#started);
      },
    };
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
    confirmedBy: async (member, node, nonce) => {
      asked.push(`${nonce} of ${node} by ${member}`);
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
