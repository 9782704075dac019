import { describe, expect, test } from 'vitest';
import { LiveCluster } from './live-cluster.ts';

describe.each([1, 2, 3, 5])('five nodes, replication factor %i', (replicationFactor) => {
  test('every node creates, reads, replaces and deletes every key', async () => {
    const cluster = await LiveCluster.start({ replicationFactor });
    try {
      for (let key = 0; key < 25; key++) {
        const name = `key/${key}`;
        const [a, b, c, d] = [0, 1, 2, 3].map((shift) => 1 + ((key + shift) % 5)) as [
          number,
          number,
          number,
          number,
        ];
        expect((await cluster.get(a, name)).status).toBe(404);
        expect((await cluster.put(a, name, 'first')).status).toBe(201);
        expect((await cluster.get(b, name)).body.toString()).toBe('first');
        expect((await cluster.put(c, name, 'second')).status).toBe(200);
        for (const level of ['one', 'quorum', 'all']) {
          const answer = await cluster.get(d, name, `?consistency=${level}`);
          if (level !== 'one') expect(answer.body.toString()).toBe('second');
        }
        expect((await cluster.delete(d, name)).status).toBe(204);
        expect((await cluster.get(a, name)).status).toBe(404);
        expect((await cluster.delete(b, name)).status).toBe(404);
      }
    } finally {
      await cluster.stop();
    }
  });
});

test('values and keys of any bytes come back exactly', async () => {
  const cluster = await LiveCluster.start({ nodes: 3 });
  try {
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const keys = [
      'a/b',
      '../../etc/passwd',
      '\0',
      '__proto__',
      'constructor',
      '🦊',
      ' ',
      '?#%&',
      'a//b/',
    ];
    for (const [index, key] of keys.entries()) {
      for (const value of [everyByte, Buffer.alloc(0), Buffer.alloc(1024 * 1024, index)]) {
        expect((await cluster.put(1 + (index % 3), key, value)).status).toBeLessThan(300);
        const answer = await cluster.get(1 + ((index + 1) % 3), key);
        expect(answer.status).toBe(200);
        expect(answer.body.equals(value)).toBe(true);
      }
    }
  } finally {
    await cluster.stop();
  }
});
