/**
 * A TCP proxy in front of one node, with the faults of a network: delay and jitter, a direction that is
 * cut, a black hole, resets. (The vocabulary is toxiproxy's, which Debian does not have.)
 *
 * What a cut keeps back is not dropped: a real network loses packets, not bytes of a stream, and TCP
 * delivers them once the way is open again. Only a reset loses bytes.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { SeededRandom } from '../simulator/seeded-random.ts';

export type Direction = 'toNode' | 'fromNode';

export interface Delay {
  readonly ms: number;
  /** Up to so much more, drawn for each piece; the order of bytes stays. */
  readonly jitterMs: number;
}

const NO_DELAY: Delay = { ms: 0, jitterMs: 0 };

/** Beyond this the sender is not read from: the window of a real connection is bounded as well. */
const MAX_KEPT_BYTES = 1024 * 1024;

export class FaultProxy {
  readonly address: string;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #ways: Readonly<Record<Direction, Way>>;

  /** Listens on a free port of this machine; `nodePort` is where the node does. */
  static async to(nodePort: number, seed = 1): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FaultProxy(server, nodePort, new SeededRandom(seed, 'fault proxy'));
  }

  private constructor(server: Server, nodePort: number, random: SeededRandom) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#ways = { toNode: new Way(random), fromNode: new Way(random) };
    server.on('connection', (caller) => this.#join(caller, nodePort));
  }

  get connections(): number {
    return this.#pairs.size;
  }

  delay(delay: Delay): void {
    for (const way of Object.values(this.#ways)) way.delay = delay;
  }

  /** From now on nothing gets through in this direction. */
  cut(direction: Direction): void {
    this.#ways[direction].isCut = true;
  }

  /** Connections are taken, and nothing gets through in either direction. */
  blackHole(): void {
    this.cut('toNode');
    this.cut('fromNode');
  }

  /** Ends every connection as a rebooted firewall does: both ends are told at once. */
  reset(): void {
    for (const pair of this.#pairs) pair.reset();
  }

  /** No faults any more; what a cut kept back is delivered. */
  heal(): void {
    for (const way of Object.values(this.#ways)) {
      way.delay = NO_DELAY;
      way.isCut = false;
    }
    for (const pair of this.#pairs) pair.go();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.reset();
    await closed;
  }

  #join(caller: Socket, nodePort: number): void {
    const node = connect({ port: nodePort, host: '127.0.0.1', allowHalfOpen: true });
    const pair = new Pair(caller, node, this.#ways, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
  }
}

/** What happens to everything that goes in one direction. */
class Way {
  delay = NO_DELAY;
  isCut = false;
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  drawDelayMs(): number {
    return this.delay.ms + this.#random.fraction() * this.delay.jitterMs;
  }
}

/** A connection from a caller and the one to the node that belongs to it. */
class Pair {
  readonly #ends: readonly Socket[];
  readonly #flows: readonly Flow[];
  readonly #over: () => void;

  constructor(
    caller: Socket,
    node: Socket,
    ways: Readonly<Record<Direction, Way>>,
    over: () => void,
  ) {
    this.#ends = [caller, node];
    this.#over = over;
    this.#flows = [new Flow(caller, node, ways.toNode), new Flow(node, caller, ways.fromNode)];
    for (const end of this.#ends) {
      end.setNoDelay(true);
      end.on('error', () => this.reset());
      end.on('close', () => {
        if (this.#ends.every(({ closed }) => closed)) this.#over();
      });
    }
  }

  go(): void {
    for (const flow of this.#flows) flow.go();
  }

  reset(): void {
    for (const flow of this.#flows) flow.stop();
    for (const end of this.#ends) end.resetAndDestroy();
  }
}

interface Piece {
  /** Absent: the sender has ended. */
  readonly bytes: Buffer | undefined;
  readonly dueMs: number;
}

/** One direction of one connection. */
class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #way: Way;
  #kept: Piece[] = [];
  #keptBytes = 0;
  #lastDueMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, way: Way) {
    this.#from = from;
    this.#to = to;
    this.#way = way;
    from.on('data', (bytes) => this.#take(bytes));
    from.on('end', () => this.#take(undefined));
    to.on('drain', () => this.go());
  }

  #take(bytes: Buffer | undefined): void {
    // Never before what came before it.
    this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + this.#way.drawDelayMs());
    this.#kept.push({ bytes, dueMs: this.#lastDueMs });
    this.#keptBytes += bytes?.length ?? 0;
    if (this.#keptBytes > MAX_KEPT_BYTES) this.#from.pause();
    this.go();
  }

  /** Passes on whatever may go now, and comes back for the rest. */
  go(): void {
    clearTimeout(this.#timer);
    for (let piece = this.#kept[0]; piece !== undefined; piece = this.#kept[0]) {
      if (this.#way.isCut || this.#to.writableNeedDrain) return;
      const waitMs = piece.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.go(), waitMs);
        return;
      }
      this.#kept.shift();
      this.#keptBytes -= piece.bytes?.length ?? 0;
      if (piece.bytes === undefined) this.#to.end();
      else this.#to.write(piece.bytes);
    }
    this.#from.resume();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#kept = [];
  }
}
