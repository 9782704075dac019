/**
 * Every message one node sends another. `type` reads `<room>.<verb>`; who receives it is in brackets.
 * What comes from a peer is checked field by field before anyone sees it (`message-shapes.ts`).
 */
import type { Epoch, Key, NodeId } from '../ids.ts';
import type { Version } from '../version/version.ts';

export type Request =
  /** [replica] What do you hold of this key? Phase 1 of a write, or a read that needs no value. */
  | { readonly type: 'replica.version'; readonly epoch: Epoch; readonly key: Key }
  /** [replica] The record you hold of this key. */
  | { readonly type: 'replica.read'; readonly epoch: Epoch; readonly key: Key }
  /** [replica] Phase 2 of a client's write: apply this record and sync it. May be refused. */
  | { readonly type: 'replica.write'; readonly epoch: Epoch; readonly record: Uint8Array }
  /** [replica] Write-back and read repair: another replica holds this record already. */
  | { readonly type: 'replica.repair'; readonly epoch: Epoch; readonly record: Uint8Array }
  /**
   * [replica] What the `sources`, n-q+1 replicas other than you, hold together of a key that you
   * found damaged: take it in place of the damaged bytes. No record: they hold nothing.
   */
  | {
      readonly type: 'replica.heal';
      readonly epoch: Epoch;
      readonly key: Key;
      readonly record: Uint8Array | undefined;
      readonly sources: readonly NodeId[];
    }
  /** [member] Are you there, and what time is it at your place? */
  | { readonly type: 'membership.ping'; readonly epoch: Epoch | 0 }
  /** [member] The decided ring that you hold. */
  | { readonly type: 'membership.ring' }
  /** [member] Who are you, and with whom would you form a cluster? Asked of addresses. */
  | { readonly type: 'membership.introduce' }
  /** [acceptor] CASPaxos for the ring of an epoch: promise. */
  | { readonly type: 'ring.prepare'; readonly epoch: Epoch; readonly ballot: string }
  /** [acceptor] CASPaxos for the ring of an epoch: accept. */
  | {
      readonly type: 'ring.accept';
      readonly epoch: Epoch;
      readonly ballot: string;
      readonly ring: Uint8Array;
    }
  /** [member] This ring was decided. */
  | { readonly type: 'ring.decided'; readonly ring: Uint8Array }
  /** [member] What do you keep? For `/cluster`. */
  | { readonly type: 'member.status' };

export type RequestType = Request['type'];
export type RequestOf<Type extends RequestType> = Extract<Request, { readonly type: Type }>;

/**
 * Whether a replica takes new values now; it says so before anything is sent to it. One that is
 * `full` still takes tombstones, one that is `exhausted` nothing.
 */
export type Pressure = 'none' | 'full' | 'exhausted' | 'overloaded';

export interface Replies {
  readonly 'replica.version': {
    /** Version of the record held, a tombstone's too. Absent: nothing held. */
    readonly version: Version | undefined;
    readonly tombstone: boolean;
    readonly pressure: Pressure;
  };
  readonly 'replica.read': { readonly record: Uint8Array | undefined };
  /** The version held after the write: the record's own or a higher one. Durable. */
  readonly 'replica.write': { readonly version: Version };
  readonly 'replica.repair': { readonly version: Version };
  readonly 'replica.heal': Record<never, never>;
  readonly 'membership.ping': {
    readonly epoch: Epoch | 0;
    readonly wallMs: number;
    /** Of its hybrid clock: never goes back, so it stays ahead when the wall clock is set back. */
    readonly hybridMs: number;
  };
  readonly 'membership.ring': { readonly ring: Uint8Array | undefined };
  readonly 'membership.introduce': {
    readonly node: NodeId;
    readonly name: string;
    readonly address: string;
    readonly zone: string;
    readonly weight: number;
    /** Of this life of the process: tells a node calling itself from a clone of it. */
    readonly nonce: string;
    /** Sorted, as listed in `QUORATE_SEEDS`. */
    readonly founders: readonly string[];
    readonly clusterName: string;
    readonly replicationFactor: number;
    readonly partitionCount: number;
    /** Epoch of the decided ring it holds; 0 when it has none and no data. */
    readonly epoch: Epoch | 0;
  };
  readonly 'ring.prepare': {
    readonly promised: boolean;
    /** The highest ballot promised so far. */
    readonly ballot: string;
    readonly acceptedBallot: string | undefined;
    readonly acceptedRing: Uint8Array | undefined;
  };
  readonly 'ring.accept': { readonly accepted: boolean; readonly ballot: string };
  readonly 'ring.decided': Record<never, never>;
  readonly 'member.status': {
    readonly keys: number;
    readonly epoch: Epoch | 0;
    readonly ready: boolean;
  };
}

export type ReplyOf<Type extends RequestType> = Replies[Type];

/** Why a node did not do what it was asked. It is certain that it did not. */
export type RefusalReason =
  /** The request is of an older epoch; the refusing node's ring comes with the refusal. */
  | 'stale_epoch'
  /** The node has no ring yet, does not keep this partition, or is not the one to ask. */
  | 'not_ready'
  | 'damaged'
  | 'full'
  | 'overloaded'
  | 'clock_skew'
  /** The deadline passed before the work began. */
  | 'expired';

export interface Refusal {
  readonly reason: RefusalReason;
  readonly ring?: Uint8Array;
}

/** What a handler returns: a reply, or a refusal. A rejection means that it is unknown what was done. */
export type Served<Reply> =
  | { readonly ok: true; readonly reply: Reply }
  | { readonly ok: false; readonly refusal: Refusal };

/** Who asks, and until when an answer is of use (milliseconds of the receiver's monotonic clock). */
export interface RequestContext {
  readonly from: NodeId;
  readonly deadlineMs: number;
}

export type Handlers = {
  readonly [Type in RequestType]: (
    request: RequestOf<Type>,
    context: RequestContext,
  ) => Promise<Served<ReplyOf<Type>>>;
};
