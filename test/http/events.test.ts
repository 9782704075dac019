/** `/cluster/events`: answers that do not end by themselves. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { edge, listening, WRITTEN_MS } from './edge.ts';
import { RawClient } from './raw-client.ts';

const GET = 'GET /cluster/events HTTP/1.1\r\nHost: x\r\n';

/** A client that has got the start of its stream. */
async function follower(port: number, headers = ''): Promise<RawClient> {
  const client = new RawClient(port).send(`${GET}${headers}\r\n`);
  await expect.poll(() => client.text).toContain('retry: 2000');
  return client;
}

describe('a client that follows the events', () => {
  test('gets each as it happens, with id, type, time and fields', async () => {
    const { port, events } = await listening();
    events.tell({ type: 'member.dead', member: 'before' });
    const client = await follower(port);
    expect(client.text).toMatch(/content-type: text\/event-stream/i);
    expect(client.text).toMatch(/quorate-node: node1/i);
    events.tell({ type: 'member.suspect', member: 'node2' });
    await expect.poll(() => client.text).toContain('id: life-2\nevent: member.suspect\n');
    const [, json = ''] = /data: (.*)\n\n/.exec(client.text) ?? [];
    expect(JSON.parse(json)).toEqual({
      id: 'life-2',
      timeMs: WRITTEN_MS,
      type: 'member.suspect',
      member: 'node2',
    });
    expect(client.text).not.toContain('before');
  });

  test('goes on behind the last event that it knows', async () => {
    const { port, events } = await listening();
    for (const epoch of [1, 2, 3]) events.tell({ type: 'ring.settled', epoch, members: 3 });
    const client = await follower(port, 'Last-Event-ID: life-1\r\n');
    await expect.poll(() => client.text).toContain('"epoch":3');
    expect(client.text).toContain('"epoch":2');
    expect(client.text).not.toContain('"epoch":1');
    expect(client.text).not.toContain('event: missed');
  });

  test('is told when it may have missed some, and gets all that are kept', async () => {
    const { port, events } = await listening();
    events.tell({ type: 'ring.settled', epoch: 1, members: 3 });
    const client = await follower(port, 'Last-Event-ID: other-life-7\r\n');
    await expect.poll(() => client.text).toMatch(/event: missed.*"epoch":1/s);
  });

  test('is let go at once when the node stops', async () => {
    const { port, http } = await listening({ shutdownTimeoutMs: 5_000 });
    const client = await follower(port);
    const start = performance.now();
    await http.close();
    await client.closed;
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(client.text.endsWith('0\r\n\r\n')).toBe(true); // ended, not cut
  });

  test('is cut off when it takes nothing, while the others go on', async () => {
    const { port, events } = await listening();
    const slow = await follower(port);
    const quick = await follower(port);
    slow.socket.pause();
    const cut = once(slow.socket, 'close');
    const joining = Array.from({ length: 1_000 }, (_, index) => `node${index}`);
    const joint = { type: 'ring.joint', task: 't', partitions: 1, joining, leaving: [] } as const;
    // More than the system holds for a client, on both ends, and this node on top.
    for (let epoch = 1; epoch <= 2_000; epoch++) {
      events.tell({ ...joint, epoch });
      if (epoch % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => quick.text.includes('"epoch":2000'), { timeout: 20_000 }).toBe(true);
    slow.socket.resume();
    await cut;
    expect(slow.text).not.toContain('"epoch":2000');
  }, 40_000);

  test('is one of 64 at most, and makes room when it goes away', async () => {
    const { port, events } = await listening();
    const clients: RawClient[] = [];
    for (let count = 0; count < 64; count++) clients.push(await follower(port));
    const answer = await fetch(`http://127.0.0.1:${port}/cluster/events`);
    const problem = (await answer.json()) as { code: string };
    expect([answer.status, problem.code]).toEqual([503, 'overloaded']);

    for (const client of clients) client.socket.destroy();
    await expect.poll(async () => await statusOfEvents(port)).toBe(200);
    events.tell({ type: 'ring.settled', epoch: 1, members: 3 }); // written to nobody, and no error
  });
});

/** Asks for the events and goes away as soon as there is an answer. */
async function statusOfEvents(port: number): Promise<number> {
  const gone = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}/cluster/events`, { signal: gone.signal });
  gone.abort();
  return answer.status;
}

test('the events take no parameters', async () => {
  const { http } = edge();
  const answer = await http.fastify.inject({ method: 'GET', url: '/cluster/events?from=1' });
  expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid_parameter']);
});
