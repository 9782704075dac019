/** Commands that change a cluster, and those that tell how far that is. */
import { describe, expect, test } from 'vitest';
import { type Behaviour, type FakeNode, fakeNode, json, nobody, problem } from './fake-node.ts';
import { quorate } from './quorate.ts';

const PLAN = { partitions: 3, replicas: 4, bytes: 2_500_000, seconds: 7 };

interface Answers {
  readonly started?: Behaviour;
  /** One answer of `/cluster/tasks` after the other; the last one for ever. */
  readonly tasks?: readonly object[];
}

function operated({ started, tasks = [] }: Answers = {}): Promise<FakeNode> {
  let looks = 0;
  return fakeNode((response, asked, request) => {
    if (asked.path === '/cluster/tasks') {
      const answer = tasks[Math.min(looks, tasks.length - 1)] ?? { epoch: 9, tasks: [] };
      looks += 1;
      json(200, answer)(response, asked, request);
    } else if (asked.path.endsWith('?dryRun=true')) json(200, PLAN)(response, asked, request);
    else (started ?? json(202, { task: 'ring-8', epoch: 8 }))(response, asked, request);
  });
}

function requests({ asked }: FakeNode): readonly string[] {
  return asked.map(({ method, path }) => `${method} ${path}`);
}

describe('quorate node', () => {
  test.each(['leave', 'remove', 'replace'])(
    '%s asks for it and waits for the end',
    async (verb) => {
      const done = { epoch: 9, tasks: [{ task: 'ring-8', state: 'done' }] };
      const node = await operated({ tasks: [done] });
      const ran = await quorate(['node', verb, 'node 3', '--yes', '--url', node.url]);
      expect(ran).toMatchObject({ exitCode: 0, stdout: Buffer.alloc(0) });
      expect(requests(node)).toEqual([
        `POST /cluster/members/node%203/${verb}`,
        'GET /cluster/tasks',
      ]);
      expect(ran.stderr).toMatch(/task ring-8\ndone\n$/);
    },
  );

  test('remove --force gives up several at once, and says what is lost', async () => {
    const plan = json(200, { ...PLAN, lost: 2 });
    const started = json(202, { task: 'ring-1000000000', epoch: 1_000_000_000 });
    const node = await fakeNode((response, asked, request) =>
      (asked.path.endsWith('?dryRun=true') ? plan : started)(response, asked, request),
    );
    const args = ['node', 'remove', 'node3', 'node 4', '--force', '--url', node.url];
    const planned = await quorate([...args, '--dry-run']);
    expect(planned.stdout.toString()).toContain('NO COPY IS LEFT of 2 partitions');
    const ran = await quorate([...args, '--yes', '--no-wait']);
    expect([ran.exitCode, ran.stderr]).toEqual([0, expect.stringContaining('ring-1000000000')]);
    expect(requests(node)).toEqual([
      'POST /cluster/forced-removal?dryRun=true',
      'POST /cluster/forced-removal',
    ]);
    expect(node.asked.map(({ body }) => body.toString())).toEqual([
      '{"members":["node3","node 4"]}',
      '{"members":["node3","node 4"]}',
    ]);
  });

  test('remove takes one name without --force', async () => {
    const node = await operated();
    const ran = await quorate(['node', 'remove', 'a', 'b', '--yes', '--url', node.url]);
    expect([ran.exitCode, requests(node)]).toEqual([2, []]);
    expect(ran.stderr).toContain('--force');
  });

  test('tells how far the task is, and follows the one that continues it', async () => {
    const running = { state: 'running', toPull: 12 };
    const continued = { task: 'ring-8', state: 'continued', continuedBy: 'ring-9' };
    const node = await operated({
      tasks: [
        { epoch: 7, tasks: [] }, // this node has not heard of it yet
        { epoch: 8, tasks: [{ task: 'ring-8', pulled: 5, ...running }] },
        { epoch: 9, tasks: [{ task: 'ring-9', pulled: 7, ...running }, continued] },
        { epoch: 10, tasks: [{ task: 'ring-9', state: 'done' }, continued] },
      ],
    });
    const ran = await quorate(['node', 'leave', 'node3', '--yes', '--json', '--url', node.url]);
    expect(ran.exitCode).toBe(0);
    expect(ran.stderr).toContain('ring-8: 5 of 12 partitions pulled');
    expect(ran.stderr).toMatch(/task ring-9 goes on/);
    expect(ran.stdout.toString()).toBe('{"task":"ring-8","epoch":8,"state":"done"}\n');
  });

  test('goes by the ring where the node has forgotten the task', async () => {
    const node = await operated({
      tasks: [
        { epoch: 12, tasks: [{ task: 'ring-12', state: 'running', pulled: 1, toPull: 2 }] },
        { epoch: 13, tasks: [] },
      ],
    });
    const ran = await quorate(['node', 'leave', 'node3', '--yes', '--url', node.url]);
    expect(ran.exitCode).toBe(0);
    expect(ran.stderr).toMatch(/task ring-12 goes on.*done\n$/s);
  });

  test('does not wait with --no-wait, nor when nothing has to move', async () => {
    const busy = await operated();
    const args = ['node', 'leave', 'node3', '--yes'];
    const ran = await quorate([...args, '--no-wait', '--json', '--url', busy.url]);
    expect([ran.exitCode, requests(busy).length]).toEqual([0, 1]);
    expect(JSON.parse(ran.stdout.toString())).toEqual({ task: 'ring-8', epoch: 8 });

    const idle = await operated({ started: json(200, { epoch: 8 }) });
    const second = await quorate([...args, '--url', idle.url]);
    expect([second.exitCode, requests(idle).length]).toEqual([0, 1]);
    expect(second.stderr).toContain('nothing has to move');
  });

  test('only plans with --dry-run, whoever is there', async () => {
    const node = await operated();
    const args = ['node', 'leave', 'node3', '--dry-run', '--url', node.url];
    const ran = await quorate(args);
    expect([ran.exitCode, requests(node)]).toEqual([
      0,
      ['POST /cluster/members/node3/leave?dryRun=true'],
    ]);
    expect(ran.stdout.toString()).toBe(
      '3 partitions change, 4 new copies of them, about 2.5 MB in about 7 s\n',
    );
    const machine = await quorate([...args, '--json']);
    expect(JSON.parse(machine.stdout.toString())).toEqual(PLAN);
  });

  test('asks nothing of the cluster without a terminal and --yes', async () => {
    const node = await operated();
    const ran = await quorate(['node', 'leave', 'node3', '--url', node.url], { stdin: 'y\n' });
    expect([ran.exitCode, requests(node)]).toEqual([2, []]);
    expect(ran.stderr).toMatch(/--yes.*--dry-run/);
  });

  test.each([
    ['y\n', 0, 3],
    ['YES\n', 0, 3],
    ['n\n', 1, 1],
    ['\n', 1, 1],
    ['', 1, 1],
    ['yesterday\n', 1, 1],
  ])('asks on a terminal: %j', async (stdin, exitCode, count) => {
    const node = await operated();
    const ran = await quorate(['node', 'leave', 'node3', '--url', node.url], {
      stdin,
      interactive: true,
    });
    expect([ran.exitCode, requests(node).length]).toEqual([exitCode, count]);
    expect(ran.stderr).toContain('about 2.5 MB in about 7 s. Really let node3 leave?');
  });

  test('tells of a refusal', async () => {
    const refused = { outcome: 'not_applied', detail: 'node3 is alive, not dead' };
    const node = await operated({ started: problem(409, 'conflict', refused) });
    const ran = await quorate(['node', 'remove', 'node3', '--yes', '--url', node.url]);
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toContain('node3 is alive, not dead');
    expect(ran.stderr).toContain('nothing was changed');
  });

  test('that may still be decided says where to look, and is not asked again', async () => {
    const doubt = problem(503, 'quorum_unavailable', { outcome: 'unknown' });
    const [node, other] = [await operated({ started: doubt }), await operated()];
    const urls = `${node.url},${other.url}`;
    const ran = await quorate(['node', 'leave', 'node3', '--yes', '--url', urls]);
    expect([ran.exitCode, requests(other)]).toEqual([5, []]);
    expect(ran.stderr).toContain('quorate status');
    expect(ran.stderr).not.toContain('key');
  });
});

describe('quorate replication-factor', () => {
  test('asks for the number of copies', async () => {
    const node = await operated();
    const ran = await quorate(['replication-factor', '5', '--yes', '--url', node.url]);
    expect(ran.exitCode).toBe(0);
    expect(node.asked[0]).toMatchObject({
      method: 'PUT',
      path: '/cluster/replication-factor',
      contentType: 'application/json',
      body: Buffer.from('{"replicationFactor":5}'),
    });
  });

  test.each(['0', '8', '2.5', 'x'])('refuses %s', async (count) => {
    const node = await operated();
    const ran = await quorate(['replication-factor', count, '--yes', '--url', node.url]);
    expect([ran.exitCode, requests(node)]).toEqual([2, []]);
    expect(ran.stderr).toContain('1 to 7');
  });
});

describe('quorate tasks', () => {
  test('lists them', async () => {
    const node = await operated({
      tasks: [
        {
          epoch: 9,
          tasks: [
            { task: 'ring-9', epoch: 9, state: 'running', partitions: 8, pulled: 5, toPull: 12 },
            { task: 'ring-8', epoch: 8, state: 'continued', continuedBy: 'ring-9', partitions: 4 },
          ],
        },
      ],
    });
    const ran = await quorate(['tasks', '--url', node.url]);
    expect(ran.stdout.toString()).toBe(
      [
        'TASK    STATE                PARTITIONS  PULLED  TO PULL',
        'ring-9  running                       8       5       12',
        'ring-8  continued by ring-9           4       -        -\n',
      ].join('\n'),
    );
  });
});

describe('quorate status', () => {
  test('shows a transition, members that leave, and alarms', async () => {
    const member = { url: 'http://h:1', zone: 'z', weight: 1, partitions: 8, keys: 1 };
    const node = await fakeNode(
      json(200, {
        ...{ name: 'test', epoch: 4, replicationFactor: 3 },
        alarms: ['replacement is frozen'],
        transition: { task: 'ring-4', epoch: 4, partitions: 8, toPull: 12, pulled: 5, members: [] },
        members: [
          { ...member, name: 'node1', state: 'alive' },
          { ...member, name: 'node2', state: 'alive', leaving: 'asked' },
          { ...member, name: 'node3', state: 'dead', leaving: 'replaced' },
        ],
      }),
    );
    const text = (await quorate(['status', '--url', node.url])).stdout.toString();
    expect(text).toContain('in transition (ring-4): 8 partitions change, 5 of 12 pulled\n');
    expect(text).toContain('ALARM: replacement is frozen\n');
    expect(text).toMatch(/node2 {2}alive, leaving /);
    expect(text).toMatch(/node3 {2}dead, replaced /);
  });
});

describe('quorate events', () => {
  test('prints each event, and goes on behind the last one when the stream ends', async () => {
    const told = {
      timeMs: Date.UTC(2026, 0, 2),
      type: 'ring.joint',
      epoch: 4,
      leaving: ['a', 'b'],
    };
    const lastIds: unknown[] = [];
    const node = await fakeNode((response, _asked, request) => {
      lastIds.push(request.headers['last-event-id']);
      if (lastIds.length > 1) {
        problem(503, 'shutting_down')(response, _asked, request);
        return;
      }
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write(`retry: 2000\n\n: heartbeat\n\nid: x-1\nevent: ring.joint\nda`);
      response.end(
        `ta: ${JSON.stringify({ id: 'x-1', ...told })}\n\nevent: missed\ndata: {"type":"missed"}\n\n`,
      );
    });
    const ran = await quorate(['events', '--url', node.url]);
    expect(ran.stdout.toString()).toBe(
      '2026-01-02T00:00:00.000Z ring.joint           epoch=4 leaving=a,b\n' +
        '(events before this one are not kept any more)\n',
    );
    expect(lastIds).toEqual([undefined, 'x-1']);
    expect(ran.exitCode).toBe(1);
  });

  test('prints them as JSON, one on each line', async () => {
    let streams = 0;
    const node = await fakeNode((response, asked, request) => {
      streams += 1;
      if (streams > 1) problem(503, 'shutting_down')(response, asked, request);
      else response.end('id: x-1\nevent: member.dead\ndata: {"id":"x-1","type":"member.dead"}\n\n');
    });
    const ran = await quorate(['events', '--json', '--url', `${await nobody()},${node.url}`]);
    expect(ran.stdout.toString()).toBe('{"id":"x-1","type":"member.dead"}\n');
  });

  test('are asked of the next node when one is shutting down', async () => {
    const full = await fakeNode(problem(503, 'shutting_down'));
    let streams = 0;
    const node = await fakeNode((response, asked, request) => {
      streams += 1;
      if (streams > 1) problem(503, 'overloaded')(response, asked, request);
      else response.end('data: {"type":"member.dead","member":"a"}\n\n');
    });
    const ran = await quorate(['events', '--url', `${full.url},${node.url}`]);
    expect(ran.stdout.toString()).toContain('member=a');
  });

  test('ends with 6 when no node can be connected to', async () => {
    expect((await quorate(['events', '--url', await nobody()])).exitCode).toBe(6);
  });
});
