import { expect } from 'vitest';
import type { NodeId } from '../../src/ids.ts';
import { SwimNetwork } from './swim-network.ts';

/** A network in which all have met, and one of its nodes. */
export function settled(size: number, seed: number): { network: SwimNetwork; victim: NodeId } {
  const network = new SwimNetwork(size, seed);
  network.pass(4_000 + seed * 137);
  return { network, victim: network.ids[size - 1] as NodeId };
}

export function expectAllAlive(network: SwimNetwork): void {
  for (const by of network.ids) {
    for (const of of network.ids) expect(network.state(by, of)).toBe('alive');
  }
}
