/** A known set of keys: written to all their replicas, and read back through any node. */
import { versionsOf } from './cluster-report.ts';
import type { FaultNode } from './fault-cluster.ts';
import { pause } from './pause.ts';

const AT_ONCE = 16;
const TRIES = 100;
const RETRY_AFTER_MS = 100;
const ASKED_AGAIN = 5;

export function keyNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `key${index}`);
}

/** Each key on every one of its replicas, tried again where some of them are not there. @throws when that is in vain */
export async function writeToAll(
  nodes: readonly FaultNode[],
  keys: readonly string[],
  value: string,
): Promise<void> {
  await inParallel(nodes, keys, async (node, key) => {
    for (let tries = 1; ; tries++) {
      const answer = await node.put(key, `${value} of ${key}`, '?consistency=all');
      if (answer.status <= 201) return;
      if (tries === TRIES) {
        const said = nodes.map((each) => `${each.name} said: ${each.said}`);
        throw new Error([`${node.name}: ${answer.body.toString()}`, ...said].join('\n'));
      }
      await pause(RETRY_AFTER_MS);
    }
  });
}

/** What is wrong with each key that does not read as that value at quorum, through one node or the other. */
export async function misread(
  nodes: readonly FaultNode[],
  keys: readonly string[],
  value: string,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  await inParallel(nodes, keys, async (node, key) => {
    const answer = await node.get(key);
    const text = answer.body.toString();
    if (answer.status !== 200 || text !== `${value} of ${key}`)
      wrong.push(`${key} through ${node.name}: ${answer.status} ${text.slice(0, 200)}`);
  });
  return wrong;
}

/**
 * Keys that do not lie on `replicas` nodes with one version on all of them. To be asked before the keys
 * are read, which repairs them. A replica that was only slow to answer is asked again.
 */
export async function keptBadly(
  nodes: readonly FaultNode[],
  keys: readonly string[],
  replicas: number,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  await inParallel(nodes, keys, async (node, key) => {
    for (let tries = 1; ; tries++) {
      const versions = [...(await versionsOf(node, key)).values()];
      const isKept = versions.length === replicas && new Set(versions).size === 1;
      if (isKept && versions[0] !== undefined) return;
      if (tries === ASKED_AGAIN) {
        wrong.push(`${key}: ${versions.join(', ')}`);
        return;
      }
      await pause(RETRY_AFTER_MS);
    }
  });
  return wrong;
}

/** Each key once, through the nodes in turn. */
async function inParallel(
  nodes: readonly FaultNode[],
  keys: readonly string[],
  work: (node: FaultNode, key: string) => Promise<void>,
): Promise<void> {
  const queue = keys.entries();
  const worker = async (): Promise<void> => {
    for (const [index, key] of queue) {
      const node = nodes[index % nodes.length];
      if (node !== undefined) await work(node, key);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
