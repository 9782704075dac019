/** Who can be reached, and by whom: cut ways, deaf nodes, and members that nobody can connect to. */
import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { expectAllAlive, settled } from './settled.ts';
import type { Belief, SwimNetwork } from './swim-network.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const SIZES = [3, 4, 5, 6, 7, 8, 9];
const CASES = SIZES.flatMap((size) => SEEDS.map((seed) => [size, seed] as const));

describe.each(CASES)(
  'among %i nodes (seed %i), two of them without a way to each other,',
  (size, seed) => {
    test.each([7_000, 30_000])(
      'one of the two that heard nobody for %i ms makes nobody doubt another, and ends its own doubts',
      (ms) => {
        const { network } = settled(size, seed);
        const [deaf, other] = network.ids as [NodeId, NodeId];
        const sinceMs = network.nowMs;
        network.arrives = (from, to) => from !== deaf && to !== deaf;
        network.pass(ms);
        if (ms > 10_000) expect(network.state(deaf, other)).toBe('dead');
        cut(network, deaf, other);
        network.pass(20_000);
        expectAllAlive(network);
        const doubts = beliefsSince(network, sinceMs).filter(({ state }) => state !== 'alive');
        expect(doubts.filter(({ by, of }) => by !== deaf && of !== deaf)).toEqual([]);
      },
    );

    test('a pause of 3 s of all others convicts nobody', () => {
      const { network } = settled(size, seed);
      const [one, other, ...others] = network.ids as [NodeId, NodeId, ...NodeId[]];
      cut(network, one, other);
      network.pass(3_000);
      const sinceMs = network.nowMs;
      pauseAll(network, others, 3_000);
      network.pass(10_000);
      expect(deathsOf(beliefsSince(network, sinceMs))).toEqual([]);
      expectAllAlive(network);
    });

    test('a long pause of all others convicts nobody but them for more than those two', () => {
      const { network } = settled(size, seed);
      const [one, other, ...others] = network.ids as [NodeId, NodeId, ...NodeId[]];
      cut(network, one, other);
      network.pass(3_000);
      const sinceMs = network.nowMs;
      pauseAll(network, others, 10_000);
      const wokeMs = network.nowMs;
      network.pass(10_000);
      expectAllAlive(network);
      expect(beliefsSince(network, sinceMs).filter(({ by }) => others.includes(by))).toEqual([]);
      expect(deathsOf(beliefsSince(network, wokeMs))).toEqual([]);
    });
  },
);

describe.each(CASES)('among %i nodes (seed %i), one to which nobody can connect', (size, seed) => {
  test.each(['silent', 'refused'] as const)(
    'is dead for all others within 12 s, once, whatever it says of itself (%s)',
    (how) => {
      const { network, victim } = settled(size, seed);
      const others = network.ids.filter((id) => id !== victim);
      const sinceMs = network.nowMs;
      network.connects = (_from, to) => (to === victim ? how : 'open');
      network.pass(12_000);
      for (const by of others) expect(network.state(by, victim)).toBe('dead');
      network.pass(60_000);
      const beliefs = beliefsSince(network, sinceMs);
      expect(beliefs.filter(({ of }) => of !== victim)).toEqual([]);
      expect(
        deathsOf(beliefs)
          .map(({ by }) => by)
          .sort(),
      ).toEqual(others);

      network.connects = () => 'open';
      network.pass(4_000);
      expectAllAlive(network);
    },
  );

  test('stays dead for those who found it so, while it refutes what another one finds anew', () => {
    const { network, victim } = settled(size, seed);
    const [restarted, ...others] = network.ids.filter((id) => id !== victim) as [
      NodeId,
      ...NodeId[],
    ];
    network.connects = (_from, to) => (to === victim ? 'silent' : 'open');
    network.pass(12_000);
    const sinceMs = network.nowMs;
    const before = network.incarnation(others[0] as NodeId, victim);
    network.kill(restarted);
    network.restart(restarted);
    network.pass(14_000);
    expect(network.state(restarted, victim)).toBe('dead');
    expect(network.incarnation(others[0] as NodeId, victim)).toBeGreaterThan(before);
    const beliefs = beliefsSince(network, sinceMs).filter(({ of }) => of === victim);
    expect(beliefs.filter(({ by }) => by !== restarted)).toEqual([]);
    expect(deathsOf(beliefs)).toHaveLength(1);
  });
});

describe.each(SEEDS)('while nobody can connect to one (seed %i)', (seed) => {
  test('one that slept blames it for no time that it slept', () => {
    const { network, victim } = settled(5, seed);
    const [sleeper] = network.ids as [NodeId];
    network.connects = (_from, to) => (to === victim ? 'silent' : 'open');
    network.pass(3_000);
    pauseAll(network, [sleeper], 10_000);
    network.pass(2_500);
    expect(network.state(sleeper, victim)).not.toBe('dead');
    network.pass(6_000);
    expect(network.state(sleeper, victim)).toBe('dead');
  });

  test('one that then hears nobody at all believes that one dead, as all others', () => {
    const { network, victim } = settled(5, seed);
    const [deaf] = network.ids as [NodeId];
    network.connects = (_from, to) => (to === victim ? 'silent' : 'open');
    network.pass(4_000);
    network.arrives = (from, to) => from !== deaf && to !== deaf;
    network.pass(40_000);
    for (const of of network.ids)
      expect(network.state(deaf, of)).toBe(of === deaf ? 'alive' : 'dead');
  });
});

test('what one costs to which nobody can connect does not grow with the ring', () => {
  const costs = [6, 12, 48].map((size) => {
    const { network, victim } = settled(size, 1);
    network.connects = (_from, to) => (to === victim ? 'silent' : 'open');
    network.pass(30_000);
    const before = network.pings;
    network.pass(20_000);
    return (network.pings - before) / size / 20;
  });
  // Four a second of its own, and those of its helpers in the one probe of a lap that fails.
  for (const cost of costs) expect(cost).toBeLessThan(7);
});

/** From now on nothing that one of the two sends reaches the other, and everything else arrives. */
function cut(network: SwimNetwork, one: NodeId, other: NodeId): void {
  network.arrives = (from, to) =>
    !(from === one && to === other) && !(from === other && to === one);
}

function pauseAll(network: SwimNetwork, ids: readonly NodeId[], ms: number): void {
  for (const id of ids) network.pause(id);
  network.pass(ms);
  for (const id of ids) network.resume(id);
}

function beliefsSince(network: SwimNetwork, sinceMs: number): readonly Belief[] {
  return network.beliefs.filter(({ atMs }) => atMs >= sinceMs);
}

function deathsOf(beliefs: readonly Belief[]): readonly Belief[] {
  return beliefs.filter(({ state }) => state === 'dead');
}
