/**
 * The shape of every message on the wire: its number and its fields in order. The table follows the
 * types of `messages.ts`; a message or a field that is missing here does not compile. Numbers are
 * never given out twice, and a change of fields takes a new protocol version (`handshake.ts`).
 */
import { invariant } from '../invariant.ts';
import { isBallot } from '../paxos/ballot.ts';
import { LAST_INCARNATION } from '../swim/news.ts';
import {
  address,
  bytes,
  bytesOf,
  epoch,
  epochOrZero,
  type Field,
  flag,
  incarnation,
  key,
  listOf,
  milliseconds,
  nodeId,
  nonce,
  oneOf,
  optional,
  partition,
  sentence,
  text,
  version,
  wholeNumber,
} from './field.ts';
import { FrameRefusedError } from './frame-refused-error.ts';
import type {
  AnsweredLife,
  LifeLine,
  NewsLine,
  RefusalReason,
  Replies,
  RequestOf,
  RequestType,
} from './messages.ts';

type FieldsOf<Message> = {
  readonly [Name in Exclude<keyof Message, 'type'>]: Field<Message[Name]>;
};

interface Shape<Type extends RequestType> {
  readonly code: number;
  readonly request: FieldsOf<RequestOf<Type>>;
  readonly reply: FieldsOf<Replies[Type]>;
}

type Shapes = { readonly [Type in RequestType]: Shape<Type> };

const ballot: Field<string> = (raw, name) => {
  if (typeof raw === 'string' && isBallot(raw)) return raw;
  throw new FrameRefusedError(`${name} is not a ballot`);
};

const level = oneOf(['one', 'quorum']);
const register = oneOf(['next', 'forced']);

const count = wholeNumber(0, Number.MAX_SAFE_INTEGER);

/** More than a node sends with one message. */
const MOST_GOSSIP = 64;
const MOST_LIVES = 16;
/** More than a ring has members. */
const MOST_MEMBERS = 2_048;

const memberState = oneOf(['alive', 'suspect', 'dead', 'left']);
const memberIncarnation = wholeNumber(1, LAST_INCARNATION);
const accuser = optional(nodeId);

const newsLine: Field<NewsLine> = (raw, name) => {
  if (!Array.isArray(raw) || raw.length !== 4) {
    throw new FrameRefusedError(`${name} is not a list of news`);
  }
  const [node, state, incarnation, by] = raw as readonly unknown[];
  return [
    nodeId(node, name),
    memberState(state, name),
    memberIncarnation(incarnation, name),
    accuser(by, name),
  ];
};

const lifeLine: Field<LifeLine> = (raw, name) => {
  if (!Array.isArray(raw) || raw.length !== 2) {
    throw new FrameRefusedError(`${name} is not a list of lives`);
  }
  const [node, life] = raw as readonly unknown[];
  return [nodeId(node, name), nonce(life, name)];
};

const answeredLife: Field<AnsweredLife> = (raw, name) => {
  if (!Array.isArray(raw) || raw.length !== 3) throw new FrameRefusedError(`${name} is not a life`);
  const [life, start, place] = raw as readonly unknown[];
  return [nonce(life, name), incarnation(start, name), address(place, name)];
};

const gossip = listOf(newsLine, MOST_GOSSIP);
const lives = listOf(lifeLine, MOST_LIVES);
const members = listOf(newsLine, MOST_MEMBERS);

const clockBound = { life: text, startBoundMs: milliseconds, boundMs: milliseconds };

const damageTicket = { life: text, foundMs: milliseconds };

/** 1 was a ping that carried no news, 32 asked for the digests of all leaves. */
const SHAPES: Shapes = {
  'swim.ping': {
    code: 8,
    request: { epoch: epochOrZero, ...clockBound, lives, gossip },
    reply: {
      epoch: epochOrZero,
      lends: flag,
      wallMs: milliseconds,
      hybridMs: milliseconds,
      gossip,
    },
  },
  'swim.ping-req': {
    code: 9,
    request: { target: nodeId, gossip },
    reply: {
      outcome: oneOf(['answered', 'refused', 'silent']),
      address: optional(address),
      gossip,
    },
  },
  'swim.sync': {
    code: 10,
    request: { members },
    reply: { members },
  },
  'membership.ring': {
    code: 2,
    request: {},
    reply: { ring: optional(bytes) },
  },
  'membership.introduce': {
    code: 3,
    request: {},
    reply: {
      node: nodeId,
      name: text,
      address: text,
      zone: text,
      weight: wholeNumber(1, 65_535),
      nonce: text,
      founders: listOf(text),
      clusterName: text,
      replicationFactor: wholeNumber(1, 255),
      replicationFactorWished: flag,
      partitionCount: wholeNumber(1, 65_536),
      graceMs: wholeNumber(1, 86_400_000),
      lastSurvivor: oneOf(['use', 'wait']),
      epoch: epochOrZero,
    },
  },
  'membership.confirm': {
    code: 13,
    request: { node: nodeId, life: nonce, other: answeredLife },
    reply: { answered: optional(answeredLife) },
  },
  'member.status': {
    code: 4,
    request: {},
    reply: {
      ...{ keys: count, epoch: epochOrZero, ready: flag },
      ...{ toPull: count, pulled: count, unsound: listOf(partition) },
    },
  },
  'ring.prepare': {
    code: 5,
    request: { register, epoch, ballot },
    reply: {
      promised: flag,
      ballot,
      acceptedBallot: optional(ballot),
      acceptedRing: optional(bytes),
      ...clockBound,
    },
  },
  'ring.accept': {
    code: 6,
    request: { register, epoch, ballot, ring: bytes },
    reply: { accepted: flag, ballot, ...clockBound },
  },
  'ring.decided': {
    code: 7,
    request: { ring: bytes },
    reply: {},
  },
  'ring.consent': {
    code: 11,
    request: { epoch, missing: listOf(nodeId), to: oneOf(['replacement', 'survivors', 'forced']) },
    reply: { agrees: flag, ...clockBound },
  },
  'membership.join': {
    code: 12,
    request: {
      node: nodeId,
      name: text,
      address,
      zone: text,
      weight: wholeNumber(1, 65_535),
      clusterName: text,
      replicationFactor: optional(wholeNumber(1, 255)),
    },
    reply: { state: oneOf(['member', 'later', 'never']), why: sentence },
  },
  'replica.version': {
    code: 16,
    request: { epoch, key, level },
    reply: {
      version: optional(version),
      tombstone: flag,
      pressure: oneOf(['none', 'full', 'exhausted', 'overloaded']),
    },
  },
  'replica.read': {
    code: 17,
    request: { epoch, key, level },
    reply: { record: optional(bytes) },
  },
  'replica.write': {
    code: 18,
    request: { epoch, record: bytes, level },
    reply: { version },
  },
  'replica.repair': {
    code: 19,
    request: { epoch, record: bytes },
    reply: { version },
  },
  'replica.heal': {
    code: 20,
    request: {
      epoch,
      key,
      record: optional(bytes),
      sources: listOf(nodeId),
      ...damageTicket,
    },
    reply: {},
  },
  'transfer.branches': {
    code: 34,
    request: { epoch, partition },
    reply: { branches: bytes },
  },
  'transfer.digests': {
    code: 35,
    request: { epoch, partition, leaves: bytesOf(32) },
    reply: { digests: bytes },
  },
  'transfer.records': {
    code: 33,
    request: { epoch, partition, leaves: bytesOf(32), after: optional(key) },
    reply: { records: listOf(bytes), next: optional(key) },
  },
};

/** Never given out twice either. */
const REFUSAL_REASONS: Readonly<Record<RefusalReason, number>> = {
  stale_epoch: 1,
  not_ready: 2,
  damaged: 3,
  full: 4,
  overloaded: 5,
  clock_skew: 6,
  expired: 7,
  rolled_back: 8,
};

interface NamedField {
  readonly name: string;
  readonly field: Field<unknown>;
}

/** Fields in the order of the wire. */
class FieldList {
  readonly #fields: readonly NamedField[];

  constructor(fields: Readonly<Record<string, Field<unknown>>>) {
    this.#fields = Object.entries(fields).map(([name, field]) => ({ name, field }));
  }

  /** Appends the fields of `message` to what goes on the wire. */
  write(message: object, wire: unknown[]): void {
    const values = message as Readonly<Record<string, unknown>>;
    for (const { name } of this.#fields) wire.push(values[name]);
  }

  /**
   * Reads the fields from `wire`, from place `at` to its end, into `message`.
   * @throws FrameRefusedError when there are more or fewer, or one holds what it may not
   */
  read(wire: readonly unknown[], at: number, message: Record<string, unknown>): void {
    if (wire.length !== at + this.#fields.length) {
      const names = this.#fields.map(({ name }) => name);
      throw new FrameRefusedError(`other fields than ${names.join(', ') || 'none'}`);
    }
    let place = at;
    for (const { name, field } of this.#fields) {
      message[name] = field(wire[place], name);
      place++;
    }
  }
}

/** A message type, ready for reading and writing. */
interface MessageType {
  readonly type: RequestType;
  readonly code: number;
  readonly request: FieldList;
  readonly reply: FieldList;
}

const TYPES: readonly MessageType[] = (Object.keys(SHAPES) as RequestType[]).map((type) => ({
  type,
  code: SHAPES[type].code,
  request: new FieldList(SHAPES[type].request),
  reply: new FieldList(SHAPES[type].reply),
}));

const BY_NAME = new Map(TYPES.map((each) => [each.type, each]));
const BY_CODE = new Map<unknown, MessageType>(TYPES.map((each) => [each.code, each]));
invariant(BY_CODE.size === TYPES.length, 'a number of its own for each message');
const REASONS = new Map<unknown, RefusalReason>(
  Object.entries(REFUSAL_REASONS).map(([reason, code]) => [code, reason as RefusalReason]),
);

export function messageType(type: RequestType): MessageType {
  const found = BY_NAME.get(type);
  if (found === undefined) throw new TypeError(`no message is called ${type}`);
  return found;
}

/** @throws FrameRefusedError */
export function messageTypeOf(code: unknown): MessageType {
  const found = BY_CODE.get(code);
  if (found === undefined) throw new FrameRefusedError('a request of an unknown type');
  return found;
}

export function refusalCode(reason: RefusalReason): number {
  return REFUSAL_REASONS[reason];
}

/** @throws FrameRefusedError */
export function refusalReasonOf(code: unknown): RefusalReason {
  const found = REASONS.get(code);
  if (found === undefined) throw new FrameRefusedError('a refusal for an unknown reason');
  return found;
}
