/**
 * Every message one node sends another. `type` reads `<room>.<verb>`; who receives it is in brackets.
 * What comes from a peer is checked field by field before anyone sees it (`message-shapes.ts`).
 */
import type { Address, Epoch, Incarnation, Key, NodeId, Partition } from '../ids.ts';
import type { MemberState } from '../swim/news.ts';
import type { PingOutcome } from '../swim/probe.ts';
import type { Version } from '../version/version.ts';

/** What its sender believes of a member; the last word is who suspects it, of a suspicion only. */
export type NewsLine = readonly [
  node: NodeId,
  state: MemberState,
  incarnation: number,
  by: NodeId | undefined,
];

/** A life of a node that its sender is connected to, told by its nonce. */
export type LifeLine = readonly [node: NodeId, life: string];

/** A life that answered its sender just now, and where it says that it is reached. */
export type AnsweredLife = readonly [life: string, incarnation: Incarnation, address: Address];

/**
 * Whether this replica's answer may decide alone (`one`), or counts with others (`quorum`: levels
 * `quorum` and `all`, repair, healing).
 */
export type RequestLevel = 'one' | 'quorum';

/**
 * What a node tells of the bound of its clock, which it has on disk before it draws a version below it:
 * where it stood when this life of it began, and where it stands. Milliseconds.
 */
export interface ClockBound {
  /** Its nonce in this life. */
  readonly life: string;
  readonly startBoundMs: number;
  readonly boundMs: number;
}

/** Since when a copy is known to be damaged, by the clock of its node in one life of it. */
export interface DamageTicket {
  /** Its nonce in this life. */
  readonly life: string;
  /** Monotonic, milliseconds. */
  readonly foundMs: number;
}

export type Request =
  /** [replica] What do you hold of this key? Phase 1 of a write, or a read that needs no value. */
  | {
      readonly type: 'replica.version';
      readonly epoch: Epoch;
      readonly key: Key;
      readonly level: RequestLevel;
    }
  /** [replica] The record you hold of this key. */
  | {
      readonly type: 'replica.read';
      readonly epoch: Epoch;
      readonly key: Key;
      readonly level: RequestLevel;
    }
  /** [replica] Phase 2 of a client's write: apply this record and sync it. May be refused. */
  | {
      readonly type: 'replica.write';
      readonly epoch: Epoch;
      readonly record: Uint8Array;
      readonly level: RequestLevel;
    }
  /** [replica] Write-back and read repair: another replica holds this record already. */
  | { readonly type: 'replica.repair'; readonly epoch: Epoch; readonly record: Uint8Array }
  /**
   * [replica] What the `sources`, n-q+1 replicas other than you, hold together of a key that you
   * found damaged: take it in place of the damaged bytes. No record: they hold nothing. The ticket is the
   * one that you told of the damage with; they were asked after that.
   */
  | (DamageTicket & {
      readonly type: 'replica.heal';
      readonly epoch: Epoch;
      readonly key: Key;
      readonly record: Uint8Array | undefined;
      readonly sources: readonly NodeId[];
    })
  /** [source] What do you hold of this partition? Not before all changes of older epochs are over. */
  | { readonly type: 'transfer.branches'; readonly epoch: Epoch; readonly partition: Partition }
  /** [source] The same, of some of its leaves, more closely. */
  | {
      readonly type: 'transfer.digests';
      readonly epoch: Epoch;
      readonly partition: Partition;
      /** One bit for each leaf (`merkle/leaf-set.ts`). */
      readonly leaves: Uint8Array;
    }
  /** [source] Your records of some leaves of this partition, behind the key `after`; a page of them. */
  | {
      readonly type: 'transfer.records';
      readonly epoch: Epoch;
      readonly partition: Partition;
      readonly leaves: Uint8Array;
      readonly after: Key | undefined;
    }
  /** [member] Are you there, and what time is it at your place? News of members travels along. */
  | (ClockBound & {
      readonly type: 'swim.ping';
      readonly epoch: Epoch | 0;
      /** Of a few other nodes, in turn. */
      readonly lives: readonly LifeLine[];
      readonly gossip: readonly NewsLine[];
    })
  /** [member] I get no answer from `target`: do you? */
  | {
      readonly type: 'swim.ping-req';
      readonly target: NodeId;
      readonly gossip: readonly NewsLine[];
    }
  /** [member] Everything that I believe of members; now you. */
  | { readonly type: 'swim.sync'; readonly members: readonly NewsLine[] }
  /** [member] The decided ring that you hold. */
  | { readonly type: 'membership.ring' }
  /** [member] Who are you, and with whom would you form a cluster? Asked of addresses. */
  | { readonly type: 'membership.introduce' }
  /** [member] You told me of this life of `node`. Another one has answered me since: does yours, too? */
  | {
      readonly type: 'membership.confirm';
      readonly node: NodeId;
      readonly life: string;
      readonly other: AnsweredLife;
    }
  /** [acceptor] CASPaxos for the ring of an epoch: promise. */
  | {
      readonly type: 'ring.prepare';
      readonly register: RingRegisterName;
      readonly epoch: Epoch;
      readonly ballot: string;
    }
  /** [acceptor] CASPaxos for the ring of an epoch: accept. */
  | {
      readonly type: 'ring.accept';
      readonly register: RingRegisterName;
      readonly epoch: Epoch;
      readonly ballot: string;
      readonly ring: Uint8Array;
    }
  /**
   * [member] Do you agree that these members are gone: dead for a grace period, to be replaced; or silent
   * for three, so that what survives may go on; or dead, and an operator gave them up. The second is a
   * promise not to answer their probes until the next epoch is decided.
   */
  | {
      readonly type: 'ring.consent';
      readonly epoch: Epoch;
      readonly missing: readonly NodeId[];
      readonly to: 'replacement' | 'survivors' | 'forced';
    }
  /** [member] Take me in. */
  | {
      readonly type: 'membership.join';
      readonly node: NodeId;
      readonly name: string;
      readonly address: Address;
      readonly zone: string;
      readonly weight: number;
      readonly clusterName: string;
      /** Absent: whatever the cluster has. */
      readonly replicationFactor: number | undefined;
    }
  /** [member] This ring was decided. */
  | { readonly type: 'ring.decided'; readonly ring: Uint8Array }
  /** [member] What do you keep? For `/cluster`. */
  | { readonly type: 'member.status' };

/** The next ring of the lineage, which a majority decides; or one forced upon it, by all who are left. */
export type RingRegisterName = 'next' | 'forced';

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
  /** `merkle/branch-digests.ts` */
  readonly 'transfer.branches': { readonly branches: Uint8Array };
  /** `merkle/leaf-digests.ts` */
  readonly 'transfer.digests': { readonly digests: Uint8Array };
  readonly 'transfer.records': {
    /** May be none, where many were passed over. */
    readonly records: readonly Uint8Array[];
    /** Behind which key the next page begins; absent: this was the last one. */
    readonly next: Key | undefined;
  };
  readonly 'swim.ping': {
    readonly epoch: Epoch | 0;
    /** Whether it counts for the lease of who asks. */
    readonly lends: boolean;
    readonly wallMs: number;
    /** Of its hybrid clock: never goes back, so it stays ahead when the wall clock is set back. */
    readonly hybridMs: number;
    readonly gossip: readonly NewsLine[];
  };
  /** What the ping of the one that was asked came to. */
  readonly 'swim.ping-req': {
    readonly outcome: PingOutcome;
    /** Where the target answered. */
    readonly address: Address | undefined;
    readonly gossip: readonly NewsLine[];
  };
  readonly 'swim.sync': { readonly members: readonly NewsLine[] };
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
    /** Whether its start asks for that factor: it was given, and is another one than before. */
    readonly replicationFactorWished: boolean;
    readonly partitionCount: number;
    readonly graceMs: number;
    readonly lastSurvivor: 'use' | 'wait';
    /** Epoch of the decided ring it holds; 0 when it has none and no data. */
    readonly epoch: Epoch | 0;
  };
  /** Absent: it did not answer. */
  readonly 'membership.confirm': { readonly answered: AnsweredLife | undefined };
  /** Votes come with the bound that they moved: whoever counts them remembers it. */
  readonly 'ring.prepare': ClockBound & {
    readonly promised: boolean;
    /** The highest ballot promised so far. */
    readonly ballot: string;
    readonly acceptedBallot: string | undefined;
    readonly acceptedRing: Uint8Array | undefined;
  };
  readonly 'ring.accept': ClockBound & { readonly accepted: boolean; readonly ballot: string };
  readonly 'ring.decided': Record<never, never>;
  readonly 'ring.consent': ClockBound & { readonly agrees: boolean };
  readonly 'membership.join': {
    /** `member`: the ring lists you. `later`: ask again. `never`: not as you were started. */
    readonly state: 'member' | 'later' | 'never';
    /** For people. */
    readonly why: string;
  };
  readonly 'member.status': {
    readonly keys: number;
    readonly epoch: Epoch | 0;
    readonly ready: boolean;
    /** Partitions that it has to pull in this epoch, and those of them that it has pulled. */
    readonly toPull: number;
    readonly pulled: number;
    /** Partitions of which others have asked it in vain for long, because its copy is damaged. */
    readonly unsound: readonly Partition[];
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
  | 'expired'
  /** Your disk was put back to an older state: what you told before is not on it. */
  | 'rolled_back';

export interface Refusal {
  readonly reason: RefusalReason;
  readonly ring?: Uint8Array;
  /** With `damaged`: what a healing of that copy has to show. */
  readonly damage?: DamageTicket;
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
