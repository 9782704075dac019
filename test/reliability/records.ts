import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Records } from './page.ts';

/** What the last long run and `make mutants` left in the tree at `root`. */
export function readRecords(root: string): Records {
  const read = (name: string) => JSON.parse(readFileSync(join(root, 'test', name), 'utf8'));
  return { run: read('simulation/last-long-run.json'), kills: read('mutants/killing-seeds.json') };
}
