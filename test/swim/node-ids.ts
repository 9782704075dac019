import type { NodeId } from '../../src/ids.ts';
import { nodeId } from '../ring/placement.ts';

/** As many different ids, in order. */
export function nodeIds(count: number): readonly NodeId[] {
  return Array.from({ length: count }, (_, index) => nodeId(index));
}
