/**
 * Who is away for long, and who may still go: what keeps a run within what was promised. A member counts
 * as away from its death, or from the loss of its disk, for as long as it is away; it stops to matter when
 * a ring is in force that does not name it any more.
 */
import type { NodeId } from '../../src/ids.ts';
import type { Ring } from '../../src/ring/ring.ts';

/** What a run may do to its cluster: nothing, what it was promised to get over, or more than that. */
export type Contract = 'still' | 'promised' | 'beyond';

/** Dead, its disk lost for ever, or cut off from most of the others. */
type Absence = 'dead' | 'lost' | 'cut_off';

export class Absences {
  readonly #contract: Contract;
  readonly #newest: () => Ring | undefined;
  readonly #away = new Map<NodeId, Absence>();

  constructor(contract: Contract, newest: () => Ring | undefined) {
    this.#contract = contract;
    this.#newest = newest;
  }

  /** Whether everybody is there. */
  get areNone(): boolean {
    return this.#away.size === 0;
  }

  isAway(id: NodeId): boolean {
    return this.#away.has(id);
  }

  /** Whether its process is not to be started yet. */
  isDead(id: NodeId): boolean {
    return this.#away.get(id) === 'dead';
  }

  begin(absence: Absence, ids: readonly NodeId[]): void {
    for (const id of ids) this.#away.set(id, absence);
  }

  end(ids: readonly NodeId[]): void {
    for (const id of ids) this.#away.delete(id);
  }

  /** Whether these may go, too, and come back some time. */
  mayGo(ids: readonly NodeId[]): boolean {
    const ring = this.#newest();
    if (ring === undefined) return false;
    const away = this.#with(ids);
    return this.#contract === 'beyond' ? leavesMajority(ring, away) : leavesEnough(ring, away);
  }

  /** Whether their disks may be lost for ever, too: never beyond what was promised. */
  mayLose(ids: readonly NodeId[]): boolean {
    const ring = this.#newest();
    return ring !== undefined && leavesEnough(ring, this.#with(ids));
  }

  #with(ids: readonly NodeId[]): ReadonlySet<NodeId> {
    return new Set([...this.#away.keys(), ...ids]);
  }
}

/** Without a majority nothing would change any more until they are back. */
function leavesMajority({ voters }: Pick<Ring, 'voters'>, away: ReadonlySet<NodeId>): boolean {
  return 2 * voters.filter(({ id }) => !away.has(id)).length > voters.length;
}

/**
 * Whether a majority of the voters is left, also of those of the ring that a transition leads to, and
 * n-q+1 of every replica set, the wanted ones included.
 */
function leavesEnough(ring: Ring, away: ReadonlySet<NodeId>): boolean {
  const staying = ring.members.filter(({ leaving }) => leaving === 'no');
  if (!leavesMajority(ring, away) || !leavesMajority({ voters: staying }, away)) return false;
  return [...ring.assignment, ...(ring.next ?? [])].every((set) => {
    const left = set.filter((id) => !away.has(id)).length;
    return left >= set.length - Math.floor(set.length / 2);
  });
}
