import type { Version } from '../../src/version/version.ts';

/** What a client did to one key and what it was told. Times are virtual milliseconds. */
export interface Operation {
  readonly client: number;
  readonly coordinator: string;
  readonly key: string;
  readonly action:
    | { readonly kind: 'put'; readonly value: string }
    | { readonly kind: 'get' | 'delete' };
  readonly startMs: number;
  /** Several nodes were down when it began, or ended: maybe all replicas of its key. */
  shortHanded?: boolean;
  /** Absent while it runs, and for ever when its coordinator died. */
  endMs: number | undefined;
  result: Result;
}

export type Result =
  /** `value`: what a get returned. `found`: whether a delete found something. */
  | {
      readonly is: 'ok';
      readonly value?: string | undefined;
      readonly version?: Version | undefined;
      readonly found?: boolean;
    }
  /** A promise that nothing was applied. */
  | { readonly is: 'not_applied' }
  /** A failed read; or a write of which nobody knows. */
  | { readonly is: 'unknown' };

/** All operations of a run, in the order in which they began. */
export class History {
  readonly #operations: Operation[] = [];

  get operations(): readonly Operation[] {
    return this.#operations;
  }

  begin(operation: Omit<Operation, 'endMs' | 'result'>): Operation {
    const begun: Operation = { ...operation, endMs: undefined, result: { is: 'unknown' } };
    this.#operations.push(begun);
    return begun;
  }

  /** The operations of each key. */
  byKey(): ReadonlyMap<string, readonly Operation[]> {
    const keys = new Map<string, Operation[]>();
    for (const operation of this.#operations) {
      const ofKey = keys.get(operation.key);
      if (ofKey === undefined) keys.set(operation.key, [operation]);
      else ofKey.push(operation);
    }
    return keys;
  }
}

/** An operation in the words of a judge. */
export function describe({ client, action, key, coordinator, startMs, endMs }: Operation): string {
  const until = endMs === undefined ? '' : ` to ${endMs.toFixed(1)}`;
  return `client${client}'s ${action.kind} of ${key} by ${coordinator} (${startMs.toFixed(1)}${until} ms)`;
}
