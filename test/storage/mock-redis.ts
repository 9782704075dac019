/**
 * A Redis in this process (ioredis-mock), with the commands the mock lacks: settings, the list of
 * connections, and a run id that changes when it is started anew.
 */
import type { Redis } from 'ioredis';
import RedisMock from 'ioredis-mock';

let instances = 0;

export class MockRedis {
  /** The mock's instances with one host and port are one Redis. */
  readonly #host: string;
  readonly #connections = new Set<number>();
  readonly settings: Record<string, string>;
  runId = 'run1';
  #lastId = 0;

  constructor(settings: Readonly<Record<string, string>> = {}) {
    instances += 1;
    this.#host = `mock-${instances}`;
    this.settings = {
      'maxmemory-policy': 'noeviction',
      appendonly: 'yes',
      appendfsync: 'always',
      'no-appendfsync-on-rewrite': 'no',
      ...settings,
    };
  }

  connect(): Redis {
    const client = new RedisMock({ host: this.#host, port: 1 });
    this.#lastId += 1;
    const id = this.#lastId;
    this.#connections.add(id);
    const end = () => void this.#connections.delete(id);
    return Object.assign(client, {
      disconnect: end,
      quit: async () => end(),
      config: async (_get: string, name: string) =>
        name in this.settings ? [name, this.settings[name]] : [],
      info: async () =>
        `redis_version:7\r\nrun_id:${this.runId}\r\nused_memory:1\r\nmaxmemory:0\r\n`,
      client: async (what: 'ID' | 'LIST') =>
        what === 'ID'
          ? id
          : [...this.#connections]
              .map((each) => `id=${each} addr=10.0.0.${each}:1 fd=8\n`)
              .join(''),
    });
  }

  async remove(): Promise<void> {
    const client = this.connect();
    await client.flushall();
    client.disconnect();
  }
}
