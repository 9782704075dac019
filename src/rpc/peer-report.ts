import type { NodeId } from '../ids.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Counters } from '../telemetry/counters.ts';
import type { Log, LogFields } from '../telemetry/log.ts';
import type { HandshakeRefusedError } from './handshake.ts';
import { explain } from './handshake-refusal.ts';
import type { StreamEnd } from './peer-stream.ts';
import type { Clones } from './proven-clones.ts';

const REPEAT_AFTER_MS = 60_000;
const MAX_REMEMBERED = 1_000;

interface Warned {
  readonly atMs: number;
  /** How often the same could have been said since. */
  repeated: number;
}

/**
 * Counts and logs what went wrong with peers. The same warning about the same peer comes once a
 * minute, however often it tries.
 */
export class PeerReport {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #warned = new Map<string, Warned>();

  constructor(options: {
    readonly log: Log;
    readonly clock: Clock;
    readonly counters: Counters;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#counters = options.counters;
  }

  /** A connection, or the attempt at one, is over. `peer`: an address. */
  ended(peer: string, end: StreamEnd): void {
    switch (end.why) {
      case 'closed':
        this.#log.debug('a connection to a peer is over', { peer, reason: end.reason });
        return;
      case 'handshake_refused':
        this.#counters.add('peer_handshakes_refused_total');
        this.#handshakeRefused(peer, end.error);
        return;
      case 'frame_refused':
        this.#counters.add('peer_frames_refused_total');
        this.#warn(peer, 'a frame from a peer was refused, its connection ended', {
          reason: end.reason,
        });
        return;
      case 'broken':
        this.#log.error('what a peer sent could not be taken in', { peer, err: end.error });
        return;
    }
  }

  /** Another node than the member `meant` answers at `address`. */
  stranger(address: string, meant: NodeId, found: NodeId): void {
    this.#warn(address, 'another node answers at the address of a member', { meant, found });
  }

  /** Two processes run as one node. Said once of each: whoever finds them remembers them. */
  clones({ stays, goes }: Clones): void {
    this.#log.error(
      'two processes run as one node, one data directory being a copy; one of them is refused from now on',
      {
        node: goes.nodeId,
        stays: stays.address,
        refused: goes.address,
        remedy:
          'stop the refused one for good; if that is the one to keep, stop the other one, and the refused ' +
          'one is let in soon after (docs/operations.md, "a node may run twice")',
      },
    );
  }

  #handshakeRefused(
    peer: string,
    { refusal, refusedBy, peer: claimed, cause }: HandshakeRefusedError,
  ): void {
    const { reason, remedy } = explain(refusal);
    const sentence =
      refusedBy === 'this node'
        ? `the connection of a peer was refused: ${reason}`
        : `a peer refused the connection of this node: ${reason}`;
    this.#warn(peer, sentence, {
      refusal,
      remedy,
      ...(claimed && { claimedNode: claimed.nodeId, claimedAddress: claimed.address }),
      ...(cause instanceof Error && { cause: cause.message }),
    });
  }

  #warn(peer: string, sentence: string, fields: LogFields): void {
    const about = `${peer} ${sentence}`;
    const nowMs = this.#clock.monotonicMs();
    const before = this.#warned.get(about);
    if (before !== undefined && nowMs - before.atMs < REPEAT_AFTER_MS) {
      before.repeated++;
      return;
    }
    this.#log.warn(sentence, { peer, ...fields, ...(before && { repeated: before.repeated }) });
    // Whoever comes from ever new addresses pushes out the oldest.
    this.#warned.delete(about);
    this.#warned.set(about, { atMs: nowMs, repeated: 0 });
    const [oldest] = this.#warned.keys();
    if (this.#warned.size > MAX_REMEMBERED && oldest !== undefined) this.#warned.delete(oldest);
  }
}
