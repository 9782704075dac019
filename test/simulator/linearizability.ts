/**
 * Whether the operations on one key could have happened one after the other, each at some moment
 * between its start and its end, on a single register (Wing and Gong, "Testing and Verifying Concurrent
 * Objects", 1993, with the memory of Lowe, "Testing for Linearizability", 2017). It looks at values
 * only, so it judges independently of versions.
 */
import type { Operation } from './history.ts';

/** Places looked at before the search gives up: many unknown writes at once make it exponential. */
const MAX_PLACES = 20_000;

/** What the register holds: a value, or nothing. */
type Register = string | undefined;

interface Step {
  readonly operation: Operation;
  readonly startMs: number;
  /** Infinite for a write of which nobody knows: it may take effect at any later time, or never. */
  readonly endMs: number;
  readonly optional: boolean;
}

export function isLinearizable(operations: readonly Operation[]): boolean | 'undecided' {
  const read = new Set(
    operations.flatMap(({ result }) => (result.is === 'ok' ? result.value : [])),
  );
  // An unknown put that no read returned may as well never have taken effect.
  const matters = ({ action, result }: Operation): boolean =>
    result.is !== 'unknown' || action.kind !== 'put' || read.has(action.value);
  const steps = operations.filter(matters).flatMap(stepOf);
  return search(steps.sort((a, b) => a.startMs - b.startMs));
}

function stepOf(operation: Operation): readonly Step[] {
  const { action, result, startMs, endMs } = operation;
  if (result.is === 'not_applied') return [];
  if (result.is === 'unknown') {
    if (action.kind === 'get') return [];
    return [{ operation, startMs, endMs: Number.POSITIVE_INFINITY, optional: true }];
  }
  return [{ operation, startMs, endMs: endMs ?? Number.POSITIVE_INFINITY, optional: false }];
}

/** Depth first over the orders that the times allow, never twice from the same set of steps and value. */
function search(steps: readonly Step[]): boolean | 'undecided' {
  const done = new Uint8Array(steps.length);
  const seen = new Set<string>();
  const left = (): number => {
    let count = 0;
    steps.forEach((step, index) => {
      if (done[index] === 0 && !step.optional) count += 1;
    });
    return count;
  };

  const visit = (register: Register): boolean => {
    if (left() === 0) return true;
    const place = `${Buffer.from(done).toString('latin1')}${register ?? '\0'}`;
    if (seen.has(place) || seen.size >= MAX_PLACES) return false;
    seen.add(place);
    const firstEnd = earliestEnd(steps, done);
    for (let index = 0; index < steps.length; index++) {
      const step = steps[index];
      if (step === undefined || step.startMs > firstEnd) break; // something ended before this began
      if (done[index] === 1) continue;
      const next = apply(step, register);
      if (next === 'impossible') continue;
      done[index] = 1;
      if (visit(next.register)) return true;
      done[index] = 0;
    }
    return false;
  };
  if (visit(undefined)) return true;
  return seen.size >= MAX_PLACES ? 'undecided' : false;
}

function earliestEnd(steps: readonly Step[], done: Uint8Array): number {
  let earliest = Number.POSITIVE_INFINITY;
  steps.forEach((step, index) => {
    if (done[index] === 0) earliest = Math.min(earliest, step.endMs);
  });
  return earliest;
}

function apply(
  { operation: { action, result } }: Step,
  register: Register,
): { readonly register: Register } | 'impossible' {
  switch (action.kind) {
    case 'put':
      return { register: action.value };
    case 'get':
      return result.is === 'ok' && result.value === register ? { register } : 'impossible';
    case 'delete':
      // One that found nothing was a read. One that found something is a blind write, like a put:
      // two at once may both have found the same value.
      if (result.is === 'ok' && result.found === false && register !== undefined)
        return 'impossible';
      return { register: undefined };
  }
}
