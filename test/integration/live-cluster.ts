import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
const READY_WITHIN_MS = 60_000;

export interface LiveNode {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** A problem as an answer carries it. */
export interface Problem {
  readonly code: string;
  readonly outcome?: string;
  readonly detail: string;
  readonly replicas?: readonly { readonly node: string; readonly state: string }[];
}

export interface LiveClusterOptions {
  readonly nodes?: number;
  readonly replicationFactor?: number;
  /** Kept when the cluster stops; otherwise a folder of its own, which goes with it. */
  readonly dataDir?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Real processes on this machine: `quorate dev`, on free ports. */
export class LiveCluster {
  readonly nodes: readonly LiveNode[];
  readonly #dev: ChildProcess;
  readonly #pools: readonly Pool[];
  readonly #errors: string[];

  private constructor(dev: ChildProcess, nodes: readonly LiveNode[], errors: string[]) {
    this.#dev = dev;
    this.nodes = nodes;
    this.#errors = errors;
    this.#pools = nodes.map(({ url }) => new Pool(url, { connections: 16 }));
  }

  static async start(options: LiveClusterOptions = {}): Promise<LiveCluster> {
    const args = ['dev', '--json', '--port', '0', '--nodes', String(options.nodes ?? 5)];
    if (options.dataDir !== undefined) args.push('--data-dir', options.dataDir);
    const dev = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        QUORATE_REPLICATION_FACTOR: String(options.replicationFactor ?? 3),
        QUORATE_LOG_LEVEL: 'warn',
        ...options.environment,
      },
    });
    const errors: string[] = [];
    dev.stderr.on('data', (text: Buffer) => errors.push(text.toString()));
    const deadline = setTimeout(() => dev.kill('SIGTERM'), READY_WITHIN_MS);
    for await (const line of createInterface({ input: dev.stdout })) {
      clearTimeout(deadline);
      const { nodes } = JSON.parse(line) as { nodes: readonly LiveNode[] };
      return new LiveCluster(dev, nodes, errors);
    }
    clearTimeout(deadline);
    throw new Error(`no cluster came up:\n${errors.join('')}`);
  }

  /** What `dev` said on standard error. */
  get errors(): string {
    return this.#errors.join('');
  }

  node(number: number): LiveNode {
    const node = this.nodes[number - 1];
    if (node === undefined) throw new RangeError(`no node ${number}`);
    return node;
  }

  put(by: number, key: string, value: string | Buffer, query = ''): Promise<HttpAnswer> {
    return this.request(by, 'PUT', `/kv/${encodeURIComponent(key)}${query}`, value);
  }

  get(by: number, key: string, query = ''): Promise<HttpAnswer> {
    return this.request(by, 'GET', `/kv/${encodeURIComponent(key)}${query}`);
  }

  delete(by: number, key: string, query = ''): Promise<HttpAnswer> {
    return this.request(by, 'DELETE', `/kv/${encodeURIComponent(key)}${query}`);
  }

  async request(
    by: number,
    method: 'GET' | 'PUT' | 'DELETE',
    path: string,
    body?: string | Buffer,
  ): Promise<HttpAnswer> {
    const pool = this.#pools[by - 1];
    if (pool === undefined) throw new RangeError(`no node ${by}`);
    const answer = await pool.request({ method, path, body: body ?? null });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    return { status: answer.statusCode, headers: answer.headers, body: bytes };
  }

  /** Names of the nodes that keep a key, and its partition. */
  async where(by: number, key: string): Promise<{ keepers: number[]; partition: number }> {
    const answer = await this.request(by, 'GET', `/cluster/keys/${encodeURIComponent(key)}`);
    const located = JSON.parse(answer.body.toString()) as {
      partition: number;
      replicas: { node: string }[];
    };
    const keepers = located.replicas.map(({ node }) => this.#numberOf(node));
    return { keepers, partition: located.partition };
  }

  /** Ends a node with SIGKILL; resolves when the process is gone. */
  async kill(...numbers: readonly number[]): Promise<void> {
    for (const number of numbers) process.kill(this.node(number).pid, 'SIGKILL');
    for (const number of numbers) await gone(this.node(number).pid);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
    if (this.#dev.exitCode !== null || this.#dev.signalCode !== null) return;
    this.#dev.kill('SIGTERM');
    await once(this.#dev, 'exit');
  }

  #numberOf(name: string): number {
    return this.nodes.findIndex((node) => node.name === name) + 1;
  }
}

/** A folder for one test, removed by `remove`. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'quorate-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export function problemOf(answer: HttpAnswer): Problem {
  return JSON.parse(answer.body.toString()) as Problem;
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
