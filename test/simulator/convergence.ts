import { ClientError } from '../../src/errors.ts';
import type { Key } from '../../src/ids.ts';
import { RecordPlaces } from '../../src/storage/record-places.ts';
import type { RingWatch } from './ring-watch.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';

/** How often a key is read before its replicas have to be equal; a repair follows each read. */
const READS = 3;
const SETTLE_MS = 3_000;

/**
 * After the faults: every key can be read through every member, and when it was, all its replicas hold the
 * same bytes, and no other member holds any. (Until there is anti-entropy, reading is what brings them
 * together.) What is wrong, a sentence each.
 */
export async function convergence(options: {
  readonly cluster: SimulatedCluster;
  readonly scheduler: Scheduler;
  readonly rings: RingWatch;
  readonly keys: readonly string[];
}): Promise<string[]> {
  const { cluster, scheduler, rings, keys } = options;
  const flaws: string[] = [];
  for (let read = 0; read < READS; read++) {
    for (const key of keys) {
      // Anew each time: one that was asked to leave may be done with it only now.
      const readers = cluster.running.filter(({ name }) => rings.isMember(name));
      const reader = readers[read % readers.length];
      const flaw = reader && (await readThrough(reader.node.operations, key, scheduler));
      if (flaw !== undefined && read === READS - 1)
        flaws.push(`${key} by ${reader?.name}: ${flaw}`);
    }
    await scheduler.run(scheduler.nowMs + SETTLE_MS);
  }
  for (const key of keys) {
    const { copies, others } = await copiesOf(cluster, rings, key as Key);
    if (new Set(copies).size > 1) flaws.push(`the replicas of ${key} differ: ${copies.join(', ')}`);
    for (const name of others)
      flaws.push(`${name} keeps a copy of ${key}, and is no replica of it`);
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

/** What lies on the disks of the replicas, and which other members keep something. */
async function copiesOf(
  { nodes }: SimulatedCluster,
  rings: RingWatch,
  key: Key,
): Promise<{ readonly copies: readonly string[]; readonly others: readonly string[] }> {
  const copies: string[] = [];
  const others: string[] = [];
  const ring = rings.newest;
  if (ring === undefined) return { copies, others };
  const partition = ring.partitionOf(key);
  for (const { name, disk } of nodes) {
    const id = rings.idOf(name);
    if (id === undefined || !rings.isMember(name)) continue;
    const places = await RecordPlaces.open(disk.durable);
    const bytes = await disk.durable.get(places.at(partition, key));
    if (ring.keeps(id, partition))
      copies.push(bytes === undefined ? 'nothing' : Buffer.from(bytes).toString('base64'));
    else if (bytes !== undefined) others.push(name);
  }
  return { copies, others };
}
