/**
 * Frames that no node would send, decoded as whole frames; one in twenty is sent to a node as well, by
 * a peer that has proved who it is. `FUZZ_FRAMES=1000000` runs as many as asked for (`make fuzz`);
 * `FUZZ_SEED` repeats a run (each failure names its own).
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  decodeMessages,
  encodeReply,
  encodeRequest,
  outcomeOf,
  requestOf,
} from '../../src/rpc/codec.ts';
import { FrameRefusedError } from '../../src/rpc/frame-refused-error.ts';
import { MESSAGE_SAMPLES, MESSAGE_TYPES } from './message-samples.ts';
import { startPeer } from './peers.ts';
import { RawPeer } from './raw-peer.ts';
import { MAX_FRAME_MS, millisecondsOf } from './stopwatch.ts';

const FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 20_000);
/** Each refused one costs a connection, so fewer of them go all the way. */
const FRAMES_SENT = Math.ceil(FRAMES / 20);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);
/** There and back; repeated like `millisecondsOf`, as a busy machine may hold up any of them. */
const MAX_SENT_MS = 100;

/** Small and fast, and the same for a seed on every machine (mulberry32). */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number below `bound`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }
}

const recorded: readonly Buffer[] = MESSAGE_TYPES.flatMap((type) => [
  ...MESSAGE_SAMPLES[type].requests.map((request) => encodeRequest(1, 1_000, request)),
  ...MESSAGE_SAMPLES[type].replies.map((reply) => encodeReply(1, type, { ok: true, reply })),
]).map((message) => Buffer.from(message));

/** Bytes that open something in MessagePack. */
const LEADS = [
  0x81, 0x91, 0x9f, 0xa1, 0xbf, 0xc1, 0xc6, 0xc9, 0xcb, 0xcf, 0xd4, 0xd8, 0xdb, 0xdd, 0xdf, 0xff,
];

const GENERATORS: readonly (readonly [string, (dice: Dice) => Buffer])[] = [
  [
    'random bytes',
    (dice) => Buffer.from(Array.from({ length: dice.below(200) }, () => dice.below(256))),
  ],
  [
    'random values of MessagePack',
    (dice) => {
      const length = 1 + dice.below(60);
      const bytes = Array.from({ length }, () =>
        dice.below(3) === 0 ? (LEADS[dice.below(LEADS.length)] ?? 0) : dice.below(256),
      );
      return Buffer.from([0x90 + dice.below(16), ...bytes]);
    },
  ],
  ['recorded frames with bytes changed', mutated],
];

function mutated(dice: Dice): Buffer {
  const count = 1 + dice.below(3);
  const frame = Buffer.concat(
    Array.from({ length: count }, () => recorded[dice.below(recorded.length)] ?? Buffer.of()),
  );
  const changes = 1 + dice.below(4);
  for (let each = 0; each < changes; each++) {
    const at = dice.below(frame.length);
    frame[at] = dice.below(2) === 0 ? dice.below(256) : (LEADS[dice.below(LEADS.length)] ?? 0);
  }
  const cut = dice.below(4) === 0 ? dice.below(frame.length) : frame.length;
  return frame.subarray(0, cut);
}

/** As a connection takes a frame in, for a request and for an answer to anything. */
function takeIn(frame: Buffer): void {
  for (const message of attempt(() => decodeMessages(frame)) ?? []) {
    attempt(() => requestOf(message));
    for (const type of MESSAGE_TYPES) attempt(() => outcomeOf(message, type));
  }
}

function attempt<Result>(take: () => Result): Result | undefined {
  try {
    return take();
  } catch (error) {
    if (error instanceof FrameRefusedError && error.cause === undefined) return undefined;
    throw error; // what passed the guard must decode
  }
}

describe('frames that no node would send', () => {
  const each = Math.ceil(FRAMES / GENERATORS.length);

  test.each(GENERATORS)(
    `%s: ${each} of them are taken in or refused, each at once`,
    (_name, generate) => {
      const dice = new Dice(SEED);
      let slowestMs = 0;
      for (let number = 0; number < each; number++) {
        const frame = generate(dice);
        try {
          slowestMs = Math.max(
            slowestMs,
            millisecondsOf(() => takeIn(frame)),
          );
        } catch (error) {
          throw new Error(nameOf(number, frame), { cause: error });
        }
      }
      expect(slowestMs).toBeLessThan(MAX_FRAME_MS);
      expect(Object.keys(Object.prototype)).toEqual([]);
    },
    3_600_000,
  );

  test(`sent to a node, ${FRAMES_SENT} of them: a refused one changes nothing there and ends its connection at once`, async () => {
    const stored: string[] = [];
    const node = await startPeer({
      handlers: {
        'replica.write': async ({ record }) => {
          stored.push(Buffer.from(record).toString('hex'));
          return { ok: true, reply: MESSAGE_SAMPLES['replica.write'].replies[0] };
        },
      },
    });
    onTestFinished(() => node.close());
    const dice = new Dice(SEED);
    let peer = await RawPeer.agreed(node.address);
    let [refused, taken] = [0, 0];

    const send = async (frame: Buffer): Promise<number> => {
      [stored.length, node.served.length] = [0, 0];
      const startedMs = performance.now();
      peer.sendSealed(frame);
      if (isRequests(frame)) {
        taken += 1;
        await peer.frame(); // an answer
        return performance.now() - startedMs;
      }
      refused += 1;
      await peer.end();
      const tookMs = performance.now() - startedMs;
      expect({ stored, served: node.served }).toEqual({ stored: [], served: [] });
      expect(node.counters.get('peer_frames_refused_total')).toBe(refused);
      peer = await RawPeer.agreed(node.address);
      return tookMs;
    };

    for (let number = 0; number < FRAMES_SENT; number++) {
      const frame = (GENERATORS[number % GENERATORS.length]?.[1] ?? mutated)(dice);
      try {
        let tookMs = Number.POSITIVE_INFINITY;
        for (let attempt = 0; attempt < 5 && tookMs >= MAX_SENT_MS; attempt++) {
          tookMs = Math.min(tookMs, await send(frame));
        }
        expect(tookMs).toBeLessThan(MAX_SENT_MS);
      } catch (error) {
        throw new Error(nameOf(number, frame), { cause: error });
      }
    }
    peer.socket.destroy();
    expect(refused).toBeGreaterThan(taken);
    expect(taken).toBeGreaterThan(0);
  }, 3_600_000);
});

/** As `IncomingConnection` judges: all of a frame, or nothing of it. */
function isRequests(frame: Buffer): boolean {
  const messages = attempt(() => decodeMessages(frame));
  return messages?.every((message) => attempt(() => requestOf(message)) !== undefined) ?? false;
}

function nameOf(number: number, frame: Buffer): string {
  return `FUZZ_SEED=${SEED}, frame ${number}: ${frame.toString('hex')}`;
}
