/** What some faults need of the machine. A test without it is skipped, and a line says so. */
import { spawnSync } from 'node:child_process';

/** Whether a tool works here; otherwise `tests` are named as skipped. */
export function has(tool: 'gcc' | 'faketime', tests: string): boolean {
  const works = spawnSync(tool, ['--version']).status === 0;
  if (!works) console.warn(`skipped: ${tests}, as ${tool} is not installed`);
  return works;
}
