/** How much of this node its peers may take up. Every queue of the room has its bound here. */
export interface PeerLimits {
  /**
   * Largest frame, either way, in bytes behind its length field. Above the largest value that any
   * setting allows (16 MiB), so that nodes with different settings understand each other.
   */
  readonly maxFrameBytes: number;
  /** Largest message before the other side has proved who it is. */
  readonly maxHandshakeBytes: number;
  readonly handshakeTimeoutMs: number;
  /** Incoming connections that have not proved anything yet; beyond it the oldest gives way. */
  readonly maxHandshakes: number;
  readonly connectTimeoutMs: number;
  /** First pause after a failed attempt to connect; doubles up to the last one. */
  readonly firstRestMs: number;
  readonly lastRestMs: number;
  /** Calls to one peer that wait for being sent or for their answer. */
  readonly maxPendingCalls: number;
  /** Bytes for one peer that wait in this process. A single larger message is let through alone. */
  readonly maxWaitingBytes: number;
  /** Bytes handed to a socket before the rest is held back, in order of traffic class. */
  readonly maxSocketBytes: number;
  /**
   * Requests of one connection being served at the same time, and so, times the largest value, the
   * answers that can pile up before `maxAnswerBytes` shows.
   */
  readonly maxRequestsServed: number;
  /** Answers on their way to one peer, beyond which no more of its requests are read. */
  readonly maxAnswerBytes: number;
  /** A connection that owes answers and sent nothing for this long is given up. */
  readonly silentAfterMs: number;
  /** The same for the connection of transfers, where an answer may take a walk through a partition. */
  readonly transfersSilentAfterMs: number;
  /** How long `close` waits for requests being served. */
  readonly closeTimeoutMs: number;
}

const MIB = 2 ** 20;

export const PEER_LIMITS: PeerLimits = {
  maxFrameBytes: 17 * MIB,
  maxHandshakeBytes: 4096,
  handshakeTimeoutMs: 5_000,
  maxHandshakes: 64,
  connectTimeoutMs: 2_000,
  firstRestMs: 50,
  lastRestMs: 1_000,
  maxPendingCalls: 2_048,
  maxWaitingBytes: 32 * MIB,
  maxSocketBytes: MIB,
  maxRequestsServed: 2_048,
  maxAnswerBytes: 4 * MIB,
  silentAfterMs: 5_000,
  transfersSilentAfterMs: 120_000,
  closeTimeoutMs: 2_000,
};
