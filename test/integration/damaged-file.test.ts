import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LiveCluster, type LiveNode } from './live-cluster.ts';

test("flipped bytes in a replica's LMDB file are never returned, and a read heals them", async () => {
  const cluster = await LiveCluster.start({ replicationFactor: 3 });
  try {
    const keys = Array.from({ length: 20 }, (_, index) => `damaged${index}`);
    const textOf = (key: string) =>
      `the right value of ${key}, long enough to be found in the file`;
    for (const key of keys) await cluster.put(1, key, textOf(key), '?consistency=all');

    for (const key of keys) {
      const { keepers } = await cluster.where(1, key);
      const [victim = 0] = keepers;
      await flipInFile(cluster.node(victim), textOf(key));
      for (const level of ['one', 'quorum', 'all']) {
        const answer = await cluster.get(victim, key, `?consistency=${level}`);
        if (answer.status === 200) expect(answer.body.toString()).toBe(textOf(key));
        else expect([503, 504]).toContain(answer.status);
      }
      // A read at quorum through any node has healed it by now, or does so in a moment.
      await expect
        .poll(async () => {
          expect((await cluster.get(victim, key)).body.toString()).toBe(textOf(key));
          return (await cluster.get(victim, key, '?consistency=all')).status;
        })
        .toBe(200);
    }
  } finally {
    await cluster.stop();
  }
});

/** Flips a bit of every place in a node's data file where `text` stands. */
async function flipInFile(node: LiveNode, text: string): Promise<void> {
  const path = await dataFileOf(node);
  const bytes = await readFile(path);
  const file = await open(path, 'r+');
  try {
    let flipped = 0;
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
      const place = at + 5;
      await file.write(Buffer.from([(bytes[place] ?? 0) ^ 0x20]), 0, 1, place);
      flipped += 1;
    }
    expect(flipped).toBeGreaterThan(0);
  } finally {
    await file.close();
  }
}

async function dataFileOf(node: LiveNode): Promise<string> {
  const names = await readdir(node.dataDir, { recursive: true });
  const name = names.find((candidate) => candidate.endsWith('data.mdb'));
  if (name === undefined) throw new Error(`no data file in ${node.dataDir}`);
  return join(node.dataDir, name);
}
