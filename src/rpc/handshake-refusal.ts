/** Why two nodes do not talk to each other: the word on the wire, and what people are told. */

export type HandshakeRefusal =
  | 'protocol_version'
  | 'foreign_cluster'
  | 'clone'
  | 'older_life'
  | 'wrong_secret'
  | 'malformed'
  | 'too_slow'
  | 'too_many';

interface Explanation {
  /** Goes on after "the connection was refused: ". */
  readonly reason: string;
  readonly remedy: string;
}

const EXPLANATIONS: Readonly<Record<HandshakeRefusal, Explanation>> = {
  protocol_version: {
    reason: 'the two nodes speak different versions of the protocol',
    remedy: 'run the same release of quorate on both',
  },
  foreign_cluster: {
    reason: 'the two nodes belong to different clusters',
    remedy: 'correct QUORATE_SEEDS, or start the node that strayed with an empty data directory',
  },
  clone: {
    reason: 'two running processes have the same node id, one data directory being a copy',
    remedy: 'stop one of them and give it an empty data directory',
  },
  older_life: {
    reason: 'a process of this node that was started later still answers',
    remedy:
      'stop the older one; one whose data directory was put back is let in when the other has ended',
  },
  wrong_secret: {
    reason: 'wrong cluster secret',
    remedy: 'set the same QUORATE_CLUSTER_SECRET on all nodes',
  },
  malformed: {
    reason: 'what was sent is no handshake',
    remedy: 'look for what else connects to this port',
  },
  too_slow: {
    reason: 'the handshake was not finished in time',
    remedy: 'look at the load of both machines and the network between them',
  },
  too_many: {
    reason: 'too many connections are in the middle of their handshake',
    remedy: 'look for what connects to this port and says nothing',
  },
};

export function isHandshakeRefusal(word: unknown): word is HandshakeRefusal {
  return typeof word === 'string' && Object.hasOwn(EXPLANATIONS, word);
}

export function explain(refusal: HandshakeRefusal): Explanation {
  return EXPLANATIONS[refusal];
}
