/**
 * Looks on as nodes put their votes and rings on disk: which rings were decided, by whom each is held,
 * and whether all of that went by the rules (the judge `rings`). It reads the disks by itself, because a
 * node that acts on a ring has to have it there.
 */
import type { Key, NodeId, Partition } from '../../src/ids.ts';
import { flawOfForced } from '../../src/ring/forced-ring.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { decodeRing } from '../../src/ring/ring-codec.ts';
import { flawOfSuccession } from '../../src/ring/succession.ts';
import type { Change } from '../../src/storage/store.ts';
import { generationMade } from './disk-record.ts';
import { Findings, type Flaw } from './flaw.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';

/** A ring, and the same as it is kept. */
interface Decided {
  readonly ring: Ring;
  readonly text: string;
}

/** What a disk says of its node. */
interface Self {
  readonly id: NodeId;
  /** Oldest first. */
  readonly rings: Ring[];
  votes: Votes | undefined;
  /** It is no member any more, and will set its records aside. */
  departed: boolean;
}

/** Where the records lie on a disk. */
interface Generations {
  readonly current: number;
  /** Whether the other one has something that was set aside. */
  readonly aside: boolean;
}

const FIRST_GENERATION: Generations = { current: 1, aside: false };

/** As the node keeps them. */
interface Votes {
  readonly epoch: number;
  readonly accepted?: { readonly ballot: string; readonly base64: string };
  readonly silentTo: readonly NodeId[];
}

/** What it keeps of the cluster that goes on without it. */
interface Departed {
  readonly goneOn: { readonly base64: string };
}

const CHECKSUM_BYTES = 8;

export class RingWatch {
  readonly #findings = new Findings('rings');
  readonly #scheduler: Pick<Scheduler, 'nowMs'>;
  readonly #selves = new Map<string, Self>();
  readonly #generations = new Map<string, Generations>();
  /** By lineage and epoch. */
  readonly #decided = new Map<string, Decided>();
  /** By epoch, ballot and ring: who accepted it. */
  readonly #accepted = new Map<string, Set<NodeId>>();
  readonly #decoded = new Map<string, Ring | undefined>();
  /** Members that an operator sent away. */
  readonly #sentAway = new Set<NodeId>();
  readonly #recoveries = new Map<Partition, number[]>();
  /** By partition: old replicas without which the survivors went on. */
  readonly #givenUp = new Map<Partition, Set<NodeId>>();
  readonly #listeners: ((ring: Ring, before: Ring | undefined) => void)[] = [];
  #newest: Decided | undefined;

  constructor(scheduler: Pick<Scheduler, 'nowMs'>) {
    this.#scheduler = scheduler;
  }

  /** Looks on at all nodes, those that come later included. */
  watch(cluster: SimulatedCluster): void {
    cluster.forEachNode(({ name, disk }) =>
      disk.whenDurable((change) => this.durable(name, change)),
    );
  }

  /** Tells of each ring when it is first on some disk, if of one that it left, and of the one before it. */
  whenDecided(listener: (ring: Ring, before: Ring | undefined) => void): void {
    this.#listeners.push(listener);
  }

  /** The disk of `name` was replaced by an empty one. */
  forget(name: string): void {
    this.#selves.delete(name);
    this.#generations.delete(name);
  }

  /** Takes a change that became durable on the disk of `name`. */
  durable(name: string, change: Change): void {
    if (change.key[0] !== 0) return;
    const own = Buffer.from(change.key.subarray(1)).toString('latin1');
    const generations = this.#generationsOf(name);
    if (own === 'aside')
      this.#generations.set(name, { ...generations, aside: change.type === 'put' });
    if (change.type !== 'put') return;
    const current = generationMade(change);
    if (current !== undefined) this.#generations.set(name, { ...generations, current });
    if (own === 'identity') this.#identity(name, (kept(change.value) as { nodeId: NodeId }).nodeId);
    const self = this.#selves.get(name);
    if (self === undefined) return;
    if (own === 'departed') this.#departed(name, self, kept(change.value) as Departed);
    if (own === 'votes') {
      self.votes = kept(change.value) as Votes;
      this.#votes(self, self.votes);
    }
    if (own === 'forced-votes') this.#votes(self, kept(change.value) as Votes);
    if (own === 'ring') this.#ring(name, self, (kept(change.value) as { base64: string }).base64);
  }

  /** The ring of the highest epoch that was decided. */
  get newest(): Ring | undefined {
    return this.#newest?.ring;
  }

  idOf(name: string): NodeId | undefined {
    return this.#selves.get(name)?.id;
  }

  /** The rings that the node held under its present id, oldest first. */
  ringsOf(name: string): readonly Ring[] {
    return this.#selves.get(name)?.rings ?? [];
  }

  /** Whether the newest ring lists the node. */
  isMember(name: string): boolean {
    const id = this.idOf(name);
    return id !== undefined && this.newest?.member(id) !== undefined;
  }

  /** Whether an operator sent the node away, under its present id. */
  wasSentAway(name: string): boolean {
    const id = this.idOf(name);
    return id !== undefined && this.#sentAway.has(id);
  }

  /** Whether it knows that it is no member any more, and has not begun anew yet. */
  hasDeparted(name: string): boolean {
    return this.#selves.get(name)?.departed === true;
  }

  /** Whether the records at `place` count, as opposed to those that were set aside. */
  isCurrent(name: string, place: Uint8Array): boolean {
    return place[0] === this.#generationsOf(name).current;
  }

  hasAside(name: string): boolean {
    return this.#generationsOf(name).aside;
  }

  /** Members whose probes the node leaves unanswered. */
  silentTo(name: string): readonly NodeId[] {
    const votes = this.#selves.get(name)?.votes;
    return votes?.epoch === (this.newest?.epoch ?? 0) + 1 ? votes.silentTo : [];
  }

  /** When rings were decided that go on with what survived of `partition`. */
  recoveriesOf(partition: Partition): readonly number[] {
    return this.#recoveries.get(partition) ?? [];
  }

  /** Whether survivors went on without any replica of anything. */
  get anyGivenUp(): boolean {
    return this.#givenUp.size > 0;
  }

  /** Whether survivors went on without this replica of the key. */
  isGivenUp(name: string, key: Key | undefined): boolean {
    const id = this.idOf(name);
    const partition = key === undefined ? undefined : this.newest?.partitionOf(key);
    if (id === undefined || partition === undefined) return false;
    return this.#givenUp.get(partition)?.has(id) === true;
  }

  get flaws(): readonly Flaw[] {
    return this.#findings.flaws;
  }

  #generationsOf(name: string): Generations {
    return this.#generations.get(name) ?? FIRST_GENERATION;
  }

  #identity(name: string, id: NodeId): void {
    if (this.idOf(name) === id) return;
    this.#selves.set(name, { id, rings: [], votes: undefined, departed: false });
  }

  #votes(self: Self, votes: Votes): void {
    const { epoch, accepted } = votes;
    if (accepted === undefined) return;
    const what = `${epoch} ${accepted.ballot} ${accepted.base64}`;
    const by = this.#accepted.get(what) ?? new Set();
    this.#accepted.set(what, by.add(self.id));
  }

  #ring(name: string, self: Self, text: string): void {
    const ring = this.#decode(text);
    if (ring === undefined) {
      this.#findings.add(`${name} keeps a ring that cannot be read`);
      return;
    }
    const before = self.rings.at(-1);
    if (before !== undefined && ring.epoch <= before.epoch)
      this.#findings.add(`${name} went from epoch ${before.epoch} to ${ring.epoch}`);
    self.rings.push(ring);
    this.#seen(name, ring, text);
  }

  /**
   * It holds no ring any more. The one that goes on without it was decided, and a member that leaves may be
   * the first that knows (seed 1013565).
   */
  #departed(name: string, self: Self, { goneOn }: Departed): void {
    self.departed = true;
    const ring = this.#decode(goneOn.base64);
    if (ring === undefined) this.#findings.add(`${name} left by a ring that cannot be read`);
    else this.#seen(name, ring, goneOn.base64);
  }

  #seen(name: string, ring: Ring, text: string): void {
    const known = this.#decided.get(nameOf(ring, ring.epoch));
    if (known === undefined) this.#firstSeen(name, ring, text);
    else if (known.text !== text)
      this.#findings.add(`${name} holds another ring of epoch ${ring.epoch} than others do`);
  }

  #firstSeen(name: string, ring: Ring, text: string): void {
    const decided = { ring, text };
    const forcedUpon = this.#forcedUpon(ring, text);
    const before = forcedUpon ?? this.#decided.get(nameOf(ring, ring.epoch - 1))?.ring;
    this.#decided.set(nameOf(ring, ring.epoch), decided);
    if (ring.epoch > (this.newest?.epoch ?? 0)) this.#newest = decided;
    for (const { id, leaving } of ring.members) if (leaving === 'asked') this.#sentAway.add(id);
    for (const partition of ring.recovering) this.#recovers(partition, ring, before);
    if (forcedUpon !== undefined) this.#areBack(ring);
    if (forcedUpon === undefined && !this.#isDecided(ring, before, text))
      this.#findings.add(`${name} holds a ring of epoch ${ring.epoch} that was not decided`);
    const flaw = flawOfStep(before, ring, forcedUpon !== undefined) ?? flawAtRest(ring);
    if (flaw !== undefined) this.#findings.add(`epoch ${ring.epoch} has ${flaw}`);
    for (const listener of this.#listeners) listener(ring, before);
  }

  #recovers(partition: Partition, ring: Ring, before: Ring | undefined): void {
    const now = ring.assignment[partition] ?? [];
    const gone = before?.assignment[partition]?.filter((id) => !now.includes(id)) ?? [];
    if (gone.length === 0) return;
    const { nowMs } = this.#scheduler;
    this.#recoveries.set(partition, [...this.recoveriesOf(partition), nowMs]);
    const all = this.#givenUp.get(partition) ?? [];
    this.#givenUp.set(partition, new Set([...all, ...gone]));
  }

  /** An operator may force a ring upon those whom the others had gone on without. */
  #areBack({ members }: Ring): void {
    for (const gone of this.#givenUp.values()) for (const { id } of members) gone.delete(id);
  }

  /** The ring upon which it was forced, if all that it lists accepted it under one ballot. */
  #forcedUpon(ring: Ring, text: string): Ring | undefined {
    for (const [what, by] of this.#accepted) {
      const [epoch, , accepted] = what.split(' ');
      if (accepted !== text || !ring.members.every(({ id }) => by.has(id))) continue;
      for (const former of ring.formers) {
        const before = this.#decided.get(`${former} ${Number(epoch) - 1}`);
        if (before !== undefined) return before.ring;
      }
    }
    return undefined;
  }

  /** Whether enough voters of the ring before accepted it under one ballot: all founders for the first. */
  #isDecided(ring: Ring, before: Ring | undefined, text: string): boolean {
    const voters = (before ?? ring).members.filter(({ joining }) => !joining);
    const acceptors = voters.map(({ id }) => id);
    const needed = before === undefined ? acceptors.length : Math.floor(acceptors.length / 2) + 1;
    for (const [what, by] of this.#accepted) {
      const [epoch, , accepted] = what.split(' ');
      if (Number(epoch) !== ring.epoch || accepted !== text) continue;
      if (acceptors.filter((id) => by.has(id)).length >= needed) return true;
    }
    return false;
  }

  #decode(text: string): Ring | undefined {
    if (!this.#decoded.has(text)) this.#decoded.set(text, decodeRing(Buffer.from(text, 'base64')));
    return this.#decoded.get(text);
  }
}

function flawOfStep(before: Ring | undefined, ring: Ring, isForced: boolean): string | undefined {
  if (before === undefined) return ring.epoch === 1 ? undefined : 'no ring before it';
  return isForced ? flawOfForced(before, ring) : flawOfSuccession(before, ring);
}

/** Copies enough of everything, in equal shares. All members have the same weight in a simulation. */
function flawAtRest(ring: Ring): string | undefined {
  if (ring.next !== undefined) return undefined;
  const wanted = Math.min(ring.replicationFactor, ring.members.length);
  const kept = new Map(ring.members.map(({ id }) => [id, 0]));
  for (const [partition, replicas] of ring.assignment.entries()) {
    if (new Set(replicas).size !== wanted)
      return `${replicas.length} replicas of partition ${partition}, not ${wanted}`;
    for (const id of replicas) kept.set(id, (kept.get(id) ?? 0) + 1);
  }
  const shares = [...kept.values()];
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  if (most - least > 1) return `a member with ${least} partitions and one with ${most}`;
  return undefined;
}

function nameOf({ lineage }: Ring, epoch: number): string {
  return `${lineage} ${epoch}`;
}

/** JSON behind a checksum (`src/storage/own-state.ts`). */
function kept(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes.subarray(CHECKSUM_BYTES)).toString('utf8'));
}
