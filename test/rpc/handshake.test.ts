import { describe, expect, test } from 'vitest';
import type { Address, ClusterId, Incarnation, NodeId } from '../../src/ids.ts';
import { sameBytes, secretKeyOf } from '../../src/rpc/authentication.ts';
import { decodeList, encodeList } from '../../src/rpc/codec.ts';
import { FrameRefusedError } from '../../src/rpc/frame-refused-error.ts';
import {
  type Agreement,
  type Conversation,
  encodeRefusal,
  HandshakeRefusedError,
  type HandshakeTerms,
  initiate,
  PEER_PROTOCOL_VERSION,
  type PeerCard,
  respond,
} from '../../src/rpc/handshake.ts';
import { KnownLives, objectionTo } from '../../src/rpc/known-lives.ts';
import { systemRandom } from '../../src/runtime/system-random.ts';
import { hex } from './peers.ts';

function card(settings: Partial<PeerCard> = {}): PeerCard {
  return {
    nodeId: hex(8) as NodeId,
    incarnation: 1 as Incarnation,
    nonce: hex(16),
    address: '127.0.0.1:7400' as Address,
    clusterId: undefined,
    ...settings,
  };
}

function terms(own: PeerCard, secret?: string): HandshakeTerms {
  return {
    own,
    secret: secretKeyOf(secret),
    challenge: systemRandom.bytes(32),
  };
}

interface Held {
  readonly initiators: Agreement;
  readonly responders: Agreement;
  /** All that was said, in order; the initiator began. */
  readonly said: readonly Uint8Array[];
}

/** Lets two sides talk; `meddle` may change what is said, by its place in the conversation. */
function hold(
  initiator: Conversation,
  responder: Conversation,
  meddle: (message: Uint8Array, place: number) => Uint8Array = (message) => message,
): Held {
  const said: Uint8Array[] = [];
  responder.next();
  let words = initiator.next().value as Uint8Array;
  for (;;) {
    words = meddle(words, said.push(words) - 1);
    const heard = responder.next(words);
    const answer = heard.done ? heard.value.lastWords : heard.value;
    words = meddle(answer as Uint8Array, said.push(answer as Uint8Array) - 1);
    const step = initiator.next(words);
    if (step.done && heard.done) return { initiators: step.value, responders: heard.value, said };
    if (step.done || heard.done) throw new Error('one side is done, the other is not');
    words = step.value as Uint8Array;
  }
}

function refusalOf(run: () => unknown): HandshakeRefusedError {
  try {
    run();
  } catch (error) {
    if (error instanceof HandshakeRefusedError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a handshake', () => {
  test('makes each side known to the other, with a key for each direction', () => {
    const a = card();
    const b = card({ clusterId: hex(16) as ClusterId });
    const { initiators, responders } = hold(
      initiate(terms(a, 'secret')),
      respond(terms(b, 'secret')),
    );
    expect(initiators.peer).toEqual(b);
    expect(responders.peer).toEqual(a);

    const payload = Buffer.from('payload');
    const sent = initiators.sent.next(payload);
    expect(responders.received.next(payload)).toEqual(sent);
    const back = responders.sent.next(payload);
    expect(initiators.received.next(payload)).toEqual(back);
    expect(back).not.toEqual(sent);
  });

  test('works the same without a secret', () => {
    const { initiators } = hold(initiate(terms(card())), respond(terms(card())));
    expect(initiators.peer).toBeDefined();
  });

  test('gives tags that depend on the place in the sequence and on the connection', () => {
    const payload = Buffer.from('payload');
    const tags = [1, 2].map(() => {
      const { initiators } = hold(initiate(terms(card(), 's')), respond(terms(card(), 's')));
      return [initiators.sent.next(payload), initiators.sent.next(payload)];
    });
    const all = tags.flat().map((tag) => tag.toString('hex'));
    expect(new Set(all).size).toBe(4);
  });

  test.each([
    ['another secret', 'one secret', 'another one'],
    ['a secret on one side only', 'one secret', undefined],
    ['a secret on the other side only', undefined, 'one secret'],
  ])('is refused for %s', (_name, mine, theirs) => {
    const error = refusalOf(() =>
      hold(initiate(terms(card(), mine)), respond(terms(card(), theirs))),
    );
    expect(error).toMatchObject({ refusal: 'wrong_secret', refusedBy: 'this node' });
  });

  test('does not give a proof to whoever merely connects', () => {
    const responder = respond(terms(card(), 'secret'));
    responder.next();
    const hello = initiate(terms(card(), 'guess')).next().value as Uint8Array;
    const answer = responder.next(hello).value as Uint8Array;
    expect(decodeList(answer)[0]).toBe('hello');
    const guess = encodeList(['proof', Buffer.alloc(32)]);
    expect(refusalOf(() => responder.next(guess)).refusal).toBe('wrong_secret');
  });

  test('checks the responder, too', () => {
    const impostor = respond(terms(card(), 'guess'));
    const initiator = initiate(terms(card(), 'secret'));
    impostor.next();
    const hello = impostor.next(initiator.next().value as Uint8Array).value as Uint8Array;
    const proof = initiator.next(hello).value as Uint8Array;
    // Sent back, the initiator's own proof does not pass for the responder's.
    expect(refusalOf(() => initiator.next(proof)).refusal).toBe('wrong_secret');
  });

  test('does not take what was recorded from another connection', () => {
    const a = terms(card(), 'secret');
    const b = terms(card(), 'secret');
    const { said } = hold(initiate(a), respond(b));
    const responder = respond({ ...b, challenge: systemRandom.bytes(32) });
    responder.next();
    responder.next(said[0] as Uint8Array);
    expect(refusalOf(() => responder.next(said[2] as Uint8Array)).refusal).toBe('wrong_secret');
  });

  test('notices a word changed on the way', () => {
    for (const place of [0, 1]) {
      const meddled = () =>
        hold(initiate(terms(card(), 's')), respond(terms(card(), 's')), (message, at) => {
          if (at !== place) return message;
          const wire = [...decodeList(message)];
          wire[6] = '127.0.0.1:7666';
          return encodeList(wire);
        });
      expect(refusalOf(meddled).refusal).toBe('wrong_secret');
    }
  });

  test('is refused for another version of the protocol, whatever else the hello says', () => {
    const responder = respond(terms(card()));
    responder.next();
    const hello = encodeList(['hello', PEER_PROTOCOL_VERSION + 1, 'fields', 'of', 'the', 'future']);
    expect(refusalOf(() => responder.next(hello)).refusal).toBe('protocol_version');
  });

  test('is refused between two clusters, and allowed while one side has none', () => {
    const one = hex(16) as ClusterId;
    const other = hex(16) as ClusterId;
    const talk = (a: ClusterId | undefined, b: ClusterId | undefined) => () =>
      hold(initiate(terms(card({ clusterId: a }))), respond(terms(card({ clusterId: b }))));
    expect(refusalOf(talk(one, other)).refusal).toBe('foreign_cluster');
    talk(one, undefined)();
    talk(undefined, other)();
    talk(one, one)();
  });

  test('is refused for a clone of this node, and allowed for this node itself', () => {
    const own = card();
    const clone = card({ nodeId: own.nodeId });
    expect(refusalOf(() => hold(initiate(terms(own)), respond(terms(clone)))).refusal).toBe(
      'clone',
    );
    expect(hold(initiate(terms(own)), respond(terms(own))).initiators.peer).toEqual(own);
  });

  test('tells the reason that the other side gave', () => {
    const initiator = initiate(terms(card()));
    initiator.next();
    const error = refusalOf(() => initiator.next(encodeRefusal('foreign_cluster')));
    expect(error).toMatchObject({ refusal: 'foreign_cluster', refusedBy: 'the peer' });
  });

  test('takes an unknown or inherited word for no reason', () => {
    for (const word of ['constructor', '__proto__', 'something new', 7]) {
      const initiator = initiate(terms(card()));
      initiator.next();
      const error = refusalOf(() => initiator.next(encodeList(['refused', word])));
      expect(error.refusal).toBe('malformed');
    }
  });

  test.each([
    ['an empty list', []],
    ['a proof where a hello is due', ['proof', Buffer.alloc(32)]],
    ['a hello without fields', ['hello', PEER_PROTOCOL_VERSION]],
    ['a node id in capitals', helloWith(3, '00112233AABBCCDD')],
    ['an incarnation of 0', helloWith(4, 0)],
    ['a short nonce', helloWith(5, 'abc')],
    ['an address with a path', helloWith(6, '127.0.0.1:80/x')],
    ['an address without a port', helloWith(6, '127.0.0.1')],
    ['an address with a user', helloWith(6, 'root@127.0.0.1:80')],
    ['a URL for an address', helloWith(6, 'file:///etc/passwd')],
    ['a short challenge', helloWith(7, Buffer.alloc(31))],
    ['one field more', [...helloWith(7, Buffer.alloc(32)), 1]],
  ])('does not take %s for a hello', (_name, wire) => {
    const responder = respond(terms(card()));
    responder.next();
    expect(() => responder.next(encodeList(wire))).toThrow(FrameRefusedError);
  });

  test('compares whole tags', () => {
    const tag = systemRandom.bytes(16);
    expect(sameBytes(tag, Uint8Array.from(tag))).toBe(true);
    for (let at = 0; at < tag.length; at++) {
      const changed = Uint8Array.from(tag);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(sameBytes(tag, changed)).toBe(false);
    }
    expect(sameBytes(tag, tag.subarray(1))).toBe(false);
  });
});

describe('the lives of nodes', () => {
  const first = card({ incarnation: 5 as Incarnation });
  const life = (incarnation: number): PeerCard =>
    card({ nodeId: first.nodeId, incarnation: incarnation as Incarnation });
  const met = (): KnownLives => {
    const lives = new KnownLives();
    expect(lives.besides(first)).toBeUndefined();
    lives.meet(first);
    return lives;
  };

  test('let the same one come back', () => {
    expect(met().besides(first)).toBeUndefined();
    expect(met().besides(card())).toBeUndefined();
  });

  test.each([4, 5, 6])('are told by their nonce, whatever their incarnation: %i', (incarnation) => {
    const lives = met();
    const other = life(incarnation);
    expect(lives.besides(other)).toBe(first);
    lives.meet(other);
    expect(lives.besides(other)).toBeUndefined();
    expect(lives.besides(first)).toBe(other);
  });

  test('are forgotten when they end, unless another one is known by then', () => {
    const lives = met();
    lives.end(life(5));
    expect(lives.besides(life(5))).toBe(first);
    lives.end(first);
    expect(lives.besides(life(5))).toBeUndefined();
  });

  test('are forgotten where there are too many, those first that were let in first', () => {
    const lives = new KnownLives(2);
    const [a, b, c] = [card(), card(), card()];
    for (const each of [a, b, a, c]) lives.meet(each);
    expect([a, b, c].map(({ nodeId }) => lives.of(nodeId))).toEqual([a, undefined, c]);
  });

  test('are refused as a clone, or as older than the one that is there', () => {
    expect(objectionTo(life(6), first)).toBe('clone');
    expect(objectionTo(life(5), first)).toBe('clone');
    expect(objectionTo(life(4), first)).toBe('older_life');
  });
});

function helloWith(place: number, value: unknown): unknown[] {
  const hello = initiate(terms(card())).next().value as Uint8Array;
  return [...decodeList(hello)].with(place, value);
}
