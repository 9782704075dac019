/** The keys of `make bench-heal`: all there from the start, written anew and read by its clients. */
import type { Key } from '../src/ids.ts';
import { sealRecord } from '../src/version/record-codec.ts';
import type { Version } from '../src/version/version.ts';
import { versionsOf } from '../test/faults/cluster-report.ts';
import type { FaultCluster, FaultNode } from '../test/faults/fault-cluster.ts';
import { closedLoop } from './closed-loop.ts';
import { remark } from './figures.ts';

export const KEYS = Number(process.env['KEYS'] ?? 100_000);
export const COPIES = 3;
const VALUE = Buffer.alloc(100, 'v');
const CONTENT_TYPE = 'application/octet-stream';
/** Keys that are asked for one by one. */
const SAMPLE = 1_000;

export async function fill(cluster: FaultCluster): Promise<void> {
  const origins = cluster.nodes.map(({ url }) => url);
  const headers = { 'content-type': CONTENT_TYPE };
  const request = (count: number) =>
    ({ method: 'PUT', path: `/kv/${keyOf(count)}`, body: VALUE, headers }) as const;
  const { perSecond, failed } = await closedLoop({
    ...{ origins, inFlight: 64, request },
    end: { afterRequests: KEYS },
  });
  if (failed > 0) throw new Error(`${failed} of ${KEYS} keys could not be written`);
  remark(`${KEYS} keys of ${VALUE.length} bytes, written at ${perSecond.toFixed(0)} a second`);
}

/** What went wrong; `undefined` when it was acknowledged. */
export async function putSome(node: FaultNode, count: number): Promise<string | undefined> {
  const path = `/kv/${keyOf(count * 7_919 + node.number)}`;
  const headers = { 'content-type': CONTENT_TYPE };
  const answer = await node.ask({ method: 'PUT', path, body: VALUE, headers });
  return answer.status < 300 ? undefined : `${answer.status} ${answer.body.toString()}`;
}

export async function getSome(node: FaultNode, count: number): Promise<string | undefined> {
  const answer = await node.get(keyOf(count * 104_729));
  return answer.status === 200 ? undefined : `${answer.status} ${answer.body.toString()}`;
}

/** Of one of the records that were written, as it is sent. */
export function recordBytes(): number {
  const value = { value: VALUE, contentType: CONTENT_TYPE, metadata: new Map<string, string>() };
  const version = '000000000000-0000-0000000000000000-00000000' as Version;
  const content = { type: 'value', ...value } as const;
  return sealRecord({ key: keyOf(0) as Key, version, content }).bytes.length;
}

/** Keys of a sample that do not lie on as many members as they should. */
export async function badlyKept(nodes: readonly FaultNode[]): Promise<number> {
  let wrong = 0;
  for (let count = 0; count < Math.min(KEYS, SAMPLE); count++) {
    const node = nodes[count % nodes.length];
    if (node === undefined) continue;
    const versions = [...(await versionsOf(node, keyOf(count * 7_919))).values()];
    if (versions.length !== COPIES || versions.includes(undefined)) wrong += 1;
  }
  return wrong;
}

/** All of one length, so that the bytes can be told. */
function keyOf(count: number): string {
  return `key${String(count % KEYS).padStart(9, '0')}`;
}
