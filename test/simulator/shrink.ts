/**
 * Makes a failing run smaller: leaves out faults, then clients, then the later part of its time, as long
 * as the same checker still objects (after Zeller and Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", 2002: large parts first, then smaller ones). What is found need not be the
 * smallest that there is.
 */
import type { Omissions, RunFault } from './omissions.ts';

/** Time is cut to so many milliseconds exactly. */
const TIME_STEP_MS = 50;

export interface Shrunk {
  readonly omissions: Omissions;
  readonly tries: number;
}

export async function shrink(options: {
  /** What there is to leave out. */
  readonly faults: readonly RunFault[];
  readonly clients: number;
  readonly workloadMs: number;
  /** Whether a run without these still fails in the same way. */
  readonly fails: (omissions: Omissions) => Promise<boolean>;
  readonly maxTries: number;
}): Promise<Shrunk> {
  const { faults, workloadMs, maxTries } = options;
  const clients = Array.from({ length: options.clients }, (_, number) => number);
  let best: Omissions = { faults: [], clients: [], untilMs: undefined };
  let tries = 0;
  const attempt = async (omissions: Omissions): Promise<boolean> => {
    if (tries >= maxTries) return false;
    tries += 1;
    if (!(await options.fails(omissions))) return false;
    best = omissions;
    return true;
  };

  // With less time, or fewer clients, more faults may turn out not to matter.
  for (let before: Omissions | undefined; before !== best; ) {
    before = best;
    await leaveOut(faults, before.faults, (without) => attempt({ ...best, faults: without }));
    await leaveOut(clients, before.clients, (without) => attempt({ ...best, clients: without }));
    let failing = best.untilMs ?? workloadMs;
    for (let passing = 0; failing - passing > TIME_STEP_MS; ) {
      const untilMs = Math.round((passing + failing) / 2);
      if (await attempt({ ...best, untilMs })) failing = untilMs;
      else passing = untilMs;
    }
  }
  return { omissions: best, tries };
}

/** Leaves out as many of `parts` as it can, besides those that are already. */
async function leaveOut<Part>(
  parts: readonly Part[],
  already: readonly Part[],
  attempt: (without: readonly Part[]) => Promise<boolean>,
): Promise<void> {
  let kept = parts.filter((part) => !already.includes(part));
  for (let size = kept.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      const rest = kept.toSpliced(at, size);
      if (await attempt(parts.filter((part) => !rest.includes(part)))) kept = rest;
      else at += size;
    }
  }
}
