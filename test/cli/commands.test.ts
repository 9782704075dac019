import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Behaviour, fakeNode, json, nobody, problem } from './fake-node.ts';
import { quorate } from './quorate.ts';

const VALUE: Behaviour = (response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain', ETag: '"v1"' }).end('hello');
};
const STORED = json(201, { key: 'a', version: 'v1', acknowledged: 2, replicas: 3 });
const SILENT: Behaviour = () => undefined;
const CUT: Behaviour = (_response, _asked, request) => request.socket.destroy();

describe('quorate get', () => {
  test("prints the value's bytes and nothing else", async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 128]);
    const node = await fakeNode((response) => response.end(bytes));
    const ran = await quorate(['get', 'a', '--url', node.url]);
    expect(ran).toEqual({ exitCode: 0, stdout: bytes, stderr: '' });
  });

  test('describes a text with --json', async () => {
    const node = await fakeNode(VALUE);
    const ran = await quorate(['get', 'a', '--json', '--url', node.url]);
    expect(ran.stdout.toString()).toBe(
      '{"key":"a","version":"v1","contentType":"text/plain","value":"hello"}\n',
    );
  });

  test('describes bytes that are no text in base64', async () => {
    const node = await fakeNode((response) => response.end(Buffer.from([255, 0])));
    const ran = await quorate(['get', 'a', '--json', '--url', node.url]);
    expect(JSON.parse(ran.stdout.toString())).toEqual({ key: 'a', valueBase64: '/wA=' });
  });

  test.each([
    ['.', '/kv/.'],
    ['..', '/kv/..'],
    ['a/b c', '/kv/a%2Fb%20c'],
    ['gr\u00fc\u00df?#%', '/kv/gr%C3%BC%C3%9F%3F%23%25'],
  ])('asks for the key %s by its own path', async (key, path) => {
    const node = await fakeNode(VALUE);
    await quorate(['get', key, '--url', node.url]);
    expect(node.asked[0]?.path).toBe(path);
  });

  test('passes consistency level and timeout on', async () => {
    const node = await fakeNode(VALUE);
    await quorate(['get', 'a', '--consistency', 'one', '--timeout', '250ms', '--url', node.url]);
    expect(node.asked[0]?.path).toBe('/kv/a?consistency=one&timeout=250ms');
  });

  test('ends with 3 and an empty standard output when there is nothing', async () => {
    const node = await fakeNode(
      problem(404, 'not_found', {
        title: 'Not found',
        detail: 'no a',
        outcome: 'not_applied',
      }),
    );
    const ran = await quorate(['get', 'a', '--url', node.url]);
    expect(ran).toEqual({
      exitCode: 3,
      stdout: Buffer.alloc(0),
      stderr: 'quorate: Not found: no a\n',
    });
  });

  test('prints nothing of a value that broke off', async () => {
    const node = await fakeNode((response, _asked, request) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('half');
      setImmediate(() => request.socket.destroy());
    });
    const ran = await quorate(['get', 'a', '--url', node.url]);
    expect([ran.exitCode, ran.stdout.length]).toEqual([1, 0]);
  });
});

describe('which node is asked', () => {
  test('the next one when one does not listen', async () => {
    const node = await fakeNode(VALUE);
    const ran = await quorate(['get', 'a', '--url', `${await nobody()}, ${node.url}`]);
    expect(ran).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('QUORATE_URL names it, and --url wins', async () => {
    const [one, other] = [await fakeNode(VALUE), await fakeNode(VALUE)];
    const environment = { QUORATE_URL: one.url };
    await quorate(['get', 'a'], { environment });
    await quorate(['get', 'b', '--url', other.url], { environment });
    expect([one.asked.length, other.asked.length]).toEqual([1, 1]);
  });

  test('a URL needs no scheme', async () => {
    const node = await fakeNode(VALUE);
    const ran = await quorate(['get', 'a', '--url', node.url.slice('http://'.length)]);
    expect(ran.exitCode).toBe(0);
  });

  test.each([
    ['answers 503', problem(503, 'quorum_unavailable')],
    ['loses the connection', CUT],
  ])('a read goes on to the next one when one %s', async (_what, behaviour) => {
    const [bad, good] = [await fakeNode(behaviour), await fakeNode(VALUE)];
    const ran = await quorate(['get', 'a', '--url', `${bad.url},${good.url}`]);
    expect([ran.exitCode, bad.asked.length, good.asked.length]).toEqual([0, 1, 1]);
  });

  test('a read of a node that hangs goes on to the next one', async () => {
    const [bad, good] = [await fakeNode(SILENT), await fakeNode(VALUE)];
    const args = ['get', 'a', '--timeout', '1ms', '--url', `${bad.url},${good.url}`];
    expect((await quorate(args)).exitCode).toBe(0);
  });

  test('a read tells of the refusal when no node did better', async () => {
    const node = await fakeNode(problem(503, 'quorum_unavailable'));
    const ran = await quorate(['get', 'a', '--url', `${node.url},${await nobody()}`]);
    expect(ran.exitCode).toBe(5);
  });

  test.each([
    ['a timeout', 504, problem(504, 'timeout', { outcome: 'unknown' }), 7],
    ['an unknown outcome', 503, problem(503, 'quorum_unavailable', { outcome: 'unknown' }), 5],
    ['a 503 that says nothing', 503, problem(503, 'overloaded'), 1],
    ['a lost connection', 0, CUT, 1],
  ])('a write is not sent again after %s', async (_what, _status, behaviour, exitCode) => {
    const [bad, good] = [await fakeNode(behaviour), await fakeNode(STORED)];
    const ran = await quorate(['put', 'a', 'x', '--url', `${bad.url},${good.url}`]);
    expect([ran.exitCode, good.asked.length]).toEqual([exitCode, 0]);
  });

  test('a write that got no answer in time is not sent again, and said to be in doubt', async () => {
    const [bad, good] = [await fakeNode(SILENT), await fakeNode(STORED)];
    const args = ['put', 'a', 'x', '--timeout', '1ms', '--url', `${bad.url},${good.url}`];
    const ran = await quorate(args);
    expect([ran.exitCode, good.asked.length]).toEqual([7, 0]);
    expect(ran.stderr).toContain('outcome: unknown');
  });

  test('a write is sent to the next one when nothing was done', async () => {
    const refused = problem(503, 'shutting_down', { outcome: 'not_applied' });
    const [bad, good] = [await fakeNode(refused), await fakeNode(STORED)];
    const urls = [await nobody(), bad.url, good.url].join(',');
    const ran = await quorate(['put', 'a', 'x', '--url', urls]);
    expect([ran.exitCode, good.asked.length]).toEqual([0, 1]);
  });

  test('ends with 6 when none can be connected to, naming each and what helps', async () => {
    const [one, other] = [await nobody(), await nobody()];
    const ran = await quorate(['put', 'a', 'x', '--url', `${one},${other}`]);
    expect(ran.exitCode).toBe(6);
    expect(ran.stderr).toContain('quorate dev');
    expect(ran.stderr).toContain(`${one}: connection refused`);
    expect(ran.stderr).toContain(`${other}: connection refused`);
    expect(ran.stderr).not.toContain('outcome');
  });
});

describe('quorate put', () => {
  test('stores the value given, as text', async () => {
    const node = await fakeNode(STORED);
    const ran = await quorate(['put', 'a', 'gr\u00fc\u00df', '--url', node.url]);
    expect(node.asked).toEqual([
      {
        method: 'PUT',
        path: '/kv/a',
        contentType: 'text/plain; charset=utf-8',
        body: Buffer.from('gr\u00fc\u00df'),
      },
    ]);
    expect(ran).toEqual({
      exitCode: 0,
      stdout: Buffer.alloc(0),
      stderr: 'stored a, version v1, acknowledged by 2 of 3 replicas\n',
    });
  });

  test.each([[['put', 'a']], [['put', 'a', '-']]])('%j reads standard input', async (args) => {
    const node = await fakeNode(STORED);
    const stdin = Buffer.from([1, 0, 255]);
    await quorate([...args, '--url', node.url], { stdin });
    expect(node.asked[0]).toMatchObject({ body: stdin, contentType: 'application/octet-stream' });
  });

  test('reads a file, with the content type given', async () => {
    const node = await fakeNode(STORED);
    const file = join(await temporaryFolder(), 'value');
    await writeFile(file, '{}');
    const type = ['--content-type', 'application/json'];
    await quorate(['put', 'a', '--file', file, ...type, '--url', node.url]);
    expect(node.asked[0]).toMatchObject({
      body: Buffer.from('{}'),
      contentType: 'application/json',
    });
  });

  test('stores an empty value', async () => {
    const node = await fakeNode(STORED);
    await quorate(['put', 'a', '', '--url', node.url]);
    expect(node.asked[0]?.body.length).toBe(0);
  });

  test('prints the answer with --json', async () => {
    const node = await fakeNode(STORED);
    const ran = await quorate(['put', 'a', 'x', '--json', '--url', node.url]);
    expect(ran.stdout.toString()).toBe(
      '{"key":"a","version":"v1","acknowledged":2,"replicas":3}\n',
    );
  });

  test('refuses a file that cannot be read, and asks nobody', async () => {
    const node = await fakeNode(STORED);
    const file = join(await temporaryFolder(), 'missing');
    const ran = await quorate(['put', 'a', '--file', file, '--url', node.url]);
    expect([ran.exitCode, node.asked.length]).toEqual([1, 0]);
    expect(ran.stderr).toContain(file);
  });

  test('does not read on without end', async () => {
    const node = await fakeNode(STORED);
    const stdin = Buffer.alloc(16 * 1024 * 1024 + 1);
    const ran = await quorate(['put', 'a', '--url', node.url], { stdin });
    expect([ran.exitCode, node.asked.length]).toEqual([1, 0]);
  });
});

describe('quorate delete', () => {
  test('says what it did', async () => {
    const node = await fakeNode((response) => response.writeHead(204).end());
    const ran = await quorate(['delete', 'a', '--consistency', 'all', '--url', node.url]);
    expect(node.asked[0]).toMatchObject({ method: 'DELETE', path: '/kv/a?consistency=all' });
    expect(ran).toEqual({ exitCode: 0, stdout: Buffer.alloc(0), stderr: 'deleted a\n' });
  });

  test('ends with 3 when there was nothing', async () => {
    const node = await fakeNode(problem(404, 'not_found'));
    expect((await quorate(['delete', 'a', '--url', node.url])).exitCode).toBe(3);
  });
});

describe('what went wrong', () => {
  test('is told in full: title, detail, outcome and every replica', async () => {
    const node = await fakeNode(
      problem(503, 'quorum_unavailable', {
        title: 'No quorum',
        detail: '2 of 3 replicas are down: start node3',
        outcome: 'unknown',
        required: 2,
        acknowledged: 1,
        replicas: [
          { node: 'node1', state: 'acknowledged' },
          { node: 'node2', state: 'clock_skew' },
        ],
      }),
    );
    const ran = await quorate(['put', 'a', 'x', '--url', node.url]);
    expect(ran.stderr.split('\n')).toEqual([
      'quorate: No quorum: 2 of 3 replicas are down: start node3',
      '  outcome: unknown: the write may still become visible; read the key to find out',
      '  replicas: 1 of the 2 required',
      '  node1: acknowledged',
      '  node2: clock skew',
      '',
    ]);
  });

  test.each([
    [400, 'invalid_key', 2],
    [404, 'not_found', 3],
    [404, 'unknown_route', 1],
    [412, 'precondition_failed', 4],
    [413, 'value_too_large', 1],
    [503, 'quorum_unavailable', 5],
    [503, 'not_ready', 1],
    [504, 'timeout', 7],
    [500, 'internal', 1],
  ])('%i %s ends with %i', async (status, code, exitCode) => {
    const node = await fakeNode(problem(status, code));
    expect((await quorate(['get', 'a', '--url', node.url])).exitCode).toBe(exitCode);
  });

  test('is told of a server that is no node', async () => {
    const node = await fakeNode((response) => response.writeHead(502).end('<b>Bad\u001b gateway'));
    const ran = await quorate(['get', 'a', '--url', node.url]);
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toContain(`${node.url} answered 502`);
    expect(ran.stderr).toContain('<b>Bad\\x1b gateway');
  });
});

const CLUSTER = {
  name: 'quorate',
  id: 'c1',
  epoch: 3,
  replicationFactor: 3,
  members: [
    {
      name: 'node1',
      id: 'a1',
      url: 'http://127.0.0.1:7401',
      state: 'alive',
      zone: 'default',
      weight: 1,
      partitions: 154,
      keys: 1000,
    },
    {
      name: 'node2',
      id: 'a2',
      url: 'http://127.0.0.1:7402',
      state: 'dead',
      zone: 'default',
      weight: 1,
      partitions: 9,
    },
  ],
};

describe('quorate status', () => {
  test('asks the next one when a node belongs to no cluster, and says why when all do not', async () => {
    const left = await fakeNode((response, asked, request) =>
      asked.path === '/cluster'
        ? json(200, { name: 'c', epoch: 0, replicationFactor: 3, members: [] })(
            response,
            asked,
            request,
          )
        : json(503, { checks: [{ name: 'ring', ok: false, detail: 'this node has left' }] })(
            response,
            asked,
            request,
          ),
    );
    const member = await fakeNode(
      json(200, { name: 'c', epoch: 4, replicationFactor: 3, members: [] }),
    );
    const ran = await quorate(['status', '--url', `${left.url},${member.url}`]);
    expect([ran.exitCode, ran.stdout.toString()]).toEqual([0, expect.stringContaining('epoch 4')]);
    const alone = await quorate(['status', '--url', left.url]);
    expect(alone.stdout.toString()).toBe(
      `${left.url} belongs to no cluster now\n  ring: this node has left\n`,
    );
  });

  test('says who is still pulling', async () => {
    const members = [
      { name: 'node1', toPull: 3, pulled: 3 },
      { name: 'node2', toPull: 3, pulled: 2 },
      { name: 'node3', toPull: 3 },
    ];
    const transition = { task: 'ring-4', partitions: 5, pulled: 5, toPull: 9, members };
    const node = await fakeNode(json(200, { name: 'c', epoch: 4, members: [], transition }));
    const ran = await quorate(['status', '--url', node.url]);
    expect(ran.stdout.toString()).toContain(
      '5 of 9 pulled; still pulling: node2, node3 (no answer)\n',
    );
  });

  test('lists the members', async () => {
    const node = await fakeNode(json(200, CLUSTER));
    const ran = await quorate(['status', '--url', node.url]);
    expect(node.asked[0]?.path).toBe('/cluster');
    expect(ran.stdout.toString().split('\n')).toEqual([
      'cluster quorate, epoch 3, replication factor 3, 1 of 2 members alive',
      '',
      'NAME   STATE  URL                    ZONE     WEIGHT  PARTITIONS  KEYS',
      'node1  alive  http://127.0.0.1:7401  default       1         154  1000',
      'node2  dead   http://127.0.0.1:7402  default       1           9     -',
      '',
    ]);
  });

  test('prints the answer as one line with --json', async () => {
    const node = await fakeNode(json(200, CLUSTER));
    const ran = await quorate(['status', '--json', '--url', node.url]);
    expect(ran.stdout.toString()).toBe(`${JSON.stringify(CLUSTER)}\n`);
  });

  test('asks the next node after a 503', async () => {
    const bad = await fakeNode(problem(503, 'not_ready'));
    const good = await fakeNode(json(200, CLUSTER));
    expect((await quorate(['status', '--url', `${bad.url},${good.url}`])).exitCode).toBe(0);
  });

  test('refuses an answer that is not JSON', async () => {
    const node = await fakeNode((response) => response.end('<html>'));
    expect((await quorate(['status', '--url', node.url])).exitCode).toBe(1);
  });

  test('--ready ends with 0 when the node is', async () => {
    const node = await fakeNode(json(200, { ready: true }));
    const ran = await quorate(['status', '--ready', '--url', node.url]);
    expect([node.asked[0]?.path, ran.exitCode]).toEqual(['/readyz', 0]);
  });

  test('--ready ends with 1 and names the checks that fail, without asking another node', async () => {
    const checks = [
      { name: 'store', ok: true, detail: 'open' },
      { name: 'ring', ok: false, detail: 'waiting for node3' },
    ];
    const bad = await fakeNode(json(503, { checks }));
    const good = await fakeNode(json(200, {}));
    const ran = await quorate(['status', '--ready', '--url', `${bad.url},${good.url}`]);
    expect([ran.exitCode, good.asked.length]).toEqual([1, 0]);
    expect(ran.stderr).toBe(`quorate: ${bad.url} is not ready: ring: waiting for node3\n`);
  });

  test.each([
    ['does not listen', undefined],
    ['hangs', SILENT],
  ])('--ready ends with 1 when the node %s', async (_what, behaviour) => {
    const url = behaviour === undefined ? await nobody() : (await fakeNode(behaviour)).url;
    const ran = await quorate(['status', '--ready', '--timeout', '1ms', '--url', url]);
    expect(ran.exitCode).toBe(1);
  });
});

describe('quorate where', () => {
  const location = {
    key: 'a b',
    token: '00ff00ff00ff00ff',
    partition: 17,
    replicas: [
      { node: 'node1', version: 'v1', state: 'ok' },
      { node: 'node2', version: null, state: 'unreachable' },
    ],
  };

  test('shows token, partition and what each replica holds', async () => {
    const node = await fakeNode(json(200, location));
    const ran = await quorate(['where', 'a b', '--url', node.url]);
    expect(node.asked[0]?.path).toBe('/cluster/keys/a%20b');
    expect(ran.stdout.toString().split('\n')).toEqual([
      'key        a b',
      'token      00ff00ff00ff00ff',
      'partition  17',
      '',
      'REPLICA  STATE        VERSION',
      'node1    ok           v1',
      'node2    unreachable  -',
      '',
    ]);
  });

  test('passes the timeout on', async () => {
    const node = await fakeNode(json(200, location));
    await quorate(['where', 'a', '--timeout', '1s', '--url', node.url]);
    expect(node.asked[0]?.path).toBe('/cluster/keys/a?timeout=1s');
  });

  test('prints the answer with --json', async () => {
    const node = await fakeNode(json(200, location));
    const ran = await quorate(['where', 'a b', '--json', '--url', node.url]);
    expect(JSON.parse(ran.stdout.toString())).toEqual(location);
  });
});

describe('the command line', () => {
  test.each([[[]], [['--help']], [['help']]])('%j prints the help', async (args) => {
    const ran = await quorate(args);
    expect([ran.exitCode, ran.stderr]).toEqual([0, '']);
    for (const command of ['start', 'dev', 'get', 'put', 'delete', 'status', 'where', 'version']) {
      expect(ran.stdout.toString()).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    }
  });

  test.each([
    [['staus'], 'status'],
    [['get', '--consistencyy', 'one'], '--consistency'],
    [['start', '--node-nam', 'x'], '--node-name'],
  ])('%j is refused with the nearest known: %s', async (args, nearest) => {
    const ran = await quorate(args);
    expect([ran.exitCode, ran.stdout.length]).toEqual([2, 0]);
    expect(ran.stderr).toContain(`(Did you mean ${nearest}?)`);
  });

  test.each([
    [['get']],
    [['get', 'a', 'b']],
    [['get', '']],
    [['get', 'a', '--consistency', 'most']],
    [['get', 'a', '--timeout', '5']],
    [['get', 'a', '--url', 'ftp://127.0.0.1']],
    [['get', 'a', '--url', ',']],
    [['put', 'a', 'x', '--file', 'y']],
    [['start', '--port', '65536']],
    [['dev', '--nodes', '0']],
    [['dev', '--nodes', '3', '--port', '65534']],
    [['dev', '--replication-factor', '8']],
    [['dev', '--ready-within', 'soon']],
  ])('%j is a usage mistake', async (args) => {
    const ran = await quorate(args);
    expect([ran.exitCode, ran.stdout.length]).toEqual([2, 0]);
    expect(ran.stderr).not.toContain('at '); // a sentence, not a stack trace
  });

  test('a secret that is refused is not repeated', async () => {
    const ran = await quorate(['start', '--cluster-secret', 'hunter2']);
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).not.toContain('hunter2');
  });

  test('a wrong environment is an error, told in a sentence', async () => {
    const ran = await quorate(['start'], { environment: { QUORATE_PROT: '1' } });
    expect(ran).toMatchObject({
      exitCode: 1,
      stderr: 'quorate: QUORATE_PROT is not a setting; did you mean QUORATE_PORT?\n',
    });
  });

  test('every setting is an option of start, with its default', async () => {
    const help = (await quorate(['start', '--help'])).stdout.toString();
    expect(help).toContain('--replication-factor <count>');
    expect(help.replaceAll(/\s+/g, ' ')).toContain('(QUORATE_PORT, default: 7400)');
  });

  test('version prints this package and node', async () => {
    const ran = await quorate(['version', '--json']);
    expect(JSON.parse(ran.stdout.toString())).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      node: process.version,
    });
  });
});

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-cli-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}
