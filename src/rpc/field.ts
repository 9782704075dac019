/**
 * The fields of messages: what each may hold when it comes from a peer. A field takes what was decoded
 * and gives back the value of its type, or refuses the frame. On the wire `undefined` is nil.
 */
import type { Address, Epoch, Incarnation, Key, NodeId, Partition } from '../ids.ts';
import { isVersion, type Version } from '../version/version.ts';
import { FrameRefusedError } from './frame-refused-error.ts';

/** @throws FrameRefusedError */
export type Field<Value> = (raw: unknown, name: string) => Value;

const MAX_KEY_BYTES = 1024;
/** Names, addresses and other words for people. */
const MAX_TEXT_LENGTH = 255;
const MAX_SENTENCE_LENGTH = 1_024;
/** Nodes, addresses or records in one message. */
export const MAX_LISTED = 1024;

const NODE_ID = /^[0-9a-f]{16}$/;
const ADDRESS = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})$/;

export function isAddress(text: string): text is Address {
  const port = Number(ADDRESS.exec(text)?.[1]);
  return port >= 1 && port <= 65_535 && URL.canParse(`http://${text}`);
}

export const nodeId: Field<NodeId> = (raw, name) => {
  if (typeof raw === 'string' && NODE_ID.test(raw)) return raw as NodeId;
  return refuse(name, 'a node id');
};

export const address: Field<Address> = (raw, name) => {
  if (typeof raw === 'string' && isAddress(raw)) return raw;
  return refuse(name, 'an address');
};

export const epoch: Field<Epoch> = (raw, name) => wholeNumber(1, 2 ** 48 - 1)(raw, name) as Epoch;

/** 0 where no ring is held. */
export const epochOrZero: Field<Epoch | 0> = (raw, name) => (raw === 0 ? raw : epoch(raw, name));

/** Whether the ring has as many is for its receiver to say. */
export const partition: Field<Partition> = (raw, name) =>
  wholeNumber(0, 65_535)(raw, name) as Partition;

/** Its text is well-formed already: the guard looked at the bytes. */
export const key: Field<Key> = (raw, name) => {
  if (typeof raw === 'string' && raw.length > 0 && fitsInBytes(raw, MAX_KEY_BYTES))
    return raw as Key;
  return refuse(name, `a key of 1 to ${MAX_KEY_BYTES} bytes`);
};

export const version: Field<Version> = (raw, name) => {
  if (typeof raw === 'string' && isVersion(raw)) return raw;
  return refuse(name, 'a version');
};

/** A slice of the frame it came in; its size is bounded by that of the frame. */
export const bytes: Field<Uint8Array> = (raw, name) => {
  if (raw instanceof Uint8Array) return raw;
  return refuse(name, 'bytes');
};

export function bytesOf(length: number): Field<Uint8Array> {
  return (raw, name) => {
    if (raw instanceof Uint8Array && raw.length === length) return raw;
    return refuse(name, `${length} bytes`);
  };
}

export const flag: Field<boolean> = (raw, name) => {
  if (typeof raw === 'boolean') return raw;
  return refuse(name, 'true or false');
};

export const text: Field<string> = (raw, name) => {
  if (typeof raw === 'string' && raw.length <= MAX_TEXT_LENGTH) return raw;
  return refuse(name, `text of at most ${MAX_TEXT_LENGTH} characters`);
};

/** For people, too. */
export const sentence: Field<string> = (raw, name) => {
  if (typeof raw === 'string' && raw.length <= MAX_SENTENCE_LENGTH) return raw;
  return refuse(name, `text of at most ${MAX_SENTENCE_LENGTH} characters`);
};

export function textLike(pattern: RegExp, what: string): Field<string> {
  return (raw, name) => {
    if (typeof raw === 'string' && pattern.test(raw)) return raw;
    return refuse(name, what);
  };
}

export function wholeNumber(least: number, most: number): Field<number> {
  return (raw, name) => {
    if (Number.isInteger(raw) && (raw as number) >= least && (raw as number) <= most) {
      return raw as number;
    }
    return refuse(name, `a whole number from ${least} to ${most}`);
  };
}

export const incarnation = wholeNumber(1, 2 ** 32 - 1) as Field<Incarnation>;

/** Of one life of a process. */
export const nonce = textLike(/^[0-9a-f]{32}$/, 'a nonce');

/** Milliseconds, with fractions. */
export const milliseconds: Field<number> = (raw, name) => {
  if (typeof raw === 'number' && raw >= 0 && raw <= Number.MAX_SAFE_INTEGER) return raw;
  return refuse(name, 'milliseconds');
};

export function oneOf<const Word extends string>(words: readonly Word[]): Field<Word> {
  return (raw, name) => {
    const word = words.find((each) => each === raw);
    return word ?? refuse(name, words.join(', '));
  };
}

export function listOf<Value>(field: Field<Value>, most = MAX_LISTED): Field<readonly Value[]> {
  return (raw, name) => {
    if (Array.isArray(raw) && raw.length <= most) return raw.map((each) => field(each, name));
    return refuse(name, `a list of at most ${most}`);
  };
}

export function optional<Value>(field: Field<Value>): Field<Value | undefined> {
  return (raw, name) => (raw === null || raw === undefined ? undefined : field(raw, name));
}

/** What was sent is not repeated: it may be long, and not fit for a log. */
function refuse(name: string, expected: string): never {
  throw new FrameRefusedError(`${name} is not ${expected}`);
}

function fitsInBytes(string: string, most: number): boolean {
  return string.length * 3 <= most || Buffer.byteLength(string) <= most;
}
