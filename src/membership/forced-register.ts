/**
 * Forces a ring: those who are left when members were given up for good decide how they go on, all of
 * them, because no majority is there that could. It is CASPaxos upon the ring that all of them hold, with
 * all of them as quorum. Groups that share a node find what that one accepted; a ring of another group is
 * not carried on, since it names others as gone, but ended by one that goes on from it and lies above it.
 * Whoever accepts that takes the ended one no more (`RingAcceptor.hasEnded`).
 */
import type { Epoch, Lineage, NodeId } from '../ids.ts';
import { allOf } from '../paxos/acceptor-quorum.ts';
import type { Ballot } from '../paxos/ballot.ts';
import { forcedRing } from '../ring/forced-ring.ts';
import type { Ring } from '../ring/ring.ts';
import { decodeRing, encodeRing } from '../ring/ring-codec.ts';
import type { Transport } from '../rpc/transport.ts';
import { type Clock, sleep } from '../runtime/clock.ts';
import { type Random, randomHex } from '../runtime/random.ts';
import type { RememberedBounds } from './remembered-bounds.ts';
import type { RingHolder } from './ring-holder.ts';
import { proposeRing } from './ring-proposal.ts';
import { type Decision, publishRing } from './ring-register.ts';

/** Mean pause between two rounds that got in each other's way; grows with each. */
const RETRY_AFTER_MS = 50;
const MAX_ROUNDS = 8;

export class ForcedRegister {
  readonly #options: ForcedRegisterOptions;
  readonly #closing = new AbortController();
  #forcing: Promise<unknown> = Promise.resolve();

  constructor(options: ForcedRegisterOptions) {
    this.#options = options;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#forcing;
  }

  /** Has it decided that the cluster goes on from `before` without `gone`. One at a time on this node. */
  force(before: Ring, gone: ReadonlySet<NodeId>): Promise<Decision> {
    const forced = this.#forcing.then(() => this.#force(before, gone));
    this.#forcing = forced.catch(() => undefined);
    return forced;
  }

  async #force(before: Ring, gone: ReadonlySet<NodeId>): Promise<Decision> {
    const { random, clock, rings, bounds } = this.#options;
    const draw = (over: readonly Ring[]): Ring | undefined => {
      const versionsAboveMs = this.#options.versionsBelowMs();
      return forcedRing({ before, gone, lineage: this.#lineage(), over, versionsAboveMs });
    };
    const drawn = draw([]);
    if (drawn === undefined) return { state: 'nothing' };
    let wanted = drawn;
    const acceptors = wanted.members.map(({ id }) => id);
    const change = (_: unknown, all: readonly Uint8Array[]): Uint8Array => {
      const over = all.flatMap((bytes) => decodeRing(bytes) ?? []);
      if (over.length === 0) return encodeRing(wanted);
      const last = over.find((ring) => isOfAll(ring, acceptors) && over.every(endedBy(ring)));
      if (last !== undefined) return encodeRing(last);
      wanted = draw(over) ?? wanted;
      return encodeRing(wanted);
    };
    let above: Ballot | undefined;
    for (let round = 0; round < MAX_ROUNDS && !this.#closing.signal.aborted; round++) {
      const proposed = await proposeRing({
        ...this.#options,
        register: 'forced',
        epoch: (before.epoch + 1) as Epoch,
        acceptors,
        quorum: allOf(acceptors),
        above,
        change,
        follows: (voter, told) => bounds.follows(voter, told),
      });
      if (proposed.state === 'chosen') {
        await publishRing(before, proposed.ring, this.#options);
        return whatBecameOf(wanted, rings.ring);
      }
      if (rings.ring?.epoch !== before.epoch) return whatBecameOf(wanted, rings.ring);
      above = proposed.seen;
      const delayMs = RETRY_AFTER_MS * (round + 1) * (0.5 + random.fraction());
      await sleep(clock, delayMs, this.#closing.signal);
    }
    return { state: 'undecided' };
  }

  /** One for each ring that is drawn. */
  #lineage(): Lineage {
    return randomHex(this.#options.random, 8) as Lineage;
  }
}

/** `now`: the ring in force; nothing where this node holds none any more. */
function whatBecameOf(wanted: Ring, now: Ring | undefined): Decision {
  if (now === undefined || now.formers.includes(wanted.lineage)) return { state: 'undecided' };
  return now.lineage === wanted.lineage
    ? { state: 'decided', ring: wanted }
    : { state: 'overtaken' };
}

/** Whether exactly these go on under the ring. */
function isOfAll({ members }: Ring, ids: readonly NodeId[]): boolean {
  return members.length === ids.length && members.every(({ id }) => ids.includes(id));
}

/** Whether a ring is `last`, or one that `last` goes on from. */
function endedBy(last: Ring): (ring: Ring) => boolean {
  return ({ lineage }) => lineage === last.lineage || last.formers.includes(lineage);
}

interface ForcedRegisterOptions {
  readonly self: NodeId;
  readonly rings: RingHolder;
  readonly bounds: RememberedBounds;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** The time that no version lies beyond that was drawn so far, milliseconds. */
  readonly versionsBelowMs: () => number;
}
