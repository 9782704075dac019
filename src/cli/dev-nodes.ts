/** Which nodes `dev` runs, and what each of them is told by its environment. */
import { join } from 'node:path';
import type { Environment } from '../config.ts';

export interface DevNode {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly seeds: string;
  readonly environment: Environment;
}

export interface DevNodesOptions {
  /** One node for each. */
  readonly ports: readonly number[];
  readonly folder: string;
  /** What holds for all nodes; what is said there of one node is left out. */
  readonly environment: Environment;
  /** The secret that `dev` has drawn; `undefined`: the environment has one. */
  readonly secret: string | undefined;
  readonly replicationFactor: string | undefined;
}

/** Settings of one node, which would make five nodes out of a cluster the same one. */
const OF_ONE_NODE = new Set([
  'QUORATE_NODE_NAME',
  'QUORATE_HOST',
  'QUORATE_PORT',
  'QUORATE_ADVERTISE',
  'QUORATE_SEEDS',
  'QUORATE_DATA_DIR',
]);

export function devNodes(options: DevNodesOptions): readonly DevNode[] {
  const { ports, folder, secret, replicationFactor } = options;
  const shared = Object.entries(options.environment).filter(([name]) => !OF_ONE_NODE.has(name));
  const seeds = ports.map((port) => `127.0.0.1:${port}`).join(',');
  return ports.map((port, index) => {
    const name = `node${index + 1}`;
    const dataDir = join(folder, name);
    return {
      name,
      port,
      url: `http://127.0.0.1:${port}`,
      dataDir,
      logFile: `${dataDir}.log`,
      seeds,
      environment: {
        ...Object.fromEntries(shared),
        QUORATE_NODE_NAME: name,
        QUORATE_HOST: '127.0.0.1',
        QUORATE_PORT: String(port),
        QUORATE_SEEDS: seeds,
        QUORATE_DATA_DIR: dataDir,
        ...(secret === undefined ? {} : { QUORATE_CLUSTER_SECRET: secret }),
        ...(replicationFactor === undefined
          ? {}
          : { QUORATE_REPLICATION_FACTOR: replicationFactor }),
      },
    };
  });
}
