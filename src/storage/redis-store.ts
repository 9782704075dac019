/**
 * The store on a Redis of the node's own, for those who run one already. Values lie in one hash;
 * a sorted set with equal scores keeps the keys in order. A batch is one MULTI ... EXEC.
 *
 * - Keys are sent as text of one character per byte (latin1, so UTF-8 on the wire): its order is the
 *   order of the bytes, in Redis and in the mock that the tests use, which garbles binary names.
 * - With `appendfsync always` Redis answers after the sync, reads as well as writes.
 * - One connection, never renewed: when it is lost, nobody knows what became of the last batch, and
 *   another node may have taken the Redis over.
 */
import { Redis } from 'ioredis';
import { StartupError } from '../errors.ts';
import { type Claim, claimRedis, REDIS_NAMES, releaseRedis } from './redis-owner.ts';
import { spaceOf } from './reserves.ts';
import {
  type Change,
  type Entry,
  type KeyRange,
  type Space,
  type Store,
  StoreFailedError,
  StoreFullError,
} from './store.ts';
import { requireKey, requireKeys, usersPart } from './store-limits.ts';

/** Entries read by one command of a scan, and removed by one transaction of `deleteRange`. */
const AT_ONCE = 500;

export interface OpenedRedisStore extends Claim {
  readonly store: Store;
}

/** Opens the store in the Redis at `url`. @throws StartupError */
export async function openRedisStore(url: string): Promise<OpenedRedisStore> {
  const address = withoutSecrets(url);
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
  });
  client.on('error', ignore); // each is told by the command that it ends
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    throw unreachable(address, error);
  }
  return openRedisStoreOn(client);
}

/** The same on a connection that is made already, which the store ends when it is closed. */
export async function openRedisStoreOn(client: Redis): Promise<OpenedRedisStore> {
  try {
    const claim = await claimRedis(client);
    return { store: new RedisStore(client), ...claim };
  } catch (error) {
    client.disconnect();
    if (error instanceof StartupError) throw error;
    throw new StartupError(
      `QUORATE_STORE: this Redis refuses what the store needs (${textOf(error)}); ` +
        'use a master of your own, whose user may run CONFIG GET, INFO, CLIENT and WATCH',
      { cause: error },
    );
  }
}

class RedisStore implements Store {
  readonly #client: Redis;
  /** Settles when the next command that needs a turn may be sent. */
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(client: Redis) {
    this.#client = client;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#requireOpen();
    requireKey(key);
    const value = await this.#client.hgetBuffer(REDIS_NAMES.values, nameOf(key));
    return value === null ? undefined : plain(value);
  }

  async batch(changes: readonly Change[]): Promise<void> {
    this.#requireOpen();
    requireKeys(changes);
    // Sent in the order of the calls, and not waited for by the next: Redis keeps the order.
    const { done } = await this.#inTurn(async () => ({ done: settled(this.#send(changes)) }));
    const failure = await done;
    if (failure !== undefined) throw failure.error;
  }

  async scan(
    range: KeyRange,
    limit: number,
    maxBytes = Number.POSITIVE_INFINITY,
  ): Promise<readonly Entry[]> {
    this.#requireOpen();
    const part = usersPart(range);
    if (part === undefined || limit <= 0) return [];
    // No batch is sent between the commands, so that none is seen in part.
    return this.#inTurn(async () => {
      const names = await this.#namesIn(part, limit);
      return this.#read(
        maxBytes === Number.POSITIVE_INFINITY ? names : await this.#upTo(names, maxBytes),
      );
    });
  }

  async deleteRange(range: KeyRange): Promise<void> {
    this.#requireOpen();
    const part = usersPart(range);
    if (part === undefined) return;
    await this.#inTurn(async () => {
      for (;;) {
        const names = await this.#namesIn(part, AT_ONCE);
        await this.#sendFinal(new Map(names.map((name) => [name, undefined])));
        if (names.length < AT_ONCE) return;
      }
    });
  }

  /** By `maxmemory`; without one, the room is the operator's concern. */
  async space(): Promise<Space> {
    this.#requireOpen();
    const info = await this.#client.info('memory');
    const whole = numberIn(info, 'maxmemory');
    return whole === 0 ? 'ample' : spaceOf(whole - numberIn(info, 'used_memory'), whole);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#inTurn(() => releaseRedis(this.#client)); // answered after all that was sent before
      await this.#client.quit();
    } catch {
      this.#client.disconnect(); // the connection was lost: there is nothing to release
    }
  }

  async #send(changes: readonly Change[]): Promise<void> {
    const final = new Map<string, Uint8Array | undefined>();
    for (const change of changes) {
      final.set(nameOf(change.key), change.type === 'put' ? change.value : undefined);
    }
    await this.#sendFinal(final);
  }

  /** One transaction: the value each name is to have, or none. */
  async #sendFinal(final: ReadonlyMap<string, Uint8Array | undefined>): Promise<void> {
    if (final.size === 0) return;
    const transaction = this.#client.multi();
    for (const [name, value] of final) {
      if (value === undefined) {
        transaction.hdel(REDIS_NAMES.values, name).zrem(REDIS_NAMES.index, name);
      } else {
        transaction.hset(REDIS_NAMES.values, name, Buffer.from(value));
        transaction.zadd(REDIS_NAMES.index, 0, name);
      }
    }
    try {
      const replies = await transaction.exec();
      for (const [error] of replies ?? [[new Error('the transaction was dropped')]]) {
        if (error) throw error;
      }
    } catch (error) {
      throw explained(error);
    }
  }

  async #namesIn({ start, end }: KeyRange, limit: number): Promise<readonly string[]> {
    const [from, to] = [`[${nameOf(start)}`, `(${nameOf(end)}`];
    return this.#client.zrangebylex(REDIS_NAMES.index, from, to, 'LIMIT', 0, limit);
  }

  /** Those of `names` up to the one whose value makes it `maxBytes`. */
  async #upTo(names: readonly string[], maxBytes: number): Promise<readonly string[]> {
    const lengths = await Promise.all(
      names.map((name) => this.#client.hstrlen(REDIS_NAMES.values, name)),
    );
    let bytes = 0;
    const last = lengths.findIndex((length) => {
      bytes += length;
      return bytes >= maxBytes;
    });
    return last < 0 ? names : names.slice(0, last + 1);
  }

  async #read(names: readonly string[]): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    for (let at = 0; at < names.length; at += AT_ONCE) {
      const some = names.slice(at, at + AT_ONCE);
      const values = await this.#client.hmgetBuffer(REDIS_NAMES.values, ...some);
      for (const [i, name] of some.entries()) {
        const value = values[i];
        if (value) entries.push({ key: bytesOf(name), value: plain(value) });
      }
    }
    return entries;
  }

  /** Runs `task` when those before it have ended. */
  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(ignore);
    return result;
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new StoreFailedError('the store is closed');
  }
}

/** Short of memory, Redis refuses a transaction before it begins; every other error leaves it open. */
function explained(error: unknown): unknown {
  const errors: unknown[] = [error];
  if (error instanceof Error && 'previousErrors' in error && Array.isArray(error.previousErrors)) {
    errors.push(...error.previousErrors);
  }
  if (!errors.some((each) => /\bOOM\b/.test(textOf(each)))) return error;
  return new StoreFullError('Redis has no memory left; nothing was written', { cause: error });
}

/** What `promise` was rejected with, if it was: so that nobody need listen from the start. */
function settled(promise: Promise<void>): Promise<{ readonly error: unknown } | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
}

/** One character per byte. */
function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function bytesOf(name: string): Uint8Array {
  return new Uint8Array(Buffer.from(name, 'latin1'));
}

/** The same bytes as no special kind of array, in memory of their own. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function numberIn(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}

/** `url` as it may be shown. */
function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) throw unreachable('the URL given', new Error('it is not a URL'));
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

function unreachable(address: string, cause: unknown): StartupError {
  return new StartupError(
    `QUORATE_STORE: cannot reach the Redis at ${address} (${textOf(cause)}); ` +
      'start it, or correct the URL',
    { cause },
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function ignore(): void {}
