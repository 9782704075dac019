/**
 * Giving members up for good, whatever is lost with them (`quorate node remove --force`). Where a majority
 * of the members is left, it decides that as it decides anything, and partitions of which nothing survives
 * begin anew. Where none is left, all that are force another ring (`ring/forced-ring.ts`).
 */
import type { Lineage, NodeId } from '../ids.ts';
import { SURVIVORS_WAIT_GRACES } from '../membership/consent.ts';
import type { Membership } from '../membership/membership.ts';
import type { Decision } from '../membership/ring-register.ts';
import { taskOf } from '../membership/transition-status.ts';
import { forcedRing, isMajorityLeft, partitionsWithoutCopy } from '../ring/forced-ring.ts';
import { givenUpRing, partitionsShort } from '../ring/next-ring.ts';
import type { Ring } from '../ring/ring.ts';
import { overtaken, refuse, ringToChange, undecided, withoutRoom } from './change-errors.ts';
import type { ChangePlan } from './change-plan.ts';
import type { Started } from './operator.ts';

export interface RemovalPlan extends ChangePlan {
  /** Partitions of which no copy is left: what was stored in them is lost. */
  readonly lost: number;
}

interface Removal {
  readonly ring: Ring;
  readonly gone: ReadonlySet<NodeId>;
  readonly after: Ring;
  readonly lost: number;
}

/** Of a ring that is only looked at. */
const NO_LINEAGE = '0000000000000000' as Lineage;

export class ForcedRemoval {
  readonly #membership: Membership;

  constructor(membership: Membership) {
    this.#membership = membership;
  }

  /** What would come of it. @throws ClientError */
  draw(names: readonly string[]): Removal {
    const ring = ringToChange(this.#membership);
    const gone = this.#deadAmong(ring, names);
    this.#refuseOthersDead(ring, gone);
    const versionsAboveMs = this.#membership.versionsBelowMs;
    const after = isMajorityLeft(ring, gone)
      ? givenUpRing(ring, gone, versionsAboveMs)
      : forcedRing({ before: ring, gone, lineage: NO_LINEAGE, over: [], versionsAboveMs });
    if (after === undefined) throw refuse(this.#whyNot(ring, gone));
    return { ring, gone, after, lost: partitionsWithoutCopy(ring, gone).length };
  }

  /** @throws ClientError */
  async carryOut(names: readonly string[]): Promise<Started> {
    const { ring, gone } = this.draw(names);
    const isMajority = isMajorityLeft(ring, gone);
    const decision = await (isMajority ? this.#giveUp(ring, gone) : this.#force(ring, gone)).catch(
      withoutRoom,
    );
    if (decision.state === 'decided') {
      const { epoch } = decision.ring;
      return { epoch, task: taskOf(epoch) };
    }
    if (decision.state !== 'undecided') throw overtaken();
    const ids = ring.members.map(({ id }) => id);
    const dead = ids.filter((id) => !gone.has(id) && this.#membership.state(id) === 'dead');
    throw undecided(
      isMajority ? 'a majority of them is needed' : 'all of those that are left are needed',
      { ring, dead },
    );
  }

  async #giveUp(ring: Ring, gone: ReadonlySet<NodeId>): Promise<Decision> {
    if (!(await this.#membership.consent(ring, [...gone], 'survivors'))) {
      const seconds = (SURVIVORS_WAIT_GRACES * ring.graceMs) / 1_000;
      throw refuse(
        `the members do not agree that ${namesOf(ring, [...gone])} will not be heard of again; that takes ` +
          `${SURVIVORS_WAIT_GRACES} grace periods (${seconds} s) of silence. Ask again then`,
      );
    }
    // What they agreed to holds for this epoch only.
    return this.#membership.decide((now) =>
      now.epoch === ring.epoch
        ? givenUpRing(now, gone, this.#membership.versionsBelowMs)
        : undefined,
    );
  }

  async #force(ring: Ring, gone: ReadonlySet<NodeId>): Promise<Decision> {
    const against = await this.#membership.againstForcing(ring, [...gone]);
    if (against.length === 0) return this.#membership.force(ring, gone);
    throw refuse(
      `all that are left have to agree who is dead (${namesOf(ring, [...gone])}), and these did not: ` +
        `${namesOf(ring, against)}. Ask again in a moment; name those that are dead as well`,
    );
  }

  /** @throws ClientError */
  #deadAmong(ring: Ring, names: readonly string[]): ReadonlySet<NodeId> {
    const gone = names.flatMap((name) => {
      // One that came back with an empty disk has the name of the one that it replaces.
      const members = ring.members.filter((each) => each.name === name);
      const states = members.map(({ id }) => this.#membership.state(id));
      const [state] = states;
      if (state === undefined)
        throw refuse(`there is no member named ${name}; /cluster lists them`);
      if (!states.includes('dead')) throw refuse(`${name} is ${state}, not dead; stop it first`);
      return members.filter((_, at) => states[at] === 'dead').map(({ id }) => id);
    });
    return new Set(gone);
  }

  /** Those who decide have to be there. @throws ClientError */
  #refuseOthersDead(ring: Ring, gone: ReadonlySet<NodeId>): void {
    const isDead = (id: NodeId): boolean => this.#membership.state(id) === 'dead';
    const dead = ring.voters.map(({ id }) => id).filter((id) => !gone.has(id) && isDead(id));
    if (dead.length === 0 || isMajorityLeft(ring, new Set([...gone, ...dead]))) return;
    throw refuse(
      `dead as well: ${namesOf(ring, dead)}; without them there is no majority to decide. Start them, or ` +
        'name them, too, if they are gone for good',
    );
  }

  #whyNot(ring: Ring, gone: ReadonlySet<NodeId>): string {
    if (isMajorityLeft(ring, gone) && partitionsShort(ring, gone).length === 0)
      return 'enough members and copies are left to go on without loss; remove it without force';
    return 'nobody would be left to keep anything';
  }
}

function namesOf(ring: Ring, ids: readonly NodeId[]): string {
  return ids.map((id) => ring.member(id)?.name ?? id).join(', ');
}
