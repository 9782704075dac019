/** `make reliability`: writes `docs/reliability.md`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { reliabilityPage } from './page.ts';
import { readRecords } from './records.ts';

/** From `build/test/reliability`. */
const PROJECT = join(import.meta.dirname, '..', '..', '..');
const PAGE = join(PROJECT, 'docs', 'reliability.md');

writeFileSync(PAGE, reliabilityPage(readRecords(PROJECT)));
console.log('docs/reliability.md is written');
