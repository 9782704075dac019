import { ClientError } from '../../src/errors.ts';
import type { Key } from '../../src/ids.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';

/** How often a key is read before its replicas have to be equal; a repair follows each read. */
const READS = 3;
const SETTLE_MS = 3_000;

/**
 * After the faults: every key can be read through every node, and when it was, all its replicas hold the
 * same bytes. (Until there is anti-entropy, reading is what brings them together.) What is wrong, a
 * sentence each.
 */
export async function convergence(options: {
  readonly cluster: SimulatedCluster;
  readonly scheduler: Scheduler;
  readonly keys: readonly string[];
}): Promise<string[]> {
  const { cluster, scheduler, keys } = options;
  const flaws: string[] = [];
  const readers = cluster.running.filter(({ wiped }) => !wiped);
  for (let read = 0; read < READS; read++) {
    for (const key of keys) {
      const reader = readers[read % readers.length];
      const flaw = reader && (await readThrough(reader.node.operations, key, scheduler));
      if (flaw !== undefined && read === READS - 1)
        flaws.push(`${key} by ${reader?.name}: ${flaw}`);
    }
    await scheduler.run(scheduler.nowMs + SETTLE_MS);
  }
  for (const key of keys) {
    const copies = await copiesOf(cluster, key as Key, scheduler);
    if (new Set(copies).size > 1) flaws.push(`the replicas of ${key} differ: ${copies.join(', ')}`);
  }
  return flaws;
}

type Reader = SimulatedCluster['running'][number]['node']['operations'];

async function readThrough(
  operations: Reader,
  key: string,
  scheduler: Scheduler,
): Promise<string | undefined> {
  let flaw: string | undefined = 'no answer';
  const options = { consistency: 'quorum', timeoutMs: 2_000 } as const;
  operations.get(key as Key, options).then(
    () => {
      flaw = undefined;
    },
    (error: unknown) => {
      flaw = error instanceof ClientError ? `${error.code}: ${error.message}` : String(error);
    },
  );
  await scheduler.run(scheduler.nowMs + 3_000, () => flaw !== 'no answer');
  return flaw;
}

async function copiesOf(
  cluster: SimulatedCluster,
  key: Key,
  scheduler: Scheduler,
): Promise<string[]> {
  const first = cluster.running.find(({ wiped }) => !wiped);
  let located: Awaited<ReturnType<Reader['locate']>> | undefined;
  void first?.node.operations.locate(key, 2_000).then((location) => {
    located = location;
  });
  await scheduler.run(scheduler.nowMs + 3_000, () => located !== undefined);
  if (located === undefined) return [];
  const { partition, replicas } = located;
  const keepers = cluster.nodes.filter(
    ({ name, wiped }) => !wiped && replicas.some(({ node }) => node === name),
  );
  const copies = keepers.map(async ({ disk }) => {
    const places = await RecordPlaces.open(disk.durable);
    const bytes = await disk.durable.get(places.at(partition, key));
    return bytes === undefined ? 'nothing' : Buffer.from(bytes).toString('base64');
  });
  return Promise.all(copies);
}
