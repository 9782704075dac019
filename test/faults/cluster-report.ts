/** What nodes say of their cluster over HTTP, and waiting until they all say what is wanted. */
import type { FaultNode } from './fault-cluster.ts';
import { pause } from './pause.ts';

export interface MemberReport {
  readonly name: string;
  readonly id: string;
  readonly state: 'alive' | 'suspect' | 'dead' | 'left';
  /** Values that it keeps; absent while it does not answer. */
  readonly keys?: number;
}

export interface ClusterReport {
  readonly epoch: number;
  readonly replicationFactor: number;
  /** Absent at rest. */
  readonly transition?: object;
  readonly members: readonly MemberReport[];
}

const SETTLED_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 50;
/** A node that answers is not kept waiting by those it asks. */
const ANSWERED_WITHIN_MS = 5_000;

/** `undefined` while it does not listen. */
export async function clusterReport(node: FaultNode): Promise<ClusterReport | undefined> {
  return json<ClusterReport>(node, '/cluster');
}

export interface RingReport {
  readonly epoch: number;
  readonly replicationFactor: number;
  readonly partitions: readonly { readonly replicas: readonly string[] }[];
}

/** @throws when it does not listen, or has no ring. */
export async function ringReport(node: FaultNode): Promise<RingReport> {
  const ring = await json<RingReport>(node, '/cluster/ring');
  if (ring === undefined) throw new Error(`${node.name} tells of no ring: ${node.said}`);
  return ring;
}

/** What the replicas of a key hold, by the names of their nodes; `undefined` where they hold nothing. */
export async function versionsOf(
  node: FaultNode,
  key: string,
): Promise<ReadonlyMap<string, string | undefined>> {
  const located = await json<{
    readonly replicas: readonly { readonly node: string; readonly version: string | null }[];
  }>(node, `/cluster/keys/${encodeURIComponent(key)}`);
  if (located === undefined) throw new Error(`${node.name} does not say where ${key} is`);
  return new Map(located.replicas.map((replica) => [replica.node, replica.version ?? undefined]));
}

/**
 * Resolves when each of `nodes` is ready and says that exactly they are the members, all alive, and
 * that nothing is on its way. @throws with what they say instead, when it takes too long.
 */
export async function settled(
  nodes: readonly FaultNode[],
  withinMs = SETTLED_WITHIN_MS,
): Promise<ClusterReport> {
  const names = nodes.map(({ name }) => name).sort();
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const reports = await Promise.all(nodes.map(clusterReport));
    const [first] = reports;
    const isSettled = reports.every((report) => isAtRest(report, names, first?.epoch));
    if (first !== undefined && isSettled) {
      await Promise.all(nodes.map((node) => node.ready()));
      return first;
    }
    if (performance.now() > deadlineMs) {
      const said = nodes.map((node) => `${node.name} said: ${node.said}`);
      throw new Error(
        [`${names.join(', ')} alone were to be members:`, JSON.stringify(reports), ...said].join(
          '\n',
        ),
      );
    }
    await pause(LOOK_EVERY_MS);
  }
}

function isAtRest(
  report: ClusterReport | undefined,
  names: readonly string[],
  epoch: number | undefined,
): boolean {
  if (report === undefined || report.epoch !== epoch || report.transition !== undefined)
    return false;
  const members = report.members.map(({ name }) => name).sort();
  return members.join() === names.join() && report.members.every(({ state }) => state === 'alive');
}

async function json<Body>(node: FaultNode, path: string): Promise<Body | undefined> {
  try {
    const answer = await fetch(`${node.url}${path}`, {
      signal: AbortSignal.timeout(ANSWERED_WITHIN_MS),
    });
    return answer.status === 200 ? ((await answer.json()) as Body) : undefined;
  } catch {
    return undefined;
  }
}
