import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FlowNetwork } from '../../src/ring/flow.ts';

const SOURCE = 0;
const SINK = 1;

describe('a flow', () => {
  test('is as large as the narrowest cut, taking back what stands in the way', () => {
    const network = new FlowNetwork(4, 5);
    network.addArc(SOURCE, 2, 1, 0);
    network.addArc(SOURCE, 3, 1, 0);
    network.addArc(2, SINK, 1, 1);
    const shared = network.addArc(2, 3, 1, 0); // the cheapest way first leads through here
    network.addArc(3, SINK, 1, 0);
    expect(network.fill(SOURCE, SINK)).toBe(2);
    expect(network.flowThrough(shared)).toBe(0);
  });

  test('prefers the cheapest way, however long it is', () => {
    const network = new FlowNetwork(4, 4);
    network.addArc(SOURCE, 2, 1, 0);
    const direct = network.addArc(2, SINK, 1, 1);
    network.addArc(2, 3, 1, 0);
    network.addArc(3, SINK, 1, 0);
    network.fill(SOURCE, SINK);
    expect(network.flowThrough(direct)).toBe(0);
  });

  test('keeps what reached the sink when an arc is widened, at any cost', () => {
    const network = new FlowNetwork(4, 4);
    network.addArc(SOURCE, 2, 2, 0);
    network.addArc(SOURCE, 3, 2, 9);
    const cheap = network.addArc(2, SINK, 0, 0);
    const dear = network.addArc(3, SINK, 2, 0);
    expect(network.fill(SOURCE, SINK)).toBe(2);
    network.widen(cheap, 5);
    expect(network.fill(SOURCE, SINK)).toBe(2);
    expect([network.flowThrough(dear), network.flowThrough(cheap)]).toEqual([2, 2]);
  });

  test('matches workers and tasks at the least cost (compared with every permutation)', () => {
    const costs = fc.integer({ min: 1, max: 5 }).chain((size) =>
      fc.array(fc.array(fc.nat(6), { minLength: size, maxLength: size }), {
        minLength: size,
        maxLength: size,
      }),
    );
    fc.assert(
      fc.property(costs, (table) => {
        const best = Math.min(...permutations(table.length).map((order) => costOf(table, order)));
        expect(cheapestMatch(table)).toBe(best);
      }),
    );
  });
});

function cheapestMatch(table: readonly (readonly number[])[]): number {
  const size = table.length;
  const network = new FlowNetwork(2 + 2 * size, 2 * size + size * size);
  for (let one = 0; one < size; one++) {
    network.addArc(SOURCE, 2 + one, 1, 0);
    network.addArc(2 + size + one, SINK, 1, 0);
  }
  const arcs = table.map((row, worker) =>
    row.map((cost, task) => network.addArc(2 + worker, 2 + size + task, 1, cost)),
  );
  expect(network.fill(SOURCE, SINK)).toBe(size);
  return costOf(
    table,
    arcs.map((row) => row.findIndex((arc) => network.flowThrough(arc) === 1)),
  );
}

function costOf(table: readonly (readonly number[])[], order: readonly number[]): number {
  return order.reduce((sum, task, worker) => sum + (table[worker]?.[task] ?? Number.NaN), 0);
}

function permutations(size: number): readonly (readonly number[])[] {
  if (size === 0) return [[]];
  return permutations(size - 1).flatMap((order) =>
    Array.from({ length: size }, (_, place) => [
      ...order.slice(0, place),
      size - 1,
      ...order.slice(place),
    ]),
  );
}
