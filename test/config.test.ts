import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Config, flagOf, loadConfig, parseDuration, SETTINGS } from '../src/config.ts';
import { StartupError } from '../src/errors.ts';

const machine = vi.hoisted(() => ({ hostname: 'machine1' }));
vi.mock('node:os', async (original) => ({
  ...(await original<typeof import('node:os')>()),
  hostname: () => machine.hostname,
}));

const SECRET = 'a secret of 24 letters !';
const from = (environment: Record<string, string>) => loadConfig({}, environment);

describe('the settings', () => {
  test('are the documented defaults when nothing is set', () => {
    expect(from({})).toEqual({
      nodeName: 'machine1',
      clusterName: 'quorate',
      host: '127.0.0.1',
      port: 7400,
      seeds: [],
      dataDir: './quorate-data',
      store: 'lmdb',
      replicationFactor: 3,
      replicationFactorGiven: false,
      consistency: 'quorum',
      partitionCount: 256,
      zone: 'default',
      weight: 1,
      replaceAfterMs: 60_000,
      lastSurvivor: 'use',
      maxValueBytes: 1024 * 1024,
      maxInFlight: 1024,
      maxSkewMs: 10_000,
      transferRateBytes: 20 * 1024 * 1024,
      requestTimeoutMs: 5_000,
      logLevel: 'info',
      shutdownTimeoutMs: 4_000,
    });
  });

  test('come from a flag before the environment, and from there before the default', () => {
    const environment = { QUORATE_PORT: '7401', QUORATE_ZONE: 'here' };
    const { port, zone, weight } = loadConfig({ port: '7402' }, environment);
    expect({ port, zone, weight }).toEqual({ port: 7402, zone: 'here', weight: 1 });
  });

  test('have a flag named like their variable', () => {
    expect(flagOf(SETTINGS.replicationFactor)).toBe('--replication-factor');
    expect(flagOf(SETTINGS.maxSkewMs)).toBe('--max-skew');
  });

  test('remember whether somebody asked for the replication factor, even for the default one', () => {
    expect(from({ QUORATE_REPLICATION_FACTOR: '3' }).replicationFactorGiven).toBe(true);
    expect(loadConfig({ replicationFactor: '3' }, {}).replicationFactorGiven).toBe(true);
    expect(from({ QUORATE_WEIGHT: '3' }).replicationFactorGiven).toBe(false);
  });

  test('name the node after its machine, unless that is no name', () => {
    machine.hostname = "somebody's laptop";
    try {
      expect(() => from({})).toThrow(/somebody's laptop.*QUORATE_NODE_NAME/);
      expect(from({ QUORATE_NODE_NAME: 'node1' }).nodeName).toBe('node1');
    } finally {
      machine.hostname = 'machine1';
    }
  });

  test('leave alone what is not theirs', () => {
    expect(() => from({ PATH: '/bin', QUORATE_URL: 'http://127.0.0.1:7400' })).not.toThrow();
  });
});

/** Failure mode 77: a number that is none, or out of all measure, must not get in. */
describe('whatever a variable holds,', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '',
      ' ',
      '-1',
      '1e9',
      'NaN',
      'Infinity',
      '0x10',
      '1_000',
      '3.5',
      '+3',
      ' 3',
      '3\n',
      '٣',
    ),
    fc.bigInt().map(String),
    fc.integer({ min: -2, max: 200 }).map(String),
    fc.integer().map((count) => `${count}ms`),
    fc.double().map(String),
    fc
      .tuple(fc.double(), fc.constantFrom('ms', 's', 'm', 'h', 'MiB', 'KiB', 'B', ''))
      .map((pair) => pair.join('')),
  );
  const someSetting = fc.constantFrom(...Object.values(SETTINGS).map(({ env }) => env));

  test('it is refused with its name, or within the documented range', () => {
    fc.assert(
      fc.property(fc.dictionary(someSetting, text, { maxKeys: 2 }), (environment) => {
        let config: Config;
        try {
          config = from({ QUORATE_CLUSTER_SECRET: SECRET, ...environment });
        } catch (error) {
          expect(error).toBeInstanceOf(StartupError);
          expect((error as Error).message).toMatch(
            /^QUORATE_[A-Z_]+ \(--[a-z-]+\): .* is not usable, expected /s,
          );
          return;
        }
        expectInRange(config);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['QUORATE_PORT', 0, 65_535, 'port'],
    ['QUORATE_REPLICATION_FACTOR', 1, 7, 'replicationFactor'],
    ['QUORATE_WEIGHT', 1, 100, 'weight'],
    ['QUORATE_MAX_IN_FLIGHT', 1, 1_000_000, 'maxInFlight'],
  ] as const)('%s takes exactly the whole numbers from %i to %i', (env, least, most, name) => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer(), fc.integer({ min: least - 2, max: most + 2 })),
        (value) => {
          const load = () => from({ [env]: String(value) });
          if (value >= least && value <= most) expect(load()[name]).toBe(value);
          else expect(load).toThrow(`${least} to ${most}`);
        },
      ),
    );
  });

  test.each([
    ['QUORATE_MAX_SKEW', 1_000, 3_600_000, 'maxSkewMs'],
    ['QUORATE_REQUEST_TIMEOUT', 10, 600_000, 'requestTimeoutMs'],
    ['QUORATE_SHUTDOWN_TIMEOUT', 0, 600_000, 'shutdownTimeoutMs'],
  ] as const)('%s takes durations from %i ms to %i ms', (env, least, most, name) => {
    for (const value of [least, most]) expect(from({ [env]: `${value}ms` })[name]).toBe(value);
    for (const value of [least - 1, most + 1]) {
      expect(() => from({ [env]: `${value}ms` }), `${value}ms`).toThrow(StartupError);
    }
  });

  test('the number of partitions is a power of two', () => {
    for (let count = 0; count <= 1025; count++) {
      const load = () => from({ QUORATE_PARTITIONS: String(count) });
      if ([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].includes(count)) expect(load).not.toThrow();
      else expect(load).toThrow(StartupError);
    }
    expect(from({ QUORATE_PARTITIONS: '8192' }).partitionCount).toBe(8_192);
    expect(() => from({ QUORATE_PARTITIONS: '131072' })).toThrow(StartupError);
  });

  test('a duration needs a unit and gives whole milliseconds', () => {
    expect(['250ms', '1.5s', '5m', '2h', '0.3ms', '1.0005s'].map(parseDuration)).toEqual([
      250, 1_500, 300_000, 7_200_000, 0, 1_001,
    ]);
    for (const wrong of ['', '5', '5 s', '-5s', 's', '1e3ms', '5sec', '.5s', 'Infinitys', '5s\n']) {
      expect(() => parseDuration(wrong), wrong).toThrow(RangeError);
    }
  });

  test('a size is given in bytes, KiB or MiB', () => {
    const sizeOf = (text: string) => from({ QUORATE_MAX_VALUE_BYTES: text }).maxValueBytes;
    expect(['1', '512B', '64KiB', '16MiB'].map(sizeOf)).toEqual([1, 512, 65_536, 16_777_216]);
    for (const wrong of ['0', '17MiB', '1MB', '1.5MiB', 'MiB', '-1']) {
      expect(() => sizeOf(wrong), wrong).toThrow(StartupError);
    }
    const rateOf = (text: string) => from({ QUORATE_TRANSFER_RATE: text }).transferRateBytes;
    expect(['1KiB', '1024MiB'].map(rateOf)).toEqual([1024, 1024 ** 3]);
    for (const wrong of ['0', '1023', '1025MiB']) expect(() => rateOf(wrong)).toThrow(StartupError);
  });
});

describe('addresses', () => {
  const seedsOf = (text: string) => from({ QUORATE_SEEDS: text }).seeds;

  test('are host:port, an IPv6 host in brackets', () => {
    expect(seedsOf('node1:7400, 10.0.0.2:7400,[::1]:65535')).toEqual([
      'node1:7400',
      '10.0.0.2:7400',
      '[::1]:65535',
    ]);
    expect(seedsOf('')).toEqual([]);
  });

  test('are written in one way, because nodes compare their lists as text', () => {
    expect(seedsOf('Node1:07400,[FE80::1]:7400')).toEqual(['node1:7400', '[fe80::1]:7400']);
    expect(() => seedsOf('node1:7400,NODE1:7400')).toThrow('each address once');
  });

  test.each([
    'node1',
    'node1:',
    ':7400',
    'node1:0',
    'node1:65536',
    '::1:7400',
    '[1.2]:7400',
    'a/b:1',
    'a b:1',
    'node1:7400,',
    'http://node1:7400',
  ])('are not %j', (text) => {
    expect(() => seedsOf(text)).toThrow(/^QUORATE_SEEDS .*host:port/);
    expect(() => from({ QUORATE_ADVERTISE: text })).toThrow(/^QUORATE_ADVERTISE .*host:port/);
  });
});

describe('a name that is no setting', () => {
  test.each([
    ['QUORATE_PROT', 'QUORATE_PORT'],
    ['QUORATE_REPLICATION', 'QUORATE_REPLICATION_FACTOR'],
    ['QUORATE_SEED', 'QUORATE_SEEDS'],
    ['QUORATE_CLUSTER_SECRETFILE', 'QUORATE_CLUSTER_SECRET_FILE'],
    ['QUORATE_PARTITION_COUNT', 'QUORATE_PARTITIONS'],
  ])('stops the start: %s, with the nearest one (%s)', (wrong, nearest) => {
    expect(() => from({ [wrong]: '1' })).toThrow(
      `${wrong} is not a setting; did you mean ${nearest}?`,
    );
  });

  test('is named back when it is one letter off, whichever setting was meant', () => {
    const meant = fc.constantFrom(...Object.values(SETTINGS).map(({ env }) => env));
    fc.assert(
      fc.property(meant, fc.nat(), (env, position) => {
        const at = 'QUORATE_'.length + (position % (env.length - 'QUORATE_'.length));
        const wrong = `${env.slice(0, at)}0${env.slice(at + 1)}`;
        expect(() => from({ [wrong]: '1' })).toThrow(`did you mean ${env}?`);
      }),
    );
  });

  test('is told from a setting that is planned but has no effect yet', () => {
    expect(() => from({ QUORATE_FSYNC: 'always' })).toThrow(
      'QUORATE_FSYNC is not supported by this version yet',
    );
  });
});

describe('a secret', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'quorate-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const fileWith = (text: string): string => {
    const path = join(folder, 'secret');
    writeFileSync(path, text);
    return path;
  };

  test('is read from the file that is named, without the end of its line', () => {
    const path = fileWith(`${SECRET}\n`);
    expect(from({ QUORATE_CLUSTER_SECRET_FILE: path }).clusterSecret).toBe(SECRET);
  });

  test('and a file with a secret are not given both', () => {
    const both = { QUORATE_CLUSTER_SECRET: SECRET, QUORATE_CLUSTER_SECRET_FILE: fileWith(SECRET) };
    expect(() => from(both)).toThrow('both set');
  });

  test('in a file that cannot be read stops the start and names the file', () => {
    const path = join(folder, 'absent');
    expect(() => from({ QUORATE_CLUSTER_SECRET_FILE: path })).toThrow(path);
    expect(() => from({ QUORATE_CLUSTER_SECRET_FILE: '' })).toThrow('QUORATE_CLUSTER_SECRET_FILE');
  });

  test('that is too short is refused without showing it', () => {
    for (const environment of [
      { QUORATE_CLUSTER_SECRET: 'tell nobody' },
      { QUORATE_CLUSTER_SECRET_FILE: fileWith('tell nobody') },
    ]) {
      expect(() => from(environment)).toThrow(/^(?!.*tell nobody).*at least 16 characters/s);
    }
  });

  test('within a URL is not shown either', () => {
    expect(() => from({ QUORATE_STORE: 'redys://me:hunter2@host' })).toThrow(
      /^(?!.*hunter2).*redys:/,
    );
  });

  test('is read from a file for no other setting', () => {
    expect(() => from({ QUORATE_PORT_FILE: fileWith('7400') })).toThrow('not a setting');
  });
});

describe('listening beyond loopback', () => {
  test.each([
    '0.0.0.0',
    '::',
    '10.0.0.1',
    'node1',
    '127.0.0.1.example',
    '127.0.0.256',
    '1270.0.0.1',
    '0',
  ])('on %s needs a cluster secret', (host) => {
    expect(() => from({ QUORATE_HOST: host })).toThrow(/beyond loopback.*QUORATE_CLUSTER_SECRET/);
    expect(from({ QUORATE_HOST: host, QUORATE_CLUSTER_SECRET: SECRET }).host).toBe(host);
  });

  test.each(['127.0.0.1', '127.9.8.7', '::1', 'localhost'])('is not what %s does', (host) => {
    expect(from({ QUORATE_HOST: host }).host).toBe(host);
  });

  test('cannot be asked for by an empty host, which would mean every address', () => {
    expect(() => from({ QUORATE_HOST: '' })).toThrow(/^QUORATE_HOST/);
  });
});

function expectInRange(config: Config): void {
  const ranges: readonly (readonly [number, number, number])[] = [
    [config.port, 0, 65_535],
    [config.replicationFactor, 1, 7],
    [config.partitionCount, 1, 8_192],
    [config.weight, 1, 100],
    [config.maxValueBytes, 1, 16 * 1024 * 1024],
    [config.maxInFlight, 1, 1_000_000],
    [config.maxSkewMs, 1_000, 3_600_000],
    [config.transferRateBytes, 1024, 1024 ** 3],
    [config.requestTimeoutMs, 10, 600_000],
    [config.shutdownTimeoutMs, 0, 600_000],
  ];
  for (const [value, least, most] of ranges) {
    expect(Number.isInteger(value)).toBe(true);
    expect(value).toBeGreaterThanOrEqual(least);
    expect(value).toBeLessThanOrEqual(most);
  }
  for (const name of [config.nodeName, config.clusterName, config.zone]) {
    expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
  }
  expect(['one', 'quorum', 'all']).toContain(config.consistency);
  expect(config.clusterSecret?.length).toBeGreaterThanOrEqual(16);
  expect(config.host).not.toBe('');
  expect(config.dataDir).not.toBe('');
}
