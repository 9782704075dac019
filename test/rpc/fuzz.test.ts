/**
 * Frames that no node would send, decoded as whole frames. `FUZZ_FRAMES=1000000` runs as many of each
 * kind as asked for; `FUZZ_SEED` repeats a run (each failure names its own).
 */
import { describe, expect, test } from 'vitest';
import {
  decodeMessages,
  encodeReply,
  encodeRequest,
  outcomeOf,
  requestOf,
} from '../../src/rpc/codec.ts';
import { FrameRefusedError } from '../../src/rpc/frame-refused-error.ts';
import { MESSAGE_SAMPLES, MESSAGE_TYPES } from './message-samples.ts';
import { MAX_FRAME_MS, millisecondsOf } from './stopwatch.ts';

const FRAMES = Number(process.env['FUZZ_FRAMES'] ?? 5_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);

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
  test.each(GENERATORS)(
    `%s: ${FRAMES} of them are taken in or refused, each at once`,
    (_name, generate) => {
      const dice = new Dice(SEED);
      let slowestMs = 0;
      for (let each = 0; each < FRAMES; each++) {
        const frame = generate(dice);
        try {
          slowestMs = Math.max(
            slowestMs,
            millisecondsOf(() => takeIn(frame)),
          );
        } catch (error) {
          throw new Error(`FUZZ_SEED=${SEED}, frame ${each}: ${frame.toString('hex')}`, {
            cause: error,
          });
        }
      }
      expect(slowestMs).toBeLessThan(MAX_FRAME_MS);
      expect(Object.keys(Object.prototype)).toEqual([]);
    },
    600_000,
  );
});
