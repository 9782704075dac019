/**
 * Two nodes join, two members leave, and so on, while clients write: the story in which Riak lost recent
 * writes (basho/riak issue 1754; failure mode 25). Nothing else goes wrong.
 */
import { OperatorCalls } from './operator-calls.ts';
import type { Stage } from './run-seed.ts';
import type { SeededRandom } from './seeded-random.ts';
import { isReady, type SimulatedNode } from './simulated-cluster.ts';

const AT_ONCE = 2;
/** How often somebody looks whether a step is done, and an operator asks again. */
const LOOK_EVERY_MS = 200;

export class Handoff {
  /** Joins and leaves that came to their end, two of each. */
  rounds = 0;
  readonly #stage: Stage;
  readonly #random: SeededRandom;
  readonly #calls = new OperatorCalls();
  #over = false;

  constructor(stage: Stage, random: SeededRandom) {
    this.#stage = stage;
    this.#random = random;
  }

  /** Whether something may come about yet that was asked for. */
  get underWay(): boolean {
    return this.#calls.underWay;
  }

  /** Clients keep to those that are ready, and are to stay. */
  serves(node: SimulatedNode): boolean {
    const { newest } = this.#stage.rings;
    const member = newest?.members.find(({ name }) => name === node.name);
    return member?.leaving === 'no' && isReady(node);
  }

  start(): void {
    this.#join();
  }

  /** Nothing more is asked for. */
  heal(): void {
    this.#over = true;
  }

  #join(): void {
    const { cluster, rings } = this.#stage;
    const newcomers = Array.from({ length: AT_ONCE }, () =>
      cluster.add(`node${cluster.nodes.length + 1}`),
    );
    for (const newcomer of newcomers) cluster.start(newcomer);
    this.#whenAtRest(
      () => newcomers.every(({ name }) => rings.isMember(name)),
      () => undefined,
      () => this.#leave(),
    );
  }

  #leave(): void {
    const staying = [...this.#members];
    const leavers = Array.from({ length: AT_ONCE }, () => {
      const leaver = this.#random.pick(staying);
      staying.splice(staying.indexOf(leaver), 1);
      return leaver.name;
    });
    const { rings } = this.#stage;
    this.#whenAtRest(
      () => !leavers.some((name) => rings.isMember(name)),
      () => this.#ask(staying, leavers),
      () => {
        this.rounds += 1;
        this.#join();
      },
    );
  }

  /** Through one that stays, until it is under way: of two changes at once one may be refused. */
  #ask(staying: readonly SimulatedNode[], leavers: readonly string[]): void {
    const { newest } = this.#stage.rings;
    for (const { name, leaving } of newest?.members ?? []) {
      if (leaving !== 'no' || !leavers.includes(name)) continue;
      const through = this.#random.pick(staying);
      const call = through.node?.operator.changeMember('leave', name);
      if (call !== undefined) this.#calls.follow(through, call, () => undefined);
    }
  }

  /** Calls `then` once `holds` under a ring at rest, and `meanwhile` until then. */
  #whenAtRest(holds: () => boolean, meanwhile: () => void, then: () => void): void {
    const { scheduler, rings } = this.#stage;
    if (this.#over) return;
    if (holds() && rings.newest?.next === undefined) {
      then();
      return;
    }
    meanwhile();
    scheduler.after(LOOK_EVERY_MS, () => this.#whenAtRest(holds, meanwhile, then));
  }

  get #members(): readonly SimulatedNode[] {
    const { cluster, rings } = this.#stage;
    return cluster.nodes.filter(({ name }) => rings.isMember(name));
  }
}
