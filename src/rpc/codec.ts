/**
 * Messages as bytes. Each one is a MessagePack list:
 *
 *     request   [id, type, milliseconds remaining, ...fields]
 *     reply     [id, 0, ...fields]    the type is that of the request with this id
 *     refusal   [id, 1, reason, ring, ...ticket]    without a ticket as a rule
 *     failure   [id, 2]
 *
 * Ids are numbers from 1 up, in the order of one connection's requests. What is decoded has been looked
 * through by the guard before (`msgpack-guard.ts`) and is checked field by field after
 * (`message-shapes.ts`). Bytes in a decoded message are slices of the frame that it came in: whoever
 * keeps them longer than the request lasts copies them, or keeps the whole frame (stores copy).
 */
import { Packr, Unpackr } from 'msgpackr';
import { bytes, milliseconds, optional, text, wholeNumber } from './field.ts';
import { FrameRefusedError } from './frame-refused-error.ts';
import { messageType, messageTypeOf, refusalCode, refusalReasonOf } from './message-shapes.ts';
import type { Refusal, ReplyOf, Request, RequestType, Served } from './messages.ts';
import { guardMessages } from './msgpack-guard.ts';

export interface RequestMessage {
  readonly id: number;
  /** How long an answer is of use to the caller, counted from when this was sent. */
  readonly remainingMs: number;
  readonly request: Request;
}

export interface ReplyMessage {
  readonly id: number;
  readonly outcome: Outcome;
}

/** What became of a request: served, or it broke on the other side. */
export type Outcome<Reply = unknown> =
  | Served<Reply>
  | { readonly ok: false; readonly failed: true };

export const FAILED = { ok: false, failed: true } as const;

const REPLIED = 0;
const REFUSED = 1;
const BROKE = 2;

// Plain MessagePack both ways: no records, no shared structures, no extensions. Neither object keeps
// anything from one message to the next, so simulated nodes can share them.
const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, copyBuffers: false });

const messageId = wholeNumber(1, Number.MAX_SAFE_INTEGER);
/** Longer than any request may take. */
const remaining = wholeNumber(0, 2 ** 31 - 1);
const ringOfRefusal = optional(bytes);

export function encodeRequest(id: number, remainingMs: number, request: Request): Buffer {
  const { code, request: fields } = messageType(request.type);
  const wire: unknown[] = [id, code, Math.max(0, Math.ceil(remainingMs))];
  fields.write(request, wire);
  return packr.pack(wire);
}

/** @throws FrameRefusedError unless `message` is exactly one well-formed request */
export function decodeRequest(message: Uint8Array): RequestMessage {
  return requestOf(decodeOne(message));
}

export function encodeReply<Type extends RequestType>(
  id: number,
  type: Type,
  outcome: Outcome<ReplyOf<Type>>,
): Buffer {
  if (outcome.ok) {
    const wire: unknown[] = [id, REPLIED];
    messageType(type).reply.write(outcome.reply, wire);
    return packr.pack(wire);
  }
  if ('failed' in outcome) return packr.pack([id, BROKE]);
  const { reason, ring, damage } = outcome.refusal;
  const ticket = damage === undefined ? [] : [damage.life, damage.foundMs];
  return packr.pack([id, REFUSED, refusalCode(reason), ring, ...ticket]);
}

/**
 * `typeOf` gives the type of the request with an id, or `undefined` when nobody waits for its answer
 * any more; then the answer is `undefined` too.
 * @throws FrameRefusedError unless `message` is exactly one well-formed reply
 */
export function decodeReply(
  message: Uint8Array,
  typeOf: (id: number) => RequestType | undefined,
): ReplyMessage | undefined {
  const wire = decodeOne(message);
  const id = replyIdOf(wire);
  const type = typeOf(id);
  return type === undefined ? undefined : { id, outcome: outcomeOf(wire, type) };
}

/**
 * The messages of a frame, decoded but not yet checked: for `requestOf`, `replyIdOf`, `outcomeOf`.
 * @throws FrameRefusedError
 */
export function decodeMessages(payload: Uint8Array): readonly (readonly unknown[])[] {
  const buffer = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (buffer.length === 0) throw new FrameRefusedError('a frame without messages');
  guardMessages(buffer);
  try {
    return unpackr.unpackMultiple(buffer);
  } catch (cause) {
    throw new FrameRefusedError('a frame that could not be decoded', { cause });
  }
}

/** @throws FrameRefusedError */
export function requestOf(wire: readonly unknown[]): RequestMessage {
  const id = messageId(wire[0], 'id');
  const { type, request: fields } = messageTypeOf(wire[1]);
  const remainingMs = remaining(wire[2], 'milliseconds remaining');
  const request: Record<string, unknown> = { type };
  fields.read(wire, 3, request);
  return { id, remainingMs, request: request as Request };
}

/** @throws FrameRefusedError */
export function replyIdOf(wire: readonly unknown[]): number {
  return messageId(wire[0], 'id');
}

/** @throws FrameRefusedError */
export function outcomeOf(wire: readonly unknown[], type: RequestType): Outcome {
  switch (wire[1]) {
    case REPLIED: {
      const reply: Record<string, unknown> = {};
      messageType(type).reply.read(wire, 2, reply);
      return { ok: true, reply };
    }
    case REFUSED:
      if (wire.length !== 4 && wire.length !== 6) break;
      return { ok: false, refusal: refusalOf(wire) };
    case BROKE:
      if (wire.length !== 2) break;
      return FAILED;
  }
  throw new FrameRefusedError(`an answer to ${type} of no known kind`);
}

/** A node id, or a line of news. */
const LISTED_WEIGHT = 64;

/** About how many bytes a request takes on the wire, without encoding it. */
export function weightOf(request: Request): number {
  let weight = 64;
  for (const value of Object.values(request)) {
    if (value instanceof Uint8Array) weight += value.length;
    else if (typeof value === 'string') weight += value.length * 3;
    else if (Array.isArray(value)) weight += value.length * LISTED_WEIGHT;
  }
  return weight;
}

function refusalOf([, , code, rawRing, ...ticket]: readonly unknown[]): Refusal {
  const reason = refusalReasonOf(code);
  const ring = ringOfRefusal(rawRing, 'ring');
  const refusal = ring === undefined ? { reason } : { reason, ring };
  if (ticket.length === 0) return refusal;
  const [life, foundMs] = ticket;
  const damage = { life: text(life, 'life'), foundMs: milliseconds(foundMs, 'foundMs') };
  return { ...refusal, damage };
}

function decodeOne(message: Uint8Array): readonly unknown[] {
  const [wire, ...more] = decodeMessages(message);
  if (wire === undefined || more.length > 0) throw new FrameRefusedError('not exactly one message');
  return wire;
}

/** A list of plain values as bytes, for the handshake. */
export function encodeList(values: readonly unknown[]): Buffer {
  return packr.pack(values);
}

/** @throws FrameRefusedError unless `message` is exactly one list */
export function decodeList(message: Uint8Array): readonly unknown[] {
  return decodeOne(message);
}
