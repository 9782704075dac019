/**
 * The ring register: the ring of each epoch is decided once, among the voters of the ring before, by
 * CASPaxos. Any member may propose, nobody leads; a decided ring is on this node's disk before anyone
 * here acts on it, and is sent to all members, those of the ring before included.
 */
import type { Epoch, NodeId } from '../ids.ts';
import { majorityOf } from '../paxos/acceptor-quorum.ts';
import type { Ballot } from '../paxos/ballot.ts';
import type { Ring } from '../ring/ring.ts';
import { decodeRing, encodeRing } from '../ring/ring-codec.ts';
import type { Transport } from '../rpc/transport.ts';
import { type Clock, sleep } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { RememberedBounds } from './remembered-bounds.ts';
import type { RingHolder } from './ring-holder.ts';
import { proposeRing } from './ring-proposal.ts';

const CALL_TIMEOUT_MS = 2_000;
/** Mean pause between two rounds that got in each other's way; grows with each. */
const RETRY_AFTER_MS = 50;
const MAX_ROUNDS = 8;

export type Decision =
  /** The ring that was wanted is in force. */
  | { readonly state: 'decided'; readonly ring: Ring }
  /** Another ring was decided in its place, or somebody's earlier proposal was carried on. */
  | { readonly state: 'overtaken' }
  /** Nothing was to be changed. */
  | { readonly state: 'nothing' }
  /**
   * Too few members answered. A later round, of anybody, may still find it accepted and carry it on; or has
   * done so, and other rings came after it.
   */
  | { readonly state: 'undecided' };

export class RingRegister {
  readonly #options: RingRegisterOptions;
  readonly #closing = new AbortController();
  #deciding: Promise<unknown> = Promise.resolve();
  #seen: { readonly epoch: Epoch; readonly ballot: Ballot } | undefined;

  constructor(options: RingRegisterOptions) {
    this.#options = options;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#deciding;
  }

  /** Has the ring decided that `draw` makes of the one in force. One at a time on this node. */
  decide(draw: (ring: Ring) => Ring | undefined): Promise<Decision> {
    const decided = this.#deciding.then(() => this.#decide(draw));
    this.#deciding = decided.catch(() => undefined);
    return decided;
  }

  async #decide(draw: (ring: Ring) => Ring | undefined): Promise<Decision> {
    const { rings } = this.#options;
    const before = rings.ring;
    const wanted = before === undefined ? undefined : draw(before);
    if (before === undefined || wanted === undefined) return { state: 'nothing' };
    const bytes = encodeRing(wanted);
    for (let round = 0; round < MAX_ROUNDS && !this.#closing.signal.aborted; round++) {
      const chosen = await this.#round(before, bytes);
      if (chosen !== undefined) {
        await publishRing(before, chosen, this.#options);
        return whatBecameOf(wanted, bytes, [chosen, rings.encodedBefore]);
      }
      // Whoever found what an earlier round of this node got accepted has carried it on.
      if (rings.ring?.epoch !== before.epoch)
        return whatBecameOf(wanted, bytes, [rings.encoded, rings.encodedBefore]);
      await this.#pause(round);
    }
    return { state: 'undecided' };
  }

  /** The ring that was decided, by this round or before it. */
  async #round(before: Ring, wanted: Uint8Array): Promise<Uint8Array | undefined> {
    const { self, bounds, transport, clock } = this.#options;
    const epoch = (before.epoch + 1) as Epoch;
    const acceptors = before.voters.map(({ id }) => id);
    const proposed = await proposeRing({
      self,
      register: 'next',
      epoch,
      acceptors,
      quorum: majorityOf(acceptors),
      above: this.#seen?.epoch === epoch ? this.#seen.ballot : undefined,
      change: (accepted) => accepted ?? wanted,
      follows: (voter, told) => bounds.follows(voter, told),
      transport,
      clock,
    });
    if (proposed.state === 'chosen') return proposed.ring;
    this.#seen = { epoch, ballot: proposed.seen };
    return undefined;
  }

  async #pause(round: number): Promise<void> {
    const { clock, random } = this.#options;
    const delayMs = RETRY_AFTER_MS * (round + 1) * (0.5 + random.fraction());
    await sleep(clock, delayMs, this.#closing.signal);
  }
}

/**
 * `decided`: the last rings that this node has heard of. One of a later epoch does not tell which was before
 * it, and a node that has left holds none.
 */
function whatBecameOf(
  wanted: Ring,
  bytes: Uint8Array,
  decided: readonly (Uint8Array | undefined)[],
): Decision {
  const ofItsEpoch = decided.find((ring) => ring && decodeRing(ring)?.epoch === wanted.epoch);
  if (ofItsEpoch === undefined) return { state: 'undecided' };
  const isOwn = Buffer.compare(ofItsEpoch, bytes) === 0;
  return isOwn ? { state: 'decided', ring: wanted } : { state: 'overtaken' };
}

interface RingRegisterOptions {
  readonly self: NodeId;
  readonly rings: RingHolder;
  readonly bounds: RememberedBounds;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
}

/** Takes a decided ring, then tells everybody whom it concerns; who does not hear of it learns it by the way. */
export async function publishRing(
  before: Ring,
  bytes: Uint8Array,
  {
    self,
    rings,
    transport,
  }: { readonly self: NodeId; readonly rings: RingHolder; readonly transport: Transport },
): Promise<void> {
  await rings.adopt(bytes);
  const after = decodeRing(bytes);
  const listeners = new Set([...before.members, ...(after?.members ?? [])].map(({ id }) => id));
  listeners.delete(self);
  const options = { timeoutMs: CALL_TIMEOUT_MS, traffic: 'membership' } as const;
  for (const node of listeners)
    void transport.call(node, { type: 'ring.decided', ring: bytes }, options);
}
