import type { NodeId } from '../ids.ts';

/** Whether `nodes` are enough. More nodes are never less; any two that are enough share a node. */
export type AcceptorQuorum = (nodes: ReadonlySet<NodeId>) => boolean;

/** More than half of `acceptors`. */
export function majorityOf(acceptors: readonly NodeId[]): AcceptorQuorum {
  return (nodes) => 2 * present(acceptors, nodes) > acceptors.length;
}

/** All of `acceptors`: for forming a cluster, where a majority could forget (one lost disk) that it did. */
export function allOf(acceptors: readonly NodeId[]): AcceptorQuorum {
  return (nodes) => present(acceptors, nodes) === acceptors.length;
}

function present(acceptors: readonly NodeId[], nodes: ReadonlySet<NodeId>): number {
  return acceptors.filter((node) => nodes.has(node)).length;
}
