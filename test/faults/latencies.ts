/** How long light requests take while something heavy goes on. */
import { pause } from './pause.ts';

/** Starts one request every `everyMs`, however long those before it take. Ends when `until` does. */
export async function latenciesMs(
  request: (number: number) => Promise<unknown>,
  everyMs: number,
  until: Promise<unknown>,
): Promise<readonly number[]> {
  const state = { over: false };
  const over = until.finally(() => {
    state.over = true;
  });
  const took: number[] = [];
  const running: Promise<void>[] = [];
  const startedMs = performance.now();
  for (let number = 0; !state.over; number++) {
    // Counted from when it should have started: a busy client must not hide what a busy server does.
    const dueMs = startedMs + number * everyMs;
    await pause(dueMs - performance.now());
    running.push(
      request(number).then(() => {
        took.push(performance.now() - dueMs);
      }),
    );
  }
  await Promise.all([...running, over]);
  return took;
}

/** The length below which a share of `lengths` lies: 0.99 for the 99th percentile. */
export function percentile(lengths: readonly number[], share: number): number {
  const sorted = [...lengths].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
