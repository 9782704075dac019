/** Whether requests succeed: most of them between the faults, all of them when the faults are over. */
import { ClientError } from '../../src/errors.ts';
import type { Key } from '../../src/ids.ts';
import type { ConsistencyLevel } from '../../src/quorum/consistency-level.ts';
import { Findings, type Flaw } from './flaw.ts';
import type { Operation } from './history.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';

/** Faults that take a quorum of some key's replicas away, or the coordinator, for as long as they last. */
const HARSH = [
  'crash_of_all',
  'full_split',
  'full_disk',
  'failing_sync',
  'clock_offset',
  'wipe',
  'death',
  'force',
  'remove',
  'long_split',
];
/**
 * Of the requests of a run with one kind of fault, if that leaves a quorum. Several kinds at once may not, nor
 * may one that strikes several nodes: requests of such moments do not count.
 */
const LEAST_SHARE = 0.5;
/** Of the requests of a run without faults. */
const LEAST_SHARE_IN_PEACE = 0.95;
/** Fewer requests say nothing. */
const FEWEST = 50;

/** What a run met, as far as it has a bearing on who can be served. */
export interface Circumstances {
  readonly level: ConsistencyLevel;
  readonly replicas: number;
  readonly lossy: boolean;
  /** The kinds of faults that struck. */
  readonly faults: ReadonlySet<string>;
}

/** The share that succeeded, where something may be asked of it. */
export function tooFewSucceeded(
  operations: readonly Operation[],
  circumstances: Circumstances,
): readonly Flaw[] {
  const findings = new Findings('availability');
  const answered = operations.filter(
    ({ endMs, shortHanded }) => endMs !== undefined && !shortHanded,
  );
  const succeeded = answered.filter(({ result }) => result.is === 'ok').length;
  if (answered.length >= FEWEST && succeeded < leastShare(circumstances) * answered.length)
    findings.add(`${succeeded} of ${answered.length} requests succeeded`);
  return findings.flaws;
}

function leastShare({ level, replicas, lossy, faults }: Circumstances): number {
  if (faults.size === 0 && !lossy) return LEAST_SHARE_IN_PEACE;
  const harsh = faults.size > 1 || HARSH.some((kind) => faults.has(kind));
  return level === 'all' || replicas < 3 || harsh ? 0 : LEAST_SHARE;
}

/** After the faults: every member puts, reads what another one put, and deletes. */
export async function unserved(
  cluster: SimulatedCluster,
  scheduler: Scheduler,
): Promise<readonly Flaw[]> {
  const findings = new Findings('availability');
  const members = cluster.running.filter(({ node }) =>
    node.cluster.readiness().every((check) => check.ok),
  );
  const requests = members.flatMap(({ name, node: { operations } }, index) => {
    const key = `probe of ${name}` as Key;
    const next = members[(index + 1) % members.length]?.node.operations ?? operations;
    const content = { value: Buffer.from(name), contentType: 'text/plain', metadata: new Map() };
    return [
      ['put', name, () => operations.put(key, { type: 'value', ...content }, OPTIONS)],
      ['get', name, () => next.get(key, OPTIONS)],
      ['delete', name, () => operations.delete(key, OPTIONS)],
    ] as const;
  });
  for (const [verb, name, request] of requests) {
    const outcome = await settle(request(), scheduler);
    if (outcome.failure !== undefined)
      findings.add(`after the faults a ${verb} by ${name} failed: ${outcome.failure}`);
    else if (outcome.result === undefined || outcome.result === false)
      findings.add(`after the faults a ${verb} by ${name} did not find what was put`);
  }
  return findings.flaws;
}

const OPTIONS = { consistency: 'quorum', timeoutMs: 2_000 } as const;

interface Settled {
  readonly result?: unknown;
  readonly failure?: string | undefined;
}

async function settle(request: Promise<unknown>, scheduler: Scheduler): Promise<Settled> {
  let settled: Settled | undefined;
  request.then(
    (result) => {
      settled = { result };
    },
    (error: unknown) => {
      const failure =
        error instanceof ClientError ? `${error.code}: ${error.message}` : String(error);
      settled = { failure };
    },
  );
  await scheduler.run(scheduler.nowMs + 3_000, () => settled !== undefined);
  return settled ?? { failure: 'no answer' };
}
