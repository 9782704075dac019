/** Ports of this machine, for the nodes of `dev`. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

const LOOPBACK = '127.0.0.1';

/** `count` different ports that are free now. Somebody else may take one before it is used. */
export async function pickFreePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = [];
  try {
    // All are held until the last one is known, or the system could give one out twice.
    for (let i = 0; i < count; i++) servers.push(await listen(0));
    return servers.map((server) => {
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    });
  } finally {
    await Promise.all(servers.map(close));
  }
}

export interface UnusablePort {
  readonly port: number;
  /** `EADDRINUSE`, `EACCES`, ... */
  readonly code: string;
}

/** Those of `ports` on which nothing can listen now. */
export async function unusablePorts(ports: readonly number[]): Promise<readonly UnusablePort[]> {
  const unusable: UnusablePort[] = [];
  for (const port of ports) {
    try {
      await close(await listen(port));
    } catch (error) {
      unusable.push({ port, code: (error as NodeJS.ErrnoException).code ?? 'unknown' });
    }
  }
  return unusable;
}

async function listen(port: number): Promise<Server> {
  const server = createServer();
  server.listen({ port, host: LOOPBACK, exclusive: true });
  await once(server, 'listening');
  return server;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
