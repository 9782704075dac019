import type { Incarnation, NodeId } from '../../src/ids.ts';
import { formatVersion, type Version } from '../../src/version/version.ts';

/** A version drawn at `physical` milliseconds by some node. */
export function versionAt(physical: number): Version {
  const node = '00000000000000ff' as NodeId;
  return formatVersion({ physical, logical: 0, node, incarnation: 1 as Incarnation });
}
