/**
 * What happened in the cluster as this node saw it, for people and programs that look on
 * (`GET /cluster/events`). Rooms tell it things as they tell the log; no room acts on what it hears, so
 * nothing depends on the order or on whether anybody listens.
 */

/** What it tells. Members go by their names. */
export type ClusterEvent =
  /** What this node believes of another member has changed. */
  | { readonly type: `member.${'alive' | 'suspect' | 'dead'}`; readonly member: string }
  /** A node whose name is that of a member replaced before is a member again. */
  | { readonly type: 'member.returned'; readonly member: string }
  /** A transition has begun, or goes on to another goal: `joining` came with this ring. */
  | {
      readonly type: 'ring.joint';
      readonly epoch: number;
      readonly task: string;
      readonly partitions: number;
      readonly joining: readonly string[];
      readonly leaving: readonly string[];
    }
  | { readonly type: 'ring.settled'; readonly epoch: number; readonly members: number }
  /** So many partitions go on with what survives of their replicas. */
  | { readonly type: 'ring.survivors'; readonly epoch: number; readonly partitions: number }
  /** An operator forced this ring: it goes on without these members, decided by all that are left. */
  | { readonly type: 'ring.forced'; readonly epoch: number; readonly givenUp: readonly string[] }
  /** Of those, so many acknowledged writes that went through this node are on no survivor, as far as it knows. */
  | { readonly type: 'writes.missing'; readonly epoch: number; readonly writes: number }
  | {
      readonly type: 'transition.progress';
      readonly task: string;
      readonly toPull: number;
      readonly pulled: number;
    }
  /** Since the process started: damaged records found on its disk, records gone from it, and those made good. */
  | {
      readonly type: 'repair.progress';
      readonly damaged: number;
      readonly missing: number;
      readonly healed: number;
    }
  | {
      readonly type: `replacement.${'frozen' | 'thawed'}`;
      readonly dead: number;
      readonly members: number;
    };

export interface ToldEvent {
  /** Resumes behind this event, on this node and in this life of it. */
  readonly id: string;
  /** By this node's clock, milliseconds since 1970. */
  readonly timeMs: number;
  readonly event: ClusterEvent;
}

/** What a listener gets at once, and how it ends. */
export interface Listening {
  /** What was told since the event it knows; all that is kept when that one is unknown here. */
  readonly past: readonly ToldEvent[];
  /** Whether there may have been events in between that are not kept any more. */
  readonly missed: boolean;
  stop(): void;
}

const MAX_KEPT = 512;

export class ClusterEvents {
  readonly #life: string;
  readonly #wallMs: () => number;
  /** Oldest first. */
  readonly #kept: ToldEvent[] = [];
  readonly #listeners = new Set<(told: ToldEvent) => void>();
  #count = 0;

  constructor(options: {
    /** Of this process and no other: numbers start again with each life. */
    readonly life: string;
    readonly wallMs: () => number;
  }) {
    this.#life = options.life;
    this.#wallMs = options.wallMs;
  }

  tell(event: ClusterEvent): void {
    this.#count += 1;
    const told = { id: `${this.#life}-${this.#count}`, timeMs: this.#wallMs(), event };
    this.#kept.push(told);
    if (this.#kept.length > MAX_KEPT) this.#kept.shift();
    for (const listener of this.#listeners) listener(told);
  }

  /** From now on, or from behind `lastId` on. `take` must not throw. */
  listen(lastId: string | undefined, take: (told: ToldEvent) => void): Listening {
    this.#listeners.add(take);
    const stop = (): void => {
      this.#listeners.delete(take);
    };
    if (lastId === undefined) return { past: [], missed: false, stop };
    const known = this.#kept.findIndex(({ id }) => id === lastId);
    return { past: this.#kept.slice(known + 1), missed: known === -1, stop };
  }
}
