/**
 * The names things go by, each a type of its own, so that one cannot be passed for another.
 */

declare const brand: unique symbol;
/** A `Base` that only counts as itself where its name is written: `Brand<string, 'NodeId'>`. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/**
 * One node for its whole life: survives restarts and address changes, never given out twice.
 * 16 lower-case hex digits (64 random bits).
 */
export type NodeId = Brand<string, 'NodeId'>;

/** One cluster for its whole life: 32 lower-case hex digits, drawn when it is formed. */
export type ClusterId = Brand<string, 'ClusterId'>;

/** A cluster's line of rings: 16 lower-case hex digits. A forced ring starts another. */
export type Lineage = Brand<string, 'Lineage'>;

/** Number of a ring, from 1 up. Only the ring register makes a new one. */
export type Epoch = Brand<number, 'Epoch'>;

/** A partition's number on the ring, from 0 up to `ring.partitionCount` - 1. */
export type Partition = Brand<number, 'Partition'>;

/** A client's key: UTF-8 text without lone surrogates, 1 to 1024 bytes. Checked at the edge. */
export type Key = Brand<string, 'Key'>;

/** A member's own counter; only it raises it; persisted across restarts. 32 bits, from 1 up. */
export type Incarnation = Brand<number, 'Incarnation'>;

/** Where a node is reached: `host:port`, with an IPv6 host in brackets. */
export type Address = Brand<string, 'Address'>;
