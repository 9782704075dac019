/** Transports on real sockets of this machine, for tests: each behind an HTTP server of its own. */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Address, ClusterId, Incarnation, Key, NodeId } from '../../src/ids.ts';
import { PEER_LIMITS, type PeerLimits } from '../../src/rpc/limits.ts';
import type { Handlers, RequestType } from '../../src/rpc/messages.ts';
import { UpgradeTransport } from '../../src/rpc/upgrade-transport.ts';
import type { Cancellable, Clock } from '../../src/runtime/clock.ts';
import { systemClock } from '../../src/runtime/system-clock.ts';
import { systemRandom } from '../../src/runtime/system-random.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import type { Log, LogFields } from '../../src/telemetry/log.ts';
import { MESSAGE_SAMPLES } from './message-samples.ts';

export interface Line {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly sentence: string;
  readonly fields: LogFields;
}

/** Keeps what is logged. */
export class KeptLog implements Log {
  readonly lines: Line[] = [];

  error(sentence: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'error', sentence, fields });
  }
  warn(sentence: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'warn', sentence, fields });
  }
  info(sentence: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'info', sentence, fields });
  }
  debug(sentence: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'debug', sentence, fields });
  }

  warnings(): readonly string[] {
    return this.lines.filter(({ level }) => level === 'warn').map(({ sentence }) => sentence);
  }
}

/** The machine's clock, counting the timers that are set. */
export class CountingClock implements Clock {
  timers = 0;

  wallMs(): number {
    return systemClock.wallMs();
  }
  monotonicMs(): number {
    return systemClock.monotonicMs();
  }
  schedule(delayMs: number, task: () => void): Cancellable {
    let set = true;
    const over = (): void => {
      if (set) this.timers--;
      set = false;
    };
    this.timers++;
    const timer = systemClock.schedule(delayMs, () => {
      over();
      task();
    });
    return {
      cancel: () => {
        over();
        timer.cancel();
      },
    };
  }
}

export interface PeerSettings {
  readonly nodeId?: NodeId;
  readonly incarnation?: number;
  readonly nonce?: string;
  readonly clusterId?: ClusterId | undefined;
  readonly advertise?: Address;
  readonly secret?: string;
  readonly limits?: Partial<PeerLimits>;
  readonly clock?: Clock;
  /** 0: any free one. */
  readonly port?: number;
  /** `false`: requests are not served yet. */
  readonly handlers?: Partial<Handlers> | false;
}

export interface Peer {
  readonly nodeId: NodeId;
  readonly address: Address;
  readonly server: Server;
  readonly transport: UpgradeTransport;
  readonly counters: Counters;
  readonly log: KeptLog;
  /** Types of the requests that reached a handler. */
  readonly served: RequestType[];
  close(): Promise<void>;
}

export async function startPeer(settings: PeerSettings = {}): Promise<Peer> {
  const nodeId = settings.nodeId ?? (hex(8) as NodeId);
  const counters = new Counters();
  const log = new KeptLog();
  const served: RequestType[] = [];
  const server = createServer((_request, response) => response.end('for clients'));
  server.listen(settings.port ?? 0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}` as Address;

  const transport = new UpgradeTransport({
    nodeId,
    incarnation: (settings.incarnation ?? 1) as Incarnation,
    nonce: settings.nonce ?? hex(16),
    clusterId: () => settings.clusterId,
    advertise: () => settings.advertise ?? address,
    secret: settings.secret,
    clock: settings.clock ?? systemClock,
    random: systemRandom,
    log,
    counters,
    limits: { ...PEER_LIMITS, closeTimeoutMs: 200, ...settings.limits },
  });
  server.on('upgrade', (request, socket, head) => transport.acceptUpgrade(request, socket, head));
  if (settings.handlers !== false) {
    transport.serve(noting(served, { ...sampleHandlers(), ...settings.handlers }));
  }

  return {
    nodeId,
    address,
    server,
    transport,
    counters,
    log,
    served,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      await transport.close();
      await closed;
    },
  };
}

/** Handlers that answer each request with a sample of its reply. */
export function sampleHandlers(): Handlers {
  const handlers = Object.entries(MESSAGE_SAMPLES).map(([type, { replies }]) => [
    type,
    async () => ({ ok: true, reply: replies[0] }),
  ]);
  return Object.fromEntries(handlers) as Handlers;
}

export const KEY = 'a key' as Key;

function noting(served: RequestType[], handlers: Handlers): Handlers {
  const noted = Object.entries(handlers).map(([type, handler]) => [
    type,
    (request: never, context: never) => {
      served.push(type as RequestType);
      return handler(request, context);
    },
  ]);
  return Object.fromEntries(noted) as Handlers;
}

export function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
