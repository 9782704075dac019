/**
 * Settings: one table gives name, default, range and help text of each; the commands' options, the
 * environment and the documentation are read from it. A flag beats the environment, which beats the
 * default. A value out of range or an unknown `QUORATE_*` name stops the start.
 */
import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import { StartupError } from './errors.ts';
import type { Address } from './ids.ts';

export interface Config {
  readonly nodeName: string;
  readonly clusterName: string;
  /** Where to listen. */
  readonly host: string;
  /** 0: the operating system picks one. */
  readonly port: number;
  /** Where other nodes find this one; absent: host and port. */
  readonly advertise: Address | undefined;
  readonly seeds: readonly Address[];
  readonly dataDir: string;
  /** `lmdb`, `memory` or a `redis://` URL. */
  readonly store: string;
  readonly replicationFactor: number;
  /** Whether somebody asked for this replication factor, so that another one in the ring is an error. */
  readonly replicationFactorGiven: boolean;
  readonly consistency: 'one' | 'quorum' | 'all';
  readonly partitionCount: number;
  readonly zone: string;
  readonly weight: number;
  readonly replaceAfterMs: number;
  readonly lastSurvivor: 'use' | 'wait';
  readonly maxValueBytes: number;
  readonly maxInFlight: number;
  readonly maxSkewMs: number;
  /** Bytes a second that this node sends to replicas that pull from it. */
  readonly transferRateBytes: number;
  readonly requestTimeoutMs: number;
  readonly clusterSecret: string | undefined;
  readonly logLevel: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  readonly shutdownTimeoutMs: number;
}

export interface Setting {
  /** `QUORATE_PORT`; the flag is `--port`. */
  readonly env: string;
  /** What the value looks like: `number`, `250ms`, `host:port`. */
  readonly placeholder: string;
  /** As it would be written; absent: none, or computed (see `help`). */
  readonly fallback?: string;
  readonly help: string;
  /** @throws RangeError saying what is expected. */
  readonly parse: (text: string) => unknown;
}

type Settings = { readonly [Name in Exclude<keyof Config, 'replicationFactorGiven'>]: Setting };

export const SETTINGS: Settings = {
  nodeName: {
    env: 'QUORATE_NODE_NAME',
    placeholder: 'name',
    help: 'name of this node, unique in the cluster (default: the host name)',
    parse: name,
  },
  clusterName: {
    env: 'QUORATE_CLUSTER_NAME',
    placeholder: 'name',
    fallback: 'quorate',
    help: 'name of the cluster, the same on all its nodes',
    parse: name,
  },
  host: {
    env: 'QUORATE_HOST',
    placeholder: 'address',
    fallback: '127.0.0.1',
    help: 'address to listen on; anything beyond loopback needs a cluster secret',
    parse: nonEmpty,
  },
  port: {
    env: 'QUORATE_PORT',
    placeholder: 'port',
    fallback: '7400',
    help: 'port for clients and nodes; 0 picks a free one',
    parse: integer(0, 65_535),
  },
  advertise: {
    env: 'QUORATE_ADVERTISE',
    placeholder: 'host:port',
    help: 'where the other nodes reach this one (default: host and port)',
    parse: address,
  },
  seeds: {
    env: 'QUORATE_SEEDS',
    placeholder: 'host:port,...',
    fallback: '',
    help: 'all founders of a new cluster, the same list on each; or, to join one, some of its members',
    parse: addresses,
  },
  dataDir: {
    env: 'QUORATE_DATA_DIR',
    placeholder: 'folder',
    fallback: './quorate-data',
    help: 'folder of this node, and of no other, for its data',
    parse: nonEmpty,
  },
  store: {
    env: 'QUORATE_STORE',
    placeholder: 'lmdb|memory|redis://...',
    fallback: 'lmdb',
    help: 'where records are kept; memory forgets them with the process',
    parse: storeName,
  },
  replicationFactor: {
    env: 'QUORATE_REPLICATION_FACTOR',
    placeholder: 'count',
    fallback: '3',
    help: 'copies of each key; part of the ring: changed by `quorate replication-factor`, or by restarting all with another',
    parse: integer(1, 7),
  },
  consistency: {
    env: 'QUORATE_CONSISTENCY',
    placeholder: 'one|quorum|all',
    fallback: 'quorum',
    help: 'consistency level of requests that name none',
    parse: oneOf(['one', 'quorum', 'all']),
  },
  partitionCount: {
    env: 'QUORATE_PARTITIONS',
    placeholder: 'count',
    fallback: '256',
    help: 'partitions of the ring, a power of two, fixed for the life of the cluster',
    parse: powerOfTwo(1, 8_192),
  },
  zone: {
    env: 'QUORATE_ZONE',
    placeholder: 'name',
    fallback: 'default',
    help: 'failure domain of this node; replicas are spread over zones',
    parse: name,
  },
  weight: {
    env: 'QUORATE_WEIGHT',
    placeholder: 'number',
    fallback: '1',
    help: 'share of the data this node takes, relative to the others',
    parse: integer(1, 100),
  },
  replaceAfterMs: {
    env: 'QUORATE_REPLACE_AFTER',
    placeholder: 'duration',
    fallback: '60s',
    help: 'how long a member may be dead before it is replaced; part of the ring: changed by restarting all with another',
    parse: duration(1_000, 86_400_000),
  },
  lastSurvivor: {
    env: 'QUORATE_LAST_SURVIVOR',
    placeholder: 'use|wait',
    fallback: 'use',
    help: 'where too few replicas of a partition are left: go on with them after three grace periods, or wait; part of the ring',
    parse: oneOf(['use', 'wait']),
  },
  maxValueBytes: {
    env: 'QUORATE_MAX_VALUE_BYTES',
    placeholder: 'size',
    fallback: '1MiB',
    help: 'largest value that is stored',
    parse: byteSize(1, 16 * 1024 * 1024),
  },
  maxInFlight: {
    env: 'QUORATE_MAX_IN_FLIGHT',
    placeholder: 'count',
    fallback: '1024',
    help: "clients' requests worked on at once; more are answered 503",
    parse: integer(1, 1_000_000),
  },
  maxSkewMs: {
    env: 'QUORATE_MAX_SKEW',
    placeholder: 'duration',
    fallback: '10s',
    help: 'how far a clock may be from its peers before the node stops coordinating writes',
    parse: duration(1_000, 3_600_000),
  },
  transferRateBytes: {
    env: 'QUORATE_TRANSFER_RATE',
    placeholder: 'size',
    fallback: '20MiB',
    help: 'how much a node sends in a second, at most, to replicas that copy partitions from it',
    parse: byteSize(1024, 1024 * 1024 * 1024),
  },
  requestTimeoutMs: {
    env: 'QUORATE_REQUEST_TIMEOUT',
    placeholder: 'duration',
    fallback: '5s',
    help: 'how long a request waits for its replicas unless it says otherwise',
    parse: duration(10, 600_000),
  },
  clusterSecret: {
    env: 'QUORATE_CLUSTER_SECRET',
    placeholder: 'text',
    help: 'shared by all nodes of a cluster, at least 16 characters (or QUORATE_CLUSTER_SECRET_FILE)',
    parse: secret,
  },
  logLevel: {
    env: 'QUORATE_LOG_LEVEL',
    placeholder: 'level',
    fallback: 'info',
    help: 'silent, error, warn, info or debug',
    parse: oneOf(['silent', 'error', 'warn', 'info', 'debug']),
  },
  shutdownTimeoutMs: {
    env: 'QUORATE_SHUTDOWN_TIMEOUT',
    placeholder: 'duration',
    fallback: '4s',
    help: 'how long requests in flight may take when the node is asked to stop',
    parse: duration(0, 600_000),
  },
};

/** Settings whose value may be read from the file that `<name>_FILE` names. */
const FROM_FILE = new Set(['QUORATE_CLUSTER_SECRET']);

/** Read by the commands, not by a node. */
const NOT_OURS = new Set(['QUORATE_URL']);

/** Named by the design, not built yet: refused, so that nobody believes they are in force. */
const NOT_BUILT = new Set(['QUORATE_FSYNC', 'QUORATE_HINTS_MAX_BYTES', 'QUORATE_API_TOKEN']);

export type Environment = Readonly<Record<string, string | undefined>>;
export type Flags = Readonly<Partial<Record<keyof Settings, string>>>;

/** @throws StartupError naming the setting, its value and what is expected. */
export function loadConfig(flags: Flags, environment: Environment): Config {
  refuseUnknownNames(environment);
  const values: Record<string, unknown> = {};
  const given = new Set<string>();
  for (const [key, setting] of Object.entries(SETTINGS)) {
    const text = flags[key as keyof Settings] ?? fromEnvironment(setting, environment);
    if (text !== undefined) given.add(key);
    const source = text ?? setting.fallback;
    if (source !== undefined) values[key] = parseSetting(setting, source);
  }
  const config = {
    ...values,
    nodeName: values['nodeName'] ?? hostName(),
    replicationFactorGiven: given.has('replicationFactor'),
  } as unknown as Config;
  refuseOpenListener(config);
  return config;
}

/** A setting's command line flag: `--replication-factor`. */
export function flagOf(setting: Setting): string {
  return `--${setting.env.slice('QUORATE_'.length).toLowerCase().replaceAll('_', '-')}`;
}

/** Whole milliseconds of `250ms`, `1.5s`, `5m` or `2h`. @throws RangeError */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) throw new RangeError('a duration such as 250ms, 30s or 5m');
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'm' | 'h'];
  return Math.round(Number(match[1]) * unit);
}

function fromEnvironment(setting: Setting, environment: Environment): string | undefined {
  const text = environment[setting.env];
  const fileName = FROM_FILE.has(setting.env) ? environment[`${setting.env}_FILE`] : undefined;
  if (fileName === undefined) return text;
  if (text !== undefined) {
    throw new StartupError(`${setting.env} and ${setting.env}_FILE are both set; keep one of them`);
  }
  try {
    return readFileSync(fileName, 'utf8').trim();
  } catch (error) {
    throw new StartupError(
      `${setting.env}_FILE: cannot read ${fileName} (${(error as Error).message}); name a file with the secret in it`,
      { cause: error },
    );
  }
}

/** The name of this machine, for a node that was given none. */
function hostName(): string {
  try {
    return name(hostname());
  } catch (error) {
    throw new StartupError(
      `the host name ${JSON.stringify(hostname())} cannot be a node's name, expected ` +
        `${(error as Error).message}; set QUORATE_NODE_NAME`,
      { cause: error },
    );
  }
}

function parseSetting(setting: Setting, text: string): unknown {
  try {
    return setting.parse(text);
  } catch (error) {
    throw new StartupError(
      `${setting.env} (${flagOf(setting)}): ${shown(setting, text)} is not usable, expected ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** The value as an error may show it: no secret, and no password of a URL. */
function shown(setting: Setting, text: string): string {
  if (FROM_FILE.has(setting.env)) return 'the given value';
  return JSON.stringify(text.replace(/\/\/[^/]*@/, '//***@'));
}

function refuseUnknownNames(environment: Environment): void {
  const known = Object.values(SETTINGS).flatMap(({ env }) =>
    FROM_FILE.has(env) ? [env, `${env}_FILE`] : [env],
  );
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('QUORATE_') || known.includes(name) || NOT_OURS.has(name)) continue;
    if (NOT_BUILT.has(name)) {
      throw new StartupError(`${name} is not supported by this version yet; unset it`);
    }
    throw new StartupError(`${name} is not a setting; did you mean ${nearest(name, known)}?`);
  }
}

/** Promise 9: nothing listens beyond loopback without a cluster secret. */
function refuseOpenListener({ host, clusterSecret }: Config): void {
  if (clusterSecret !== undefined || isLoopback(host)) return;
  throw new StartupError(
    `QUORATE_HOST: listening on ${host}, beyond loopback, needs a cluster secret; ` +
      'set QUORATE_CLUSTER_SECRET (or QUORATE_CLUSTER_SECRET_FILE) to the same text on every node',
  );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** The name with the fewest edits (Levenshtein). */
function nearest(name: string, known: readonly string[]): string {
  const distances = known.map((other) => ({ other, distance: editDistance(name, other) }));
  distances.sort((a, b) => a.distance - b.distance);
  return distances[0]?.other ?? '';
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function nonEmpty(text: string): string {
  if (text === '') throw new RangeError('some text');
  return text;
}

function name(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)) {
    throw new RangeError('1 to 63 letters, digits, dots, dashes or underscores');
  }
  return text;
}

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new RangeError(`a whole number from ${least} to ${most}`);
    }
    return value;
  };
}

function powerOfTwo(least: number, most: number): (text: string) => number {
  const whole = integer(least, most);
  return (text) => {
    const value = whole(text);
    if (!Number.isInteger(Math.log2(value))) throw new RangeError(`a power of two up to ${most}`);
    return value;
  };
}

function oneOf(words: readonly string[]): (text: string) => string {
  return (text) => {
    if (!words.includes(text)) throw new RangeError(`one of ${words.join(', ')}`);
    return text;
  };
}

function duration(leastMs: number, mostMs: number): (text: string) => number {
  return (text) => {
    const milliseconds = parseDuration(text);
    if (milliseconds < leastMs || milliseconds > mostMs) {
      throw new RangeError(`a duration from ${leastMs}ms to ${mostMs / 1000}s`);
    }
    return milliseconds;
  };
}

function byteSize(least: number, most: number): (text: string) => number {
  return (text) => {
    const match = /^(\d+)(B|KiB|MiB)?$/.exec(text);
    const unit = { B: 1, KiB: 1024, MiB: 1024 * 1024 }[(match?.[2] ?? 'B') as 'B' | 'KiB' | 'MiB'];
    const value = Number(match?.[1]) * unit;
    if (match === null || value < least || value > most) {
      throw new RangeError(`a size in bytes, KiB or MiB up to ${most} bytes`);
    }
    return value;
  };
}

/** In one way of writing: nodes compare the addresses of their lists as text. */
function address(text: string): Address {
  const match = /^(\[(?<six>[0-9A-Fa-f:.]+)\]|[A-Za-z0-9._-]+):(?<port>\d{1,5})$/.exec(text);
  const { six, port } = match?.groups ?? {};
  const isUsable =
    Number(port) >= 1 && Number(port) <= 65_535 && (six === undefined || isIPv6(six));
  if (match === null || !isUsable) throw new RangeError('host:port, an IPv6 host in brackets');
  return `${match[1]?.toLowerCase()}:${Number(port)}` as Address;
}

function addresses(text: string): readonly Address[] {
  const list = text.split(',').map((part) => part.trim());
  if (list.length === 1 && list[0] === '') return [];
  const parsed = list.map((part) => address(part));
  if (new Set(parsed).size !== parsed.length) throw new RangeError('each address once');
  return parsed;
}

function storeName(text: string): string {
  if (text === 'lmdb' || text === 'memory' || /^rediss?:\/\/./.test(text)) return text;
  throw new RangeError('lmdb, memory or a redis:// URL');
}

function secret(text: string): string {
  if (text.length < 16) throw new RangeError('at least 16 characters');
  return text;
}
