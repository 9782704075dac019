/**
 * The record of a long run: `make simulate RUNS=n RECORD=1` writes it, `make reliability` puts it into
 * `docs/reliability.md`.
 */
import { execFileSync } from 'node:child_process';
import type { RunFault } from './omissions.ts';

/** What many runs add up to. */
export interface Totals {
  readonly seeds: number;
  readonly violations: number;
  /** Both runs of each seed, as with the hours. */
  readonly events: number;
  readonly simulatedHours: number;
  /** Operations of the clients while faults struck, in the first run of each seed. */
  readonly succeeded: number;
  readonly failed: number;
  readonly seconds: number;
  /** In how many runs each kind of fault did something. */
  readonly runsWith: Readonly<Record<RunFault, number>>;
}

export interface RunRecord extends Totals {
  readonly firstSeed: number;
  readonly lastSeed: number;
  /** When it began, UTC. */
  readonly date: string;
  readonly code: CodeVersion;
}

/** What was run: what the tree said when the run began. */
export interface CodeVersion {
  /** Absent without git. */
  readonly commit?: string;
  /** Whether files differed from that commit: then it does not say what was run. */
  readonly changed: boolean;
}

/** The record of the last run may differ: it is no part of what is run. */
export function codeVersion(root: string, recordFile: string): CodeVersion {
  const git = (...words: readonly string[]): string =>
    execFileSync('git', words, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const commit = git('rev-parse', 'HEAD');
    return { commit, changed: git('status', '--porcelain', '.', `:!${recordFile}`) !== '' };
  } catch {
    return { changed: true };
  }
}
