/** The transport port: calls between nodes. Nothing here throws for what a peer or the network does. */
import type { Address, NodeId } from '../ids.ts';
import type { Handlers, LifeLine, Refusal, ReplyOf, RequestOf, RequestType } from './messages.ts';

/** Order in which queued messages leave, and who is shed first: the last one. */
export type TrafficClass = 'membership' | 'client' | 'repair' | 'transfer';

export interface CallOptions {
  /** How long an answer is of use; travels with the request. */
  readonly timeoutMs: number;
  readonly traffic: TrafficClass;
}

/**
 * What came back from one node.
 * - `refused`: it certainly did nothing. `unreachable`: nothing was sent to it.
 * - `timeout`, `lost` (the connection ended), `failed` (it broke on it): unknown what it did.
 */
export type Answer<Reply> =
  | { readonly ok: true; readonly from: NodeId; readonly reply: Reply }
  | {
      readonly ok: false;
      readonly from: NodeId;
      readonly failure: 'refused';
      readonly refusal: Refusal;
    }
  | {
      readonly ok: false;
      readonly from: NodeId;
      readonly failure: 'unreachable';
      /** The address itself refused the connection: no process listens there. Absent: who knows. */
      readonly nobodyListens?: true;
    }
  | {
      readonly ok: false;
      readonly from: NodeId;
      readonly failure: 'timeout' | 'lost' | 'failed';
    };

/** An answer from whoever lives at an address; who that is is only known when it answered. */
export type AddressAnswer<Reply> =
  | { readonly ok: true; readonly from: NodeId; readonly reply: Reply }
  | { readonly ok: false; readonly reason: string };

export interface Transport {
  call<Type extends RequestType>(
    to: NodeId,
    request: RequestOf<Type>,
    options: CallOptions,
  ): Promise<Answer<ReplyOf<Type>>>;

  /** For finding nodes whose id is not known yet. An answer makes the address known for `call`. */
  callAddress<Type extends RequestType>(
    address: Address,
    request: RequestOf<Type>,
    options: CallOptions,
  ): Promise<AddressAnswer<ReplyOf<Type>>>;

  /** Where a member can be found, as far as its ring says; what a handshake showed since then wins. */
  learnAddress(node: NodeId, address: Address): void;

  /** Where `call` seeks a node now. */
  addressOf(node: NodeId): Address | undefined;

  /** Another member has reached a node there: `call` tries it where what this node knows itself fails. */
  hearAddress(node: NodeId, address: Address): void;

  /** The life of `node` that this node is connected to, told by its nonce. */
  lifeOf(node: NodeId): string | undefined;

  /** `member` is connected to that life of `node`: where it is another one here, they are compared. */
  hearLife(member: NodeId, [node, life]: LifeLine): void;

  /** A member compares: see `LifeComparison`. */
  confirmLife(
    request: Omit<RequestOf<'membership.confirm'>, 'type'>,
  ): Promise<ReplyOf<'membership.confirm'>>;

  /** Requests from peers are refused until this was called. */
  serve(handlers: Handlers): void;

  /** Ends every connection. Calls under way answer `lost`. */
  close(): Promise<void>;
}
