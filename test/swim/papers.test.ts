/**
 * One test for each sentence of the papers that is relied on; sections of SWIM (Das, Gupta, Motivala,
 * 2002) and Lifeguard (Dadgar, Phillips, Currey, 2018).
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Incarnation, NodeId } from '../../src/ids.ts';
import { Dissemination } from '../../src/swim/dissemination.ts';
import { LocalHealth } from '../../src/swim/local-health.ts';
import {
  firstIncarnation,
  LAST_INCARNATION,
  type News,
  refutation,
  supersedes,
} from '../../src/swim/news.ts';
import { Probe } from '../../src/swim/probe.ts';
import { ProbeOrder, sample } from '../../src/swim/probe-order.ts';
import { Suspicion } from '../../src/swim/suspicion.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { nodeIds } from './node-ids.ts';

const [A, B, C, D, E] = nodeIds(5) as [NodeId, NodeId, NodeId, NodeId, NodeId];
const STATES = ['alive', 'suspect', 'dead', 'left'] as const;
const news = fc.record({
  node: fc.constant(A),
  state: fc.constantFrom(...STATES),
  incarnation: fc.nat(3),
  by: fc.constant(undefined),
});

describe('news (SWIM 4.2)', () => {
  test.each([
    ['alive', 1, 'suspect', 0],
    ['alive', 1, 'alive', 0],
    ['suspect', 1, 'suspect', 0],
    ['suspect', 1, 'alive', 1],
    ['dead', 1, 'alive', 1],
    ['dead', 1, 'suspect', 1],
  ] as const)('%s(%i) overrides %s(%i), and not the other way round', (one, i, other, j) => {
    const newer: News = { node: A, state: one, incarnation: i, by: undefined };
    const older: News = { node: A, state: other, incarnation: j, by: undefined };
    expect([supersedes(newer, older), supersedes(older, newer)]).toEqual([true, false]);
  });

  test('of a death is overridden by a higher incarnation (a deviation), and left by that alone', () => {
    const alive: News = { node: A, state: 'alive', incarnation: 2, by: undefined };
    expect(supersedes(alive, { state: 'dead', incarnation: 1 })).toBe(true);
    expect(supersedes(alive, { state: 'dead', incarnation: 2 })).toBe(false);
    expect(supersedes(alive, { state: 'left', incarnation: 1 })).toBe(true);
  });

  test('has one order: of two different pieces one supersedes, and it does not depend on a third', () => {
    fc.assert(
      fc.property(news, news, news, (a, b, c) => {
        const same = a.state === b.state && a.incarnation === b.incarnation;
        expect([supersedes(a, b), supersedes(b, a)].filter(Boolean)).toHaveLength(same ? 0 : 1);
        if (supersedes(a, b) && supersedes(b, c)) expect(supersedes(a, c)).toBe(true);
      }),
    );
  });
});

describe('an incarnation (SWIM 4.2)', () => {
  test('rises by a refutation above what it refutes', () => {
    expect(refutation(7, 7)).toBe(8);
    expect(refutation(7, 9)).toBe(10);
    expect(refutation(9, 7)).toBe(10);
  });

  test('of a restarted member is above every refutation of the life before', () => {
    const life = 3 as Incarnation;
    let last = firstIncarnation(life);
    for (let times = 0; times < 1_000; times++) last = refutation(last, last);
    expect(firstIncarnation((life + 1) as Incarnation)).toBeGreaterThan(last);
  });

  test('stays a number that can be sent, whatever somebody claims', () => {
    const lastLife = (2 ** 32 - 1) as Incarnation;
    expect(firstIncarnation(lastLife)).toBeLessThan(LAST_INCARNATION);
    expect(refutation(1, LAST_INCARNATION)).toBe(LAST_INCARNATION);
  });
});

describe('the order of probes (SWIM 4.3)', () => {
  test('selects the same target again after at most 2n - 1 probes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.nat(), (count, seed) => {
        const order = orderOf(nodeIds(count), seed);
        const last = new Map<NodeId, number>();
        for (let turn = 0; turn < 20 * count; turn++) {
          const node = order.next() as NodeId;
          expect(turn - (last.get(node) ?? turn - 1)).toBeLessThanOrEqual(2 * count - 1);
          last.set(node, turn);
        }
        expect(last.size).toBe(count);
      }),
    );
  });

  test('goes through all members before any of them comes again, each time in a new order', () => {
    const ids = nodeIds(20);
    const order = orderOf(ids, 1);
    const laps = [1, 2, 3].map(() => ids.map(() => order.next()));
    for (const lap of laps) expect(lap.toSorted()).toEqual(ids);
    expect(new Set(laps.map((lap) => lap.join())).size).toBe(3);
  });

  test('gives a newcomer a random place', () => {
    const places = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      const order = orderOf([A, B, C, D], seed);
      for (let turn = 0; turn < 4; turn++) order.next();
      order.add(E);
      const [first, ...rest] = Array.from({ length: 10 }, () => order.next());
      places.add([first, ...rest].indexOf(E));
    }
    expect(places.size).toBeGreaterThan(3);
  });

  test('is not upset by members that come and go in the middle of a lap', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.tuple(fc.nat(9), fc.boolean())), (seed, changes) => {
        const order = orderOf([], seed);
        const present = new Set<NodeId>();
        for (const [index, comes] of changes) {
          const node = nodeIds(10)[index] as NodeId;
          if (comes && !present.has(node)) order.add(node);
          if (!comes) order.remove(node);
          if (comes) present.add(node);
          else present.delete(node);
          const next = order.next();
          if (next === undefined) expect(present.size).toBe(0);
          else expect(present).toContain(next);
        }
        const met = Array.from({ length: 2 * present.size }, () => order.next());
        expect(new Set(met)).toEqual(present);
      }),
    );
  });
});

describe('a sample', () => {
  test('is of different members, as many as there are at most', () => {
    fc.assert(
      fc.property(fc.nat(10), fc.nat(10), fc.nat(), (count, size, seed) => {
        const chosen = sample(nodeIds(count), size, fractionOf(seed));
        expect(new Set(chosen).size).toBe(Math.min(count, size));
      }),
    );
  });
});

describe('dissemination (SWIM 4.1)', () => {
  test('prefers what was sent less often', () => {
    const queue = new Dissemination();
    for (const node of [A, B, C]) queue.add(aliveNews(node));
    expect(nodesOf(queue.take(2, 9, E))).toEqual([A, B]);
    expect(nodesOf(queue.take(2, 9, E))).toEqual([C, A]);
    queue.add(aliveNews(D));
    expect(nodesOf(queue.take(2, 9, E))).toEqual([D, B]);
  });

  test('sends each piece as often as the limit says, and no more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 5 }), (limit, most) => {
        const queue = new Dissemination();
        for (const node of nodeIds(7)) queue.add(aliveNews(node));
        const sent = new Map<NodeId, number>();
        for (let message = 0; message < 100; message++) {
          const pieces = queue.take(most, limit, E);
          expect(pieces.length).toBeLessThanOrEqual(most);
          for (const { node } of pieces) sent.set(node, (sent.get(node) ?? 0) + 1);
        }
        const all = nodeIds(7).filter((node) => node !== E);
        expect([...sent].toSorted()).toEqual(all.map((node) => [node, limit]));
      }),
    );
  });

  test('replaces older news of a member, and forgets who is gone', () => {
    const queue = new Dissemination();
    queue.add(aliveNews(A));
    queue.add({ node: A, state: 'suspect', incarnation: 1, by: B });
    queue.add(aliveNews(B));
    queue.forget(B);
    expect(queue.take(9, 9, E)).toEqual([{ node: A, state: 'suspect', incarnation: 1, by: B }]);
  });
});

describe('a probe (SWIM 3.1)', () => {
  test('that is answered, directly or through anybody, is answered', () => {
    expect(new Probe(A, 'answered', []).verdict).toBe('answered');
    for (const direct of ['refused', 'silent'] as const) {
      const probe = new Probe(A, direct, [B, C]);
      probe.hear(B, 'refused');
      expect(probe.verdict).toBe('pending');
      probe.hear(C, 'answered');
      expect(probe.verdict).toBe('answered');
    }
  });

  test('fails when neither its ping nor any helper is answered', () => {
    const probe = new Probe(A, 'silent', [B, C]);
    probe.hear(B, 'silent');
    expect(probe.verdict).toBe('pending');
    probe.hear(C, 'no_word');
    expect(probe.verdict).toBe('silent');
  });

  test('is doubtful when helpers were asked and none was heard', () => {
    expect(probeWith('silent', ['no_word', 'no_word']).isDoubtful).toBe(true);
    expect(probeWith('silent', ['no_word', 'no_help']).isDoubtful).toBe(true);
    expect(probeWith('silent', ['no_word', 'silent']).isDoubtful).toBe(false);
    expect(probeWith('silent', ['no_help']).isDoubtful).toBe(false);
    expect(probeWith('silent', []).isDoubtful).toBe(false);
  });

  test('is unchecked when it was silent and there was nobody to ask', () => {
    expect(probeWith('silent', []).isUnchecked).toBe(true);
    expect(probeWith('silent', ['no_word']).isUnchecked).toBe(false);
    expect(new Probe(A, 'silent', [B]).isUnchecked).toBe(false);
    expect(probeWith('refused', []).isUnchecked).toBe(false);
  });

  test('is refused when this node and a helper were, or when there is nobody else to ask', () => {
    expect(verdictOf('refused', ['refused', 'silent'])).toBe('refused');
    expect(verdictOf('refused', [])).toBe('refused');
    expect(verdictOf('refused', ['no_help', 'no_help'])).toBe('refused');
    expect(verdictOf('refused', ['silent', 'no_help'])).toBe('silent');
    expect(verdictOf('refused', ['no_word', 'no_word'])).toBe('silent');
    expect(verdictOf('silent', ['refused', 'refused'])).toBe('silent');
  });
});

describe('local health (Lifeguard IV-A)', () => {
  test('lengthens with what speaks against the node, up to a bound, and recovers', () => {
    const health = new LocalHealth(8);
    expect(health.multiplier).toBe(1);
    health.worsen();
    health.worsen(3);
    expect(health.multiplier).toBe(5);
    health.worsen(100);
    expect(health.multiplier).toBe(9);
    for (let probes = 0; probes < 10; probes++) health.improve();
    expect(health.multiplier).toBe(1);
  });

  test('is doubted for helpers without a word, not for a member that they miss, too', () => {
    expect(doubtsOf('silent', ['silent', 'silent', 'silent'])).toBe(0);
    expect(doubtsOf('silent', ['silent', 'no_word', 'no_word'])).toBe(2);
    expect(doubtsOf('silent', [])).toBe(1);
    expect(doubtsOf('refused', [])).toBe(0);
    expect(doubtsOf('refused', ['no_help', 'refused'])).toBe(0);
    expect(doubtsOf('answered', [])).toBe(0);
  });
});

describe('a suspicion (Lifeguard IV-B)', () => {
  const terms = { leastMs: 1_000, mostMs: 5_000, enough: 3 };

  test('lasts longest while nobody confirms it, and shortest when enough do', () => {
    const suspicion = new Suspicion(terms, A, 100);
    expect(suspicion.untilMs).toBe(5_100);
    for (const by of [B, C, D]) expect(suspicion.confirm(by)).toBe(true);
    expect(suspicion.untilMs).toBeCloseTo(1_100);
    expect(suspicion.confirm(E)).toBe(false);
  });

  test('is shortened most by the first confirmation', () => {
    const suspicion = new Suspicion(terms, A, 0);
    suspicion.confirm(B);
    expect(suspicion.untilMs).toBeCloseTo(3_000); // log 2 / log 4 is half the way
  });

  test('counts each accuser once, the first one not at all', () => {
    const suspicion = new Suspicion(terms, A, 0);
    expect([A, B, B].map((by) => suspicion.confirm(by))).toEqual([false, true, false]);
  });

  test('lasts the least time where nobody else could confirm it', () => {
    expect(new Suspicion({ ...terms, enough: 0 }, A, 0).untilMs).toBe(1_000);
  });

  test('of a member whose address refuses connections ends soon, but never later than without', () => {
    const suspicion = new Suspicion(terms, A, 0);
    suspicion.hurry(600);
    suspicion.hurry(700);
    expect(suspicion.untilMs).toBe(600);
    suspicion.extend(50);
    expect(suspicion.untilMs).toBe(650);
  });
});

function orderOf(ids: readonly NodeId[], seed: number): ProbeOrder {
  const order = new ProbeOrder(fractionOf(seed));
  for (const id of ids) order.add(id);
  return order;
}

function fractionOf(seed: number): () => number {
  const random = new SeededRandom(seed, 'order');
  return () => random.fraction();
}

function aliveNews(node: NodeId): News {
  return { node, state: 'alive', incarnation: 1, by: undefined };
}

function nodesOf(pieces: readonly News[]): readonly NodeId[] {
  return pieces.map(({ node }) => node);
}

type Direct = ConstructorParameters<typeof Probe>[1];
type Word = Parameters<Probe['hear']>[1];

function probeWith(direct: Direct, words: readonly Word[]): Probe {
  const helpers = nodeIds(words.length);
  const probe = new Probe(E, direct, helpers);
  for (const [index, word] of words.entries()) probe.hear(helpers[index] as NodeId, word);
  return probe;
}

function verdictOf(direct: Direct, words: readonly Word[]): string {
  return probeWith(direct, words).verdict;
}

function doubtsOf(direct: Direct, words: readonly Word[]): number {
  return probeWith(direct, words).doubts;
}
