/**
 * What a node demands of its Redis before it trusts it: that it never evicts, that no other node uses
 * it, and that what was acknowledged is still there.
 */
import type { Redis } from 'ioredis';
import { StartupError } from '../errors.ts';

/** All names this node uses in Redis. */
export const REDIS_NAMES = {
  /** Hash: key -> value. */
  values: 'quorate:values',
  /** Sorted set of the keys, all with the same score, so that they lie in the order of their bytes. */
  index: 'quorate:index',
  /** Who uses this Redis: its run id and the number of the connection. */
  owner: 'quorate:owner',
  /** The run of Redis in which this store was opened last, and how far it was to be trusted. */
  run: 'quorate:run',
} as const;

export interface Claim {
  /** Redis may have taken back acknowledged writes; all was wiped. */
  readonly lost: boolean;
  /** What the operator should know, one sentence each. */
  readonly remarks: readonly string[];
}

/** Makes this connection the owner. @throws StartupError naming what is in the way, and the remedy. */
export async function claimRedis(client: Redis): Promise<Claim> {
  await requireNoEviction(client);
  const risks = await durabilityRisks(client);
  const run = await runId(client);
  await takeOwnership(client, run);

  const [lastRun, trust] = (await client.get(REDIS_NAMES.run))?.split(' ') ?? [run];
  const lost = lastRun !== run && (risks.length > 0 || trust === 'volatile');
  // Within one run, better settings do not reach back to what was written before.
  const wasVolatile = lastRun === run && trust === 'volatile';
  const mark = `${run} ${risks.length > 0 || wasVolatile ? 'volatile' : 'durable'}`;
  if (lost) await startEmpty(client, mark);
  else await client.set(REDIS_NAMES.run, mark);
  return { lost, remarks: remarksOn(risks, lost) };
}

/** The next owner need not wait for this connection to end. */
export async function releaseRedis(client: Redis): Promise<void> {
  await client.del(REDIS_NAMES.owner);
}

async function requireNoEviction(client: Redis): Promise<void> {
  const policy = await setting(client, 'maxmemory-policy');
  if (policy === 'noeviction') return;
  throw new StartupError(
    `QUORATE_STORE: this Redis has maxmemory-policy ${policy}, which throws away acknowledged data ` +
      'when memory is short; set maxmemory-policy to noeviction',
  );
}

/** The settings with which a crash of Redis can take back what it has acknowledged. */
async function durabilityRisks(client: Redis): Promise<readonly string[]> {
  const needed = [
    ['appendonly', 'yes'],
    ['appendfsync', 'always'],
    // With `yes`, `always` is suspended while Redis rewrites its log.
    ['no-appendfsync-on-rewrite', 'no'],
  ] as const;
  const risks: string[] = [];
  for (const [name, value] of needed) {
    const actual = await setting(client, name);
    if (actual !== value) risks.push(`${name} ${actual} (needed: ${value})`);
  }
  return risks;
}

function remarksOn(risks: readonly string[], lost: boolean): readonly string[] {
  const remarks: string[] = [];
  if (risks.length > 0) {
    remarks.push(
      `this Redis runs with ${risks.join(', ')}: promise 1, durability, does not hold on this node; ` +
        'a crash of Redis may take back acknowledged writes, and counts as a lost disk',
    );
  }
  if (lost) {
    remarks.push(
      'Redis was started anew since this node used it last, and need not have kept all that was ' +
        'acknowledged: its data was wiped, as after the loss of a disk',
    );
  }
  return remarks;
}

async function runId(client: Redis): Promise<string> {
  const id = /^run_id:(\w+)/m.exec(await client.info('server'))?.[1];
  if (id !== undefined) return id;
  throw new StartupError(
    'QUORATE_STORE: this Redis does not tell its run_id (INFO server); allow it',
  );
}

/** Of two that try at the same time, one wins: EXEC does nothing when the watched owner has changed. */
async function takeOwnership(client: Redis, run: string): Promise<void> {
  const own = `${run} ${await client.client('ID')}`;
  try {
    for (let taken = false; !taken; ) {
      await client.watch(REDIS_NAMES.owner);
      await refuseLivingOwner(client, run);
      taken = (await client.multi().set(REDIS_NAMES.owner, own).exec()) !== null;
    }
  } finally {
    await client.unwatch();
  }
}

async function refuseLivingOwner(client: Redis, run: string): Promise<void> {
  const owner = await livingOwner(client, run);
  if (owner === undefined) return;
  throw new StartupError(
    `QUORATE_STORE: this Redis is in use by another node (connection ${owner}); ` +
      'stop that node, or give this one a Redis, or a database number, of its own',
  );
}

/** The owner's line in the list of connections; those of former runs of Redis are gone. */
async function livingOwner(client: Redis, run: string): Promise<string | undefined> {
  const [ownerRun, id] = (await client.get(REDIS_NAMES.owner))?.split(' ') ?? [];
  if (ownerRun !== run) return undefined;
  const connections = String(await client.client('LIST')).split('\n');
  const line = connections.find((connection) => connection.startsWith(`id=${id} `));
  return line && (/^id=\d+ addr=\S+/.exec(line)?.[0] ?? id);
}

/** In one step with the mark of the new run: a node that dies before it wipes again. */
async function startEmpty(client: Redis, mark: string): Promise<void> {
  const { values, index } = REDIS_NAMES;
  await client.multi().unlink(values, index).set(REDIS_NAMES.run, mark).exec();
}

async function setting(client: Redis, name: string): Promise<string> {
  const reply = (await client.config('GET', name)) as readonly string[];
  const value = reply[1];
  if (value !== undefined) return value;
  throw new StartupError(
    `QUORATE_STORE: this Redis does not tell its ${name} (CONFIG GET); allow it`,
  );
}
