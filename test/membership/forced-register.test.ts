/**
 * Operators that force rings upon one ring at once, each with others in mind as gone, over a network that
 * loses messages: whatever comes into force anywhere has to be of one line where it has members in common.
 */
import { describe, expect, test } from 'vitest';
import type { Address, Incarnation, NodeId } from '../../src/ids.ts';
import { ForcedRegister } from '../../src/membership/forced-register.ts';
import { goesOnFrom } from '../../src/membership/former-cluster.ts';
import { RememberedBounds, withBound } from '../../src/membership/remembered-bounds.ts';
import { RingAcceptor } from '../../src/membership/ring-acceptor.ts';
import { RingHolder } from '../../src/membership/ring-holder.ts';
import type { Ring } from '../../src/ring/ring.ts';
import { encodeRing } from '../../src/ring/ring-codec.ts';
import type { Request, Served } from '../../src/rpc/messages.ts';
import type { CallOptions, Transport } from '../../src/rpc/transport.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { membersFrom } from '../ring/placement.ts';
import { ringOf } from '../ring/sample-rings.ts';
import { Life, simulatedClock } from '../simulator/life.ts';
import { Scheduler } from '../simulator/scheduler.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { silentLog } from '../telemetry/silent-log.ts';

const MEMBERS = 6;
const BEFORE = ringOf(membersFrom(1, MEMBERS), { partitionCount: 4 });
const SEEDS = 300;
const BOUND = { life: '', startBoundMs: 0, boundMs: 0 };

describe('rings that several operators force at once', () => {
  test('are of one line where they have members in common, and one to an epoch', async () => {
    let decided = 0;
    let ended = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const rings = await forcedUnder(seed);
      for (const a of rings) {
        for (const b of rings) {
          const sharing = a.members.some(({ id }) => b.member(id) !== undefined);
          if (!sharing) continue;
          expect(goesOnFrom(a, b) || goesOnFrom(b, a), `seed ${seed}`).toBe(true);
          if (a.epoch === b.epoch)
            expect(Buffer.from(encodeRing(a)), `seed ${seed}`).toEqual(Buffer.from(encodeRing(b)));
          if (a.lineage !== b.lineage) ended += 1;
        }
      }
      decided += rings.length > 0 ? 1 : 0;
    }
    expect(decided).toBeGreaterThan(SEEDS / 3);
    expect(ended).toBeGreaterThan(0); // else nothing here was hard
  });
});

/** Every ring that came into force on some node. */
async function forcedUnder(seed: number): Promise<readonly Ring[]> {
  const random = new SeededRandom(seed, 'forced');
  const scheduler = new Scheduler();
  const inForce = new Map<string, Ring>();
  const nodes = new Map<NodeId, Node>();
  const loss = random.pick([0, 0.05, 0.2]);
  for (const { id } of BEFORE.members)
    nodes.set(id, await Node.start({ id, nodes, scheduler, random, loss, inForce }));
  for (let operators = random.between(2, 4); operators > 0; operators--) {
    const gone = new Set(BEFORE.members.map(({ id }) => id).filter(() => random.chance(0.4)));
    const left = BEFORE.members.filter(({ id }) => !gone.has(id));
    if (left.length === 0) continue;
    const { id } = random.pick(left);
    scheduler.after(random.fraction() * 60, () => void nodes.get(id)?.force(gone));
  }
  await scheduler.run(scheduler.nowMs + 120_000);
  return [...inForce.values()];
}

interface NodeOptions {
  readonly id: NodeId;
  readonly nodes: ReadonlyMap<NodeId, Node>;
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly loss: number;
  readonly inForce: Map<string, Ring>;
}

/** A member, as far as forced rings go. */
class Node {
  readonly #options: NodeOptions;
  readonly #rings: RingHolder;
  readonly #acceptor: RingAcceptor;
  readonly #register: ForcedRegister;

  private constructor(
    options: NodeOptions,
    {
      rings,
      acceptor,
      bounds,
    }: { rings: RingHolder; acceptor: RingAcceptor; bounds: RememberedBounds },
  ) {
    this.#options = options;
    this.#rings = rings;
    this.#acceptor = acceptor;
    const { id: self, scheduler, random } = options;
    const clock = simulatedClock(scheduler, new Life(), { offsetMs: 0, drift: 0 });
    const transport = this as unknown as Transport;
    const versionsBelowMs = (): number => Math.ceil(clock.wallMs());
    const branch = random.branch();
    this.#register = new ForcedRegister({
      ...{ self, rings, bounds, transport, clock, random: branch, versionsBelowMs },
    });
  }

  static async start(options: NodeOptions): Promise<Node> {
    const { id, inForce } = options;
    const store = new MemoryStore();
    const terms = {
      ...{ nodeName: id, clusterName: BEFORE.clusterName, zone: 'default', weight: 1 },
      ...{ address: () => 'a:1' as Address, founders: [], partitionCount: 4, graceMs: 60_000 },
      ...{ replicationFactor: 3, replicationFactorGiven: false, lastSurvivor: 'use' as const },
    };
    let acceptor: RingAcceptor | undefined;
    const rings = await RingHolder.open({
      ...{ self: id, store, log: silentLog, terms },
      supervisor: { fail: () => undefined, restart: () => undefined },
      isHeld: async () => true,
      hasEnded: (ring) => acceptor?.hasEnded(ring) === true,
      onRing: (ring) => {
        if (ring.lineage !== BEFORE.lineage) inForce.set(`${ring.lineage} ${id}`, ring);
      },
      onDeparture: () => undefined,
    });
    await rings.adopt(encodeRing(BEFORE));
    const identity = { nodeId: id, incarnation: 1 as Incarnation, nonce: '' };
    const catchUp = async (): Promise<void> => undefined;
    acceptor = await RingAcceptor.open({
      register: 'forced',
      clock: simulatedClock(options.scheduler, new Life(), { offsetMs: 0, drift: 0 }),
      identity,
      terms,
      rings,
      store,
      keep: (changes) => store.batch(changes),
      triedAll: () => true,
      catchUp,
    });
    const bounds = await RememberedBounds.open(store);
    return new Node(options, { rings, acceptor, bounds });
  }

  async force(gone: ReadonlySet<NodeId>): Promise<void> {
    const { ring } = this.#rings;
    if (ring?.lineage === BEFORE.lineage) await this.#register.force(ring, gone);
  }

  /** The transport: to another node and back, unless one of the two messages is lost. */
  call(to: NodeId, request: Request, { timeoutMs }: CallOptions): Promise<unknown> {
    const { id, nodes, scheduler, random, loss } = this.#options;
    return new Promise((resolve) => {
      const after = (then: () => void): void => {
        if (to === id || !random.chance(loss)) scheduler.after(random.fraction() * 10, then);
      };
      scheduler.after(timeoutMs, () => resolve({ ok: false, from: to, failure: 'timeout' }));
      const answer = async (): Promise<void> => {
        const served = await nodes.get(to)?.serve(request, id);
        after(() => {
          if (served?.ok === true) resolve({ ...served, from: to });
          else resolve({ ...served, from: to, failure: 'refused' });
        });
      };
      after(() => void answer());
    });
  }

  async serve(request: Request, from: NodeId): Promise<Served<unknown>> {
    switch (request.type) {
      case 'ring.prepare':
        return withBound(await this.#acceptor.prepare(request, from), BOUND);
      case 'ring.accept':
        return withBound(await this.#acceptor.accept(request, from), BOUND);
      case 'ring.decided':
        await this.#rings.adopt(request.ring);
        return { ok: true, reply: {} };
      default:
        throw new Error(`nobody asks for a ${request.type} here`);
    }
  }
}
