/**
 * Ports for processes that a test starts, and may start again. A port that was free a moment ago may be
 * another's by then: a suite that runs at the same time asks in the same moment, and so does each
 * connection that this machine opens. So they come from below the range from which systems give ports by
 * themselves, and with each goes the port above it, on which this process listens as long as it lives:
 * whoever else looks here passes both over.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

const FIRST = 20_000;
/** Each takes two. */
const PAIRS = 5_000;
const MOST_TRIES = 200;

/** A port that nobody listens on, and that no other test takes. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const port = FIRST + 2 * randomInt(PAIRS);
    const claim = await listenOn(port + 1);
    if (claim === undefined) continue;
    claim.unref(); // the system closes it when this process ends
    const probe = await listenOn(port);
    if (probe === undefined) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
  throw new Error(`no free port from ${FIRST} to ${FIRST + 2 * PAIRS - 1} in ${MOST_TRIES} tries`);
}

/** `undefined` when somebody listens there. */
async function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}
