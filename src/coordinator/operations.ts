/** What a coordinator can be asked for by its clients' edge, and what it gives back. */
import type { Key, NodeId, Partition } from '../ids.ts';
import type { ConsistencyLevel } from '../quorum/consistency-level.ts';
import type { Content, Record } from '../version/record.ts';
import type { Version } from '../version/version.ts';

export interface OperationOptions {
  readonly consistency: ConsistencyLevel;
  /** How long the client is kept waiting at most. */
  readonly timeoutMs: number;
}

export type Value = Extract<Content, { type: 'value' }>;

export interface PutResult {
  readonly version: Version;
  /** The key held nothing before. */
  readonly created: boolean;
  /** Replicas known to hold it durably when the client was answered. */
  readonly acknowledged: number;
  /** Replicas that the key has. */
  readonly replicas: number;
}

export interface KeyReplica {
  /** Its name. */
  readonly node: string;
  readonly id: NodeId;
  /** Absent: it holds nothing, or did not answer. */
  readonly version: Version | undefined;
  /** `ok`, `deleted`, `missing`, or why it did not answer. */
  readonly state: string;
}

export interface KeyLocation {
  readonly key: Key;
  /** 16 hex digits. */
  readonly token: string;
  readonly partition: Partition;
  /** Most preferred first. */
  readonly replicas: readonly KeyReplica[];
}

/**
 * Serves clients' requests from this node, whichever replicas they concern. All of them throw
 * `ClientError` and nothing else.
 */
export interface Operations {
  put(key: Key, value: Value, options: OperationOptions): Promise<PutResult>;
  /** The record of a value; `undefined` when the key holds none. */
  get(key: Key, options: OperationOptions): Promise<Record | undefined>;
  /** False when there was nothing to delete. */
  delete(key: Key, options: OperationOptions): Promise<boolean>;
  /** Where a key lives and what each replica holds of it. */
  locate(key: Key, timeoutMs: number): Promise<KeyLocation>;
}
