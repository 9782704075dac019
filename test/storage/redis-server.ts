/** A Redis of the test's own, when `redis-server` is installed (`apt-get install redis-server`). */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { freePort } from '../integration/free-port.ts';
import { newFolder } from './temporary-folder.ts';

/** Settings by name; without them, Redis writes nothing to disk. */
export type RedisSettings = Readonly<Record<string, string>>;

/** Those with which Redis answers after the sync. */
export const DURABLE: RedisSettings = { appendonly: 'yes', appendfsync: 'always' };

export function isRedisInstalled(): boolean {
  const installed = spawnSync('redis-server', ['--version']).status === 0;
  if (!installed)
    console.warn('skipped: the tests with a real Redis, as redis-server is not installed');
  return installed;
}

export class RedisServer {
  readonly #settings: RedisSettings;
  readonly #folder: string;
  #port: number;
  #process: ChildProcess | undefined;

  static async start(settings: RedisSettings): Promise<RedisServer> {
    const server = new RedisServer(settings, await newFolder());
    await server.start();
    return server;
  }

  private constructor(settings: RedisSettings, folder: string) {
    this.#settings = settings;
    this.#folder = folder;
    this.#port = 0;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  /** Again on the same folder, after `kill`. Another process may be quicker to take the port found free. */
  async start(): Promise<void> {
    for (let attempt = 0; attempt < 10; attempt++) {
      this.#port = await freePort();
      if (await this.#tryStart()) return;
    }
    throw new Error('redis-server does not start');
  }

  /** As a crash would: at once. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true });
  }

  #tryStart(): Promise<boolean> {
    const settings = {
      bind: '127.0.0.1',
      port: `${this.#port}`,
      dir: this.#folder,
      save: '',
      ...this.#settings,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = child;
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => resolve(false));
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        if (text.includes('Ready to accept connections')) resolve(true);
      });
    });
  }
}
