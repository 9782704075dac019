/**
 * A cluster of `quorate start` processes to strike: each can be killed, held up, started again, and run
 * with an environment, a command or a folder of its own; on request each is behind a `FaultProxy`,
 * through which the others reach it. Clients never go through the proxies. More nodes may come, and go
 * for good.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'undici';
import { freePort } from '../integration/free-port.ts';
import { StartProcess } from '../integration/start-process.ts';
import { FaultProxy } from './fault-proxy.ts';
import { pause } from './pause.ts';

const READY_WITHIN_MS = 60_000;

export interface FaultClusterOptions {
  readonly nodes?: number;
  readonly network?: 'direct' | 'proxies';
  readonly environment?: Readonly<Record<string, string>>;
  /** Of one node alone. */
  readonly environmentOf?: (node: number) => Readonly<Record<string, string>>;
  /** A command in front of the node's own. */
  readonly within?: (node: number) => readonly string[];
  /** Where the node keeps its data; otherwise in the cluster's folder. */
  readonly dataDir?: (node: number) => string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface Asked {
  readonly method: 'GET' | 'PUT' | 'DELETE' | 'POST';
  readonly path: string;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export class FaultCluster {
  readonly #options: FaultClusterOptions;
  readonly #folder: string;
  readonly #nodes: FaultNode[] = [];
  /** Numbers are never given out twice. */
  #highest = 0;

  static async start(options: FaultClusterOptions = {}): Promise<FaultCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-faults-'));
    const cluster = new FaultCluster(options, folder);
    try {
      const places = await Promise.all(
        Array.from({ length: options.nodes ?? 3 }, (_, index) => cluster.#place(index + 1)),
      );
      const seeds = places.map(({ address }) => address);
      for (const place of places) cluster.#startAt(place, seeds);
      await cluster.ready();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  private constructor(options: FaultClusterOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
  }

  /** Those that run and those that were struck, in order of their numbers. */
  get nodes(): readonly FaultNode[] {
    return this.#nodes;
  }

  node(number: number): FaultNode {
    const node = this.#nodes.find((each) => each.number === number);
    if (node === undefined) throw new RangeError(`no node ${number}`);
    return node;
  }

  /** Starts one more, with the next number, that knows those which run now; resolves before it is ready. */
  async add(): Promise<FaultNode> {
    const place = await this.#place(this.#highest + 1);
    const known = this.#nodes.filter(({ isRunning }) => isRunning).map(({ address }) => address);
    return this.#startAt(place, known);
  }

  /** Ends a node for good, with its data. */
  async discard(node: FaultNode): Promise<void> {
    this.#nodes.splice(this.#nodes.indexOf(node), 1);
    await node.close();
    await node.wipe();
  }

  /** Resolves when every running node is ready. */
  async ready(): Promise<void> {
    await Promise.all(this.nodes.filter(({ isRunning }) => isRunning).map((node) => node.ready()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #place(number: number): Promise<Place> {
    this.#highest = Math.max(this.#highest, number);
    const port = await freePort();
    const proxy =
      this.#options.network === 'proxies' ? await FaultProxy.to(port, number - 1) : undefined;
    return { number, port, proxy, address: proxy?.address ?? `127.0.0.1:${port}` };
  }

  #startAt({ number, port, proxy, address }: Place, seeds: readonly string[]): FaultNode {
    const { dataDir, environment, environmentOf, within } = this.#options;
    const settings = {
      QUORATE_NODE_NAME: `node${number}`,
      QUORATE_PORT: String(port),
      QUORATE_ADVERTISE: address,
      QUORATE_SEEDS: seeds.join(','),
      QUORATE_DATA_DIR: dataDir?.(number) ?? join(this.#folder, `node${number}`),
      QUORATE_LOG_LEVEL: 'warn',
      ...environment,
      ...environmentOf?.(number),
    };
    const node = new FaultNode(number, settings, within?.(number) ?? [], proxy);
    this.#nodes.push(node);
    node.start();
    return node;
  }
}

/** Where a node listens, and where the others reach it. */
interface Place {
  readonly number: number;
  readonly port: number;
  readonly proxy: FaultProxy | undefined;
  readonly address: string;
}

export class FaultNode {
  readonly number: number;
  readonly name: string;
  readonly url: string;
  /** Where other nodes reach it. */
  readonly address: string;
  readonly dataDir: string;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #within: readonly string[];
  readonly #proxy: FaultProxy | undefined;
  readonly #pool: Pool;
  #process: StartProcess | undefined;

  constructor(
    number: number,
    settings: Readonly<Record<string, string>>,
    within: readonly string[],
    proxy: FaultProxy | undefined,
  ) {
    this.number = number;
    this.name = `node${number}`;
    this.address = settings['QUORATE_ADVERTISE'] ?? '';
    this.url = `http://127.0.0.1:${settings['QUORATE_PORT']}`;
    this.dataDir = settings['QUORATE_DATA_DIR'] ?? '';
    this.#settings = settings;
    this.#within = within;
    this.#proxy = proxy;
    this.#pool = new Pool(this.url, { connections: 64, connect: { timeout: 2_000 } });
  }

  get isRunning(): boolean {
    return this.#process?.isRunning ?? false;
  }

  get pid(): number {
    return this.#running().pid;
  }

  /** What it has said in this life, on standard error. */
  get said(): string {
    return this.#process?.said ?? '';
  }

  get proxy(): FaultProxy {
    if (this.#proxy === undefined) throw new Error('this cluster has no proxies');
    return this.#proxy;
  }

  /** Once more on the same folder and port; `environment` holds for this life only. */
  start(environment: Readonly<Record<string, string>> = {}): void {
    this.#process = new StartProcess({ ...this.#settings, ...environment }, this.#within);
  }

  /** What it says of it; `undefined` while it does not listen. */
  readiness(): Promise<{ readonly ready: boolean; readonly text: string } | undefined> {
    return this.#running().readiness();
  }

  /** @throws when it does not become ready, with what it says. */
  async ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const readiness = await this.readiness();
      if (readiness?.ready === true) return;
      if (!this.isRunning || performance.now() > deadlineMs) {
        throw new Error(`node${this.number} is not ready: ${readiness?.text}\n${this.said}`);
      }
      await pause(25);
    }
  }

  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /** Its disk is gone. Only between two lives. */
  async wipe(): Promise<void> {
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** The exit code, once it ended by itself. */
  ended(): Promise<number | null> {
    return this.#running().ended();
  }

  /** SIGSTOP: its connections stay, and nothing is answered. */
  pause(): void {
    this.#running().signal('SIGSTOP');
  }

  resume(): void {
    this.#running().signal('SIGCONT');
  }

  put(key: string, value: string | Buffer, query = ''): Promise<Answer> {
    return this.ask({ method: 'PUT', path: `/kv/${encodeURIComponent(key)}${query}`, body: value });
  }

  get(key: string, query = ''): Promise<Answer> {
    return this.ask({ method: 'GET', path: `/kv/${encodeURIComponent(key)}${query}` });
  }

  delete(key: string, query = ''): Promise<Answer> {
    return this.ask({ method: 'DELETE', path: `/kv/${encodeURIComponent(key)}${query}` });
  }

  /** @throws when the connection breaks before the answer is whole. */
  async ask({ method, path, body, headers }: Asked): Promise<Answer> {
    const answer = await this.#pool.request({
      method,
      path,
      body: body ?? null,
      ...(headers && { headers }),
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    return { status: answer.statusCode, headers: answer.headers, body: bytes };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
    await this.kill();
    await this.#proxy?.close();
  }

  #running(): StartProcess {
    if (this.#process === undefined) throw new Error(`node ${this.number} was not started`);
    return this.#process;
  }
}

/** The body of a refusal. */
export function problemIn(answer: Answer): { readonly code: string; readonly outcome?: string } {
  return JSON.parse(answer.body.toString()) as { code: string; outcome?: string };
}
