/** What the protocol promises, on clusters of many sizes, each from many seeds. */
import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { expectAllAlive, settled } from './settled.ts';
import { type Belief, SwimNetwork } from './swim-network.ts';

const SEEDS = [1, 2, 3, 4, 5];
const SIZES = [2, 3, 5, 8, 20];
const CASES = SIZES.flatMap((size) => SEEDS.map((seed) => [size, seed] as const));

describe.each(CASES)('among %i nodes (seed %i)', (size, seed) => {
  test('all believe all alive a second after a common start, and for ever', () => {
    const network = new SwimNetwork(size, seed);
    network.pass(1_000);
    expectAllAlive(network);
    const before = network.beliefs.length;
    network.pass(30_000);
    expect(network.beliefs.slice(before)).toEqual([]);
  });

  test('one that was killed is dead for all others in less than 3 s', () => {
    const { network, victim } = settled(size, seed);
    network.kill(victim);
    const deaths = deathsWithin(network, 10_000);
    expectDeathOf(network, victim, deaths);
    for (const { afterMs } of deaths) expect(afterMs).toBeLessThan(3_000);
  });

  test('one that falls silent is dead for all others after 4 to 8 s', () => {
    const { network, victim } = settled(size, seed);
    network.arrives = (from, to) => from !== victim && to !== victim;
    const deaths = deathsWithin(network, 12_000).filter(({ by }) => by !== victim);
    expectDeathOf(network, victim, deaths);
    for (const { afterMs } of deaths) {
      expect(afterMs).toBeGreaterThan(4_000);
      expect(afterMs).toBeLessThan(8_000);
    }
  });

  test('one that pauses for 3 s convicts nobody, and nobody convicts it', () => {
    const { network, victim } = settled(size, seed);
    network.pause(victim);
    network.pass(3_000);
    const before = network.beliefs.length;
    network.resume(victim);
    network.pass(12_000);
    expect(network.beliefs.filter(({ state }) => state === 'dead')).toEqual([]);
    // It does not even suspect anybody for what it did not hear while it slept.
    expect(network.beliefs.slice(before).filter(({ by }) => by === victim)).toEqual([]);
    expectAllAlive(network);
  });

  test('one that was dead and started again is alive for all others at once', () => {
    const { network, victim } = settled(size, seed);
    network.kill(victim);
    network.pass(8_000);
    network.restart(victim);
    const met = new Set<NodeId>();
    network.arrives = (from, to) => {
      if (to === victim) met.add(from);
      return true;
    };
    network.pass(200);
    // All have been there themselves by now, and did not wait for its turn.
    expect([...met, victim].sort()).toEqual(network.ids);
    for (const id of network.ids) expect(network.state(id, victim)).toBe('alive');
    network.pass(2_000);
    expectAllAlive(network);
  });

  test('both sides of a split believe each other dead, and alive again soon after it heals', () => {
    const { network } = settled(size, seed);
    const left = new Set(network.ids.slice(0, Math.ceil(size / 2)));
    network.arrives = (from, to) => left.has(from) === left.has(to);
    network.pass(15_000);
    for (const by of network.ids) {
      for (const of of network.ids) {
        expect(network.state(by, of)).toBe(left.has(by) === left.has(of) ? 'alive' : 'dead');
      }
    }
    network.arrives = () => true;
    network.pass(5_000);
    expectAllAlive(network);
  });
});

describe.each(CASES.filter(([size]) => size > 2))('among %i nodes (seed %i)', (size, seed) => {
  test('a way that is cut in one direction, or both, makes nobody suspect', () => {
    for (const cut of ['one', 'both']) {
      const { network, victim } = settled(size, seed);
      const [other] = network.ids as [NodeId];
      const before = network.beliefs.length;
      network.arrives = (from, to) =>
        !(from === other && to === victim) && !(cut === 'both' && from === victim && to === other);
      network.pass(30_000);
      expect(network.beliefs.slice(before)).toEqual([]);
    }
  });
});

describe.each(CASES.filter(([size]) => size > 3))('among %i nodes (seed %i)', (size, seed) => {
  test('one that hears little makes none of the others believe another dead', () => {
    const { network, victim } = settled(size, seed);
    network.arrives = (_from, to) => to !== victim || network.chance(0.1);
    const before = network.beliefs.length;
    network.pass(120_000);
    const wrong = network.beliefs
      .slice(before)
      .filter(({ by, of }) => by !== victim && of !== victim);
    expect(wrong.filter(({ state }) => state === 'dead')).toEqual([]);
    // Now and then a helper that has met bad luck itself confirms what the sick node suspects.
    expect(suspectMs(wrong) / (120_000 * (size - 1) * (size - 2))).toBeLessThan(0.001);
  });
});

test('what detection costs a node does not grow with the ring', () => {
  const costs = [6, 12, 48].map((size) => {
    const network = new SwimNetwork(size, 1, Number.POSITIVE_INFINITY);
    network.pass(5_000);
    const before = network.pings;
    network.pass(10_000);
    return (network.pings - before) / size / 10;
  });
  for (const cost of costs) expect(cost).toBeCloseTo(4, 0);
});

test('every member is probed within a grace period, also in a large ring', () => {
  const network = new SwimNetwork(40, 1, 4_000);
  network.pass(2_000);
  expect(unheardWithin(network, 4_000)).toEqual([]);
});

test('the grace period of a new ring counts from the moment that it comes into force', () => {
  const network = new SwimNetwork(40, 1, 60_000);
  network.pass(20_000);
  expect(unheardWithin(network, 4_000)).not.toEqual([]);
  network.changeGrace(4_000);
  expect(unheardWithin(network, 4_000)).toEqual([]);
});

test('a run repeats itself from its seed', () => {
  const beliefs = () => {
    const network = new SwimNetwork(8, 7);
    network.arrives = () => network.chance(0.7);
    network.pass(60_000);
    return network.beliefs;
  };
  expect(beliefs()).toEqual(beliefs());
  expect(beliefs().some(({ state }) => state === 'suspect')).toBe(true);
});

/** Members that the first node did not ping meanwhile. */
function unheardWithin(network: SwimNetwork, ms: number): readonly NodeId[] {
  const [first, ...others] = network.ids;
  const heard = new Set<NodeId>();
  network.arrives = (from, to) => {
    if (from === first) heard.add(to);
    return true;
  };
  network.pass(ms);
  return others.filter((to) => !heard.has(to));
}

function deathsWithin(network: SwimNetwork, ms: number) {
  const sinceMs = network.nowMs;
  network.pass(ms);
  return network.beliefs
    .filter(({ atMs, state }) => atMs >= sinceMs && state === 'dead')
    .map(({ atMs, by, of }) => ({ by, of, afterMs: atMs - sinceMs }));
}

function expectDeathOf(
  network: SwimNetwork,
  victim: NodeId,
  deaths: readonly { readonly by: NodeId; readonly of: NodeId }[],
): void {
  const others = network.ids.filter((id) => id !== victim);
  expect(new Set(deaths.map(({ of }) => of))).toEqual(new Set([victim]));
  expect(deaths.map(({ by }) => by).sort()).toEqual(others);
}

/** How long members were believed suspect, all beliefs together. */
function suspectMs(beliefs: readonly Belief[]): number {
  const since = new Map<string, number>();
  let total = 0;
  for (const { by, of, atMs, state } of beliefs) {
    const pair = `${by} ${of}`;
    total += atMs - (since.get(pair) ?? atMs);
    since.delete(pair);
    if (state === 'suspect') since.set(pair, atMs);
  }
  return total;
}
