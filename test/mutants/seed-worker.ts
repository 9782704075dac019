/**
 * Runs seeds in the tree that it lies in, each one twice, and prints a line of JSON for each: the seed,
 * and the first sentence of every judge that spoke.
 *
 *     node seed-worker.js 1-2000
 *     node seed-worker.js 17 40
 */
import type { Flaw } from '../simulator/flaw.ts';
import { NOTHING_OMITTED } from '../simulator/omissions.ts';
import { runTwice } from '../simulator/run-twice.ts';
import { Trace } from '../simulator/trace.ts';

/** Errors that requests ended with though they are none for clients: nobody awaits them. */
const astray: Flaw[] = [];
process.on('unhandledRejection', (error) => astray.push(stuck(error)));

// Whoever has heard enough closes the pipe.
process.stdout.on('error', () => process.exit());

for (const range of process.argv.slice(2)) {
  const [first = Number.NaN, last = first] = range.split('-').map(Number);
  for (let seed = first; seed <= last; seed++) {
    const flaws = [...(await judge(seed)), ...astray.splice(0)];
    const spoken = flaws.toReversed().map(({ checker, sentence }) => [checker, sentence]);
    process.stdout.write(`${JSON.stringify({ seed, spoken: Object.fromEntries(spoken) })}\n`);
  }
}

async function judge(seed: number): Promise<readonly Flaw[]> {
  try {
    const task = { seed, omissions: NOTHING_OMITTED, keepLines: 0 };
    return (await runTwice(task, new Trace(0))).flaws;
  } catch (error) {
    return [stuck(error)];
  }
}

function stuck(error: unknown): Flaw {
  return { checker: 'progress', sentence: error instanceof Error ? error.message : String(error) };
}
