import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { StartupError } from '../../src/errors.ts';
import { openRedisStore, openRedisStoreOn } from '../../src/storage/redis-store.ts';
import { StoreFullError } from '../../src/storage/store.ts';
import { key, put, storeConformance, textAt } from './conformance.ts';
import { MockRedis } from './mock-redis.ts';
import { DURABLE, isRedisInstalled, RedisServer, type RedisSettings } from './redis-server.ts';

storeConformance({
  name: 'the Redis store, on a mock',
  keeps: true,
  fresh: async () => {
    const redis = new MockRedis();
    return {
      open: async () => (await openRedisStoreOn(redis.connect())).store,
      remove: () => redis.remove(),
    };
  },
});

describe('the Redis store', () => {
  test.each([['allkeys-lru'], ['volatile-ttl']])(
    'refuses the eviction policy %s',
    async (policy) => {
      const redis = new MockRedis({ 'maxmemory-policy': policy });
      const opening = openRedisStoreOn(redis.connect());
      await expect(opening).rejects.toThrow(StartupError);
      await expect(opening).rejects.toThrow(`maxmemory-policy ${policy}`);
      await expect(opening).rejects.toThrow('set maxmemory-policy to noeviction');
    },
  );

  test('refuses a Redis that does not tell its settings', async () => {
    const redis = new MockRedis();
    delete redis.settings['appendfsync'];
    const opening = openRedisStoreOn(redis.connect());
    await expect(opening).rejects.toThrow('does not tell its appendfsync (CONFIG GET); allow it');
  });

  test('has nothing to remark on a Redis that answers after the sync', async () => {
    const { store, lost, remarks } = await openRedisStoreOn(new MockRedis().connect());
    expect({ lost, remarks }).toEqual({ lost: false, remarks: [] });
    await store.close();
  });

  test.each([
    ['appendonly', 'no'],
    ['appendfsync', 'everysec'],
    ['no-appendfsync-on-rewrite', 'yes'],
  ])('says which promise %s %s changes', async (name, value) => {
    const { store, remarks } = await openRedisStoreOn(new MockRedis({ [name]: value }).connect());
    expect(remarks).toHaveLength(1);
    expect(remarks[0]).toContain(`${name} ${value}`);
    expect(remarks[0]).toContain('promise 1, durability, does not hold');
    await store.close();
  });

  /** What a new run finds, opened with one setting, and again with another. */
  test.each([
    { before: 'always', after: 'always', lost: false },
    { before: 'everysec', after: 'everysec', lost: true },
    { before: 'everysec', after: 'always', lost: true },
    { before: 'always', after: 'everysec', lost: true },
  ])('started anew, with appendfsync $before and then $after: lost is $lost', async (row) => {
    const redis = new MockRedis({ appendfsync: row.before });
    await putOne(redis);
    redis.runId = 'run2';
    redis.settings['appendfsync'] = row.after;
    const { store, lost, remarks } = await openRedisStoreOn(redis.connect());
    expect(lost).toBe(row.lost);
    expect(remarks.some((remark) => remark.includes('its data was wiped'))).toBe(row.lost);
    expect(await textAt(store, key('a'))).toBe(row.lost ? undefined : 'x');
    expect(await store.scan({ start: key(''), end: key('z') }, 10)).toHaveLength(row.lost ? 0 : 1);
    await store.close();

    const again = await openRedisStoreOn(redis.connect());
    expect(again.lost).toBe(false);
    await again.store.close();
  });

  test('does not trust what was written before the settings were made better', async () => {
    const redis = new MockRedis({ appendfsync: 'everysec' });
    await putOne(redis);
    redis.settings['appendfsync'] = 'always';
    const { store, lost } = await openRedisStoreOn(redis.connect());
    expect(lost).toBe(false);
    await store.close();
    redis.runId = 'run2';
    const again = await openRedisStoreOn(redis.connect());
    expect(again.lost).toBe(true);
    await again.store.close();
  });

  test('is kept out while another connection owns the Redis', async () => {
    const redis = new MockRedis();
    const { store } = await openRedisStoreOn(redis.connect());
    const opening = openRedisStoreOn(redis.connect());
    await expect(opening).rejects.toThrow(StartupError);
    await expect(opening).rejects.toThrow(
      'in use by another node (connection id=1 addr=10.0.0.1:1)',
    );
    await store.batch([put(key('a'), 'still works')]);
    await store.close();
    const again = await openRedisStoreOn(redis.connect());
    expect(await textAt(again.store, key('a'))).toBe('still works');
    await again.store.close();
  });

  test('takes over at once from an owner that is gone', async () => {
    const redis = new MockRedis();
    const client = redis.connect();
    const { store } = await openRedisStoreOn(client);
    await store.batch([put(key('a'), 'x')]);
    client.disconnect();
    const again = await openRedisStoreOn(redis.connect());
    expect(await textAt(again.store, key('a'))).toBe('x');
    await again.store.close();
  });

  test('of several that start together, one wins', async () => {
    const redis = new MockRedis();
    const opening = Array.from({ length: 5 }, () => openRedisStoreOn(redis.connect()));
    const opened = await Promise.allSettled(opening);
    expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const each of opened) if (each.status === 'fulfilled') await each.value.store.close();
  });

  test('says where it looked for a Redis, and not with which password', async () => {
    const opening = openRedisStore('redis://user:secret@127.0.0.1:1/2');
    await expect(opening).rejects.toThrow(StartupError);
    await expect(opening).rejects.toThrow(/cannot reach the Redis at redis:\/\/127\.0\.0\.1:1\/2 /);
    await expect(opening).rejects.not.toThrow(/secret/);
    await expect(openRedisStore('redis://[')).rejects.toThrow('it is not a URL');
  });
});

describe.skipIf(!isRedisInstalled())('with redis-server (skipped when it is not installed)', () => {
  storeConformance({
    name: 'the Redis store, on a server',
    keeps: true,
    fresh: async () => {
      const server = await RedisServer.start(DURABLE);
      return {
        open: async () => (await openRedisStore(server.url)).store,
        remove: () => server.remove(),
      };
    },
  });

  test('a crash of Redis takes nothing back when it answers after the sync', async () => {
    const server = await startRedis(DURABLE);
    const { store, remarks } = await openRedisStore(server.url);
    expect(remarks).toEqual([]);
    const acknowledged: string[] = [];
    const writers = Array.from({ length: 20 }, async (_, writer) => {
      for (let i = 0; ; i++) {
        const name = `${writer}-${i}`;
        await store.batch([put(key(`${name} left`), 'x'), put(key(`${name} right`), 'x')]);
        acknowledged.push(name);
        if (acknowledged.length === 500) void server.kill();
      }
    });
    const ends = await Promise.allSettled(writers);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
    // The connection is not made anew: the node stops.
    await server.start();
    await expect(store.batch([put(key('late'), 'x')])).rejects.toThrow();
    await store.close();

    const again = await openRedisStore(server.url);
    expect(again.lost).toBe(false);
    const entries = await again.store.scan({ start: key(''), end: Uint8Array.of(2) }, 100_000);
    const found = new Set(entries.map((entry) => Buffer.from(entry.key.slice(1)).toString()));
    for (const name of acknowledged) expect(found.has(`${name} left`)).toBe(true);
    for (const name of found) {
      expect(found.has(name.replace(/left|right/, name.endsWith('left') ? 'right' : 'left'))).toBe(
        true,
      );
    }
    await again.store.close();
  });

  test('a crash of a Redis that does not sync counts as a lost disk', async () => {
    const server = await startRedis({ appendonly: 'yes', appendfsync: 'everysec' });
    const { store } = await openRedisStore(server.url);
    await store.batch([put(key('a'), 'x')]);
    await store.close();
    await handedOver(server);
    await server.kill();
    await server.start();
    const again = await openRedisStore(server.url);
    expect(again.lost).toBe(true);
    expect(await again.store.get(key('a'))).toBeUndefined();
    await again.store.close();
  });

  test('keeps others out while its connection lives, and no longer', async () => {
    const server = await startRedis(DURABLE);
    const client = new Redis(server.url);
    const { store } = await openRedisStoreOn(client);
    const opening = openRedisStore(server.url);
    await expect(opening).rejects.toThrow(/in use by another node \(connection id=\d+ addr=127/);
    await store.batch([put(key('a'), 'x')]);

    client.disconnect(); // as a process that was killed
    const again = await openRedisStore(server.url);
    expect(await textAt(again.store, key('a'))).toBe('x');
    await expect(store.batch([put(key('a'), 'too late')])).rejects.toThrow();
    expect(await textAt(again.store, key('a'))).toBe('x');
    await again.store.close();
  });

  test('refuses a policy that evicts', async () => {
    const server = await startRedis({ 'maxmemory-policy': 'allkeys-lru' });
    await expect(openRedisStore(server.url)).rejects.toThrow('set maxmemory-policy to noeviction');
  });

  test('short of memory, refuses a batch as a whole and goes on', async () => {
    const server = await startRedis({ ...DURABLE, maxmemory: '8mb' });
    const { store } = await openRedisStore(server.url);
    expect(await store.space()).toBe('ample');
    await store.batch([put(key('a'), 'before')]);
    let full: unknown;
    let stored = 0;
    for (; full === undefined; stored++) {
      await store.batch([large(stored)]).catch((error: unknown) => (full = error));
    }
    expect(full).toBeInstanceOf(StoreFullError);
    expect(await store.space()).toBe('exhausted');
    await expect(store.batch([put(key('a'), 'after'), large(1_000)])).rejects.toThrow(
      StoreFullError,
    );
    expect(await textAt(store, key('a'))).toBe('before');
    await store.deleteRange({ start: key('large'), end: key('largf') });
    expect(await store.space()).toBe('ample');
    await store.batch([put(key('a'), 'after'), large(1_000)]);
    expect(await textAt(store, key('a'))).toBe('after');
    await store.close();
  });
});

/**
 * While a sync takes long, Redis keeps what comes after it to itself, and a crash then leaves nothing at
 * all: a Redis as good as new. Resolves when the system has all of it.
 */
async function handedOver({ url }: RedisServer): Promise<void> {
  const client = new Redis(url);
  try {
    await vi.waitFor(
      async () => expect(await client.info('persistence')).toContain('aof_buffer_length:0'),
      { timeout: 10_000 },
    );
  } finally {
    client.disconnect();
  }
}

async function putOne(redis: MockRedis): Promise<void> {
  const { store } = await openRedisStoreOn(redis.connect());
  await store.batch([put(key('a'), 'x')]);
  await store.close();
}

async function startRedis(settings: RedisSettings): Promise<RedisServer> {
  const server = await RedisServer.start(settings);
  onTestFinished(() => server.remove());
  return server;
}

function large(i: number) {
  return { type: 'put', key: key(`large ${i}`), value: new Uint8Array(200_000).fill(i) } as const;
}
