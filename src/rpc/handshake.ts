/**
 * How two nodes come to trust a connection, before the first request:
 *
 *     initiator -> responder   hello: who I am, a challenge
 *     responder -> initiator   hello: who I am, a challenge
 *     initiator -> responder   proof = HMAC(secret, initiator's proof, both hellos)
 *     responder -> initiator   proof = HMAC(secret, responder's proof, both hellos)
 *
 * Both hellos are in each proof, with challenges drawn for this connection: a recorded proof fits no
 * other one, a proof sent back does not fit the other role, and nobody in between can change a word.
 * The initiator proves first, so whoever merely connects gets nothing to guess the secret from. From
 * then on each direction has its own key, derived from the secret and the hellos.
 *
 * Either side may answer with a refusal instead, then close. What it tells (version, cluster, clone)
 * is no secret: `/cluster` shows more.
 *
 * The steps are generators: they yield what is to be sent and are given what was received; sockets,
 * timers and randomness are their caller's.
 */
import type { Address, ClusterId, Incarnation, NodeId } from '../ids.ts';
import {
  FrameTags,
  keyedHash,
  type Role,
  type SecretKey,
  sameBytes,
  secretKeyOf,
} from './authentication.ts';
import { decodeList, encodeList } from './codec.ts';
import {
  address,
  bytesOf,
  type Field,
  incarnation,
  nodeId,
  nonce,
  optional,
  textLike,
} from './field.ts';
import { FrameRefusedError } from './frame-refused-error.ts';
import { type HandshakeRefusal, isHandshakeRefusal } from './handshake-refusal.ts';

/** Grows with every change of what nodes say to each other. */
export const PEER_PROTOCOL_VERSION = 8;
export const CHALLENGE_BYTES = 32;

/** What a node shows of itself. */
export interface PeerCard {
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  /** Of this life of the process, 32 hex digits. */
  readonly nonce: string;
  /** Where it can be reached. */
  readonly address: Address;
  /** Absent until it belongs to a cluster. */
  readonly clusterId: ClusterId | undefined;
}

export interface HandshakeTerms {
  readonly own: PeerCard;
  readonly secret: SecretKey;
  /** Random, never used before. */
  readonly challenge: Uint8Array;
}

/** Both sides have proved that they know the secret. */
export interface Agreement {
  readonly peer: PeerCard;
  /** The tags of frames that this node sends, and of those that it receives. */
  readonly sent: FrameTags;
  readonly received: FrameTags;
  /** To be sent before anything else; the responder's proof. */
  readonly lastWords: Uint8Array | undefined;
}

/** Yields what is to be sent, if anything; is given the next message received. */
export type Conversation = Generator<Uint8Array | undefined, Agreement, Uint8Array>;

/** The handshake ends here. `peer` is what the other side claims to be, proved or not. */
export class HandshakeRefusedError extends Error {
  override readonly name = 'HandshakeRefusedError';
  readonly refusal: HandshakeRefusal;
  readonly refusedBy: 'this node' | 'the peer';
  readonly peer: PeerCard | undefined;

  constructor(
    refusal: HandshakeRefusal,
    refusedBy: HandshakeRefusedError['refusedBy'] = 'this node',
    peer?: PeerCard,
  ) {
    super(refusal);
    this.refusal = refusal;
    this.refusedBy = refusedBy;
    this.peer = peer;
  }
}

/** @throws HandshakeRefusedError, FrameRefusedError */
export function* initiate(terms: HandshakeTerms): Conversation {
  const ownHello = encodeHello(terms);
  const peerHello = yield ownHello;
  const peer = readHello(peerHello, terms);

  const hellos = both(ownHello, peerHello);
  const proof = yield encodeProof(terms.secret, 'initiator', hellos);
  checkProof(proof, { terms, role: 'responder', hellos, peer });
  return { peer, ...tagsOf(terms.secret, 'initiator', hellos), lastWords: undefined };
}

/** @throws HandshakeRefusedError, FrameRefusedError */
export function* respond(terms: HandshakeTerms): Conversation {
  const peerHello = yield undefined;
  const peer = readHello(peerHello, terms);
  const ownHello = encodeHello(terms);
  const proof = yield ownHello;

  const hellos = both(peerHello, ownHello);
  checkProof(proof, { terms, role: 'initiator', hellos, peer });
  const lastWords = encodeProof(terms.secret, 'responder', hellos);
  return { peer, ...tagsOf(terms.secret, 'responder', hellos), lastWords };
}

/** What is sent to the other side before closing on it. */
export function encodeRefusal(refusal: HandshakeRefusal): Uint8Array {
  return encodeList([REFUSED, refusal]);
}

const HELLO = 'hello';
const PROOF = 'proof';
const REFUSED = 'refused';
const HASH_BYTES = 32;

const clusterId = textLike(/^[0-9a-f]{32}$/, 'a cluster id') as Field<ClusterId>;
const challenge = bytesOf(CHALLENGE_BYTES);
const hash = bytesOf(HASH_BYTES);

function encodeHello({ own, challenge }: HandshakeTerms): Uint8Array {
  return encodeList([
    HELLO,
    PEER_PROTOCOL_VERSION,
    own.clusterId,
    own.nodeId,
    own.incarnation,
    own.nonce,
    own.address,
    challenge,
  ]);
}

function readHello(message: Uint8Array, terms: HandshakeTerms): PeerCard {
  const wire = readList(message, HELLO);
  // First of all: another version may have other fields.
  if (wire[1] !== PEER_PROTOCOL_VERSION) throw new HandshakeRefusedError('protocol_version');
  if (wire.length !== 8) throw new FrameRefusedError('a hello with other fields');
  challenge(wire[7], 'challenge');
  const peer = {
    clusterId: optional(clusterId)(wire[2], 'cluster id'),
    nodeId: nodeId(wire[3], 'node id'),
    incarnation: incarnation(wire[4], 'incarnation'),
    nonce: nonce(wire[5], 'nonce'),
    address: address(wire[6], 'address'),
  };
  const refusal = objectionTo(peer, terms.own);
  if (refusal !== undefined) throw new HandshakeRefusedError(refusal, 'this node', peer);
  return peer;
}

/** A node may well talk to itself: founders find themselves in their list of seeds that way. */
function objectionTo(peer: PeerCard, own: PeerCard): HandshakeRefusal | undefined {
  const foreign =
    peer.clusterId !== undefined && own.clusterId !== undefined && peer.clusterId !== own.clusterId;
  if (foreign) return 'foreign_cluster';
  if (peer.nodeId === own.nodeId && peer.nonce !== own.nonce) return 'clone';
  return undefined;
}

function encodeProof(secret: SecretKey, role: Role, hellos: Uint8Array): Uint8Array {
  return encodeList([PROOF, keyedHash(secret, `quorate proof of the ${role}`, hellos)]);
}

function checkProof(
  message: Uint8Array,
  {
    terms,
    role,
    hellos,
    peer,
  }: {
    readonly terms: HandshakeTerms;
    readonly role: Role;
    readonly hellos: Uint8Array;
    readonly peer: PeerCard;
  },
): void {
  const [, given, ...more] = readList(message, PROOF, peer);
  if (more.length > 0) throw new FrameRefusedError('a proof with other fields');
  const expected = keyedHash(terms.secret, `quorate proof of the ${role}`, hellos);
  if (!sameBytes(hash(given, 'proof'), expected)) {
    throw new HandshakeRefusedError('wrong_secret', 'this node', peer);
  }
}

function tagsOf(
  secret: SecretKey,
  role: Role,
  hellos: Uint8Array,
): { readonly sent: FrameTags; readonly received: FrameTags } {
  const other = role === 'initiator' ? 'responder' : 'initiator';
  return {
    sent: new FrameTags(frameKey(secret, role, hellos), role),
    received: new FrameTags(frameKey(secret, other, hellos), other),
  };
}

function frameKey(secret: SecretKey, sender: Role, hellos: Uint8Array): SecretKey {
  return secretKeyOf(keyedHash(secret, `quorate frames of the ${sender}`, hellos));
}

/** Both hellos as they were sent, the initiator's first. */
function both(initiators: Uint8Array, responders: Uint8Array): Uint8Array {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(initiators.length, 0);
  lengths.writeUInt32BE(responders.length, 4);
  return Buffer.concat([lengths, initiators, responders]);
}

/** A message that begins with `word`. A refusal may stand in for any. */
function readList(message: Uint8Array, word: string, peer?: PeerCard): readonly unknown[] {
  const wire = decodeList(message);
  if (wire[0] === word) return wire;
  if (wire[0] === REFUSED) {
    const refusal = isHandshakeRefusal(wire[1]) ? wire[1] : 'malformed';
    throw new HandshakeRefusedError(refusal, 'the peer', peer);
  }
  throw new FrameRefusedError(`a handshake that goes another way, expected ${word}`);
}
