/** The wall clock of one node, set by libfaketime while it runs; its monotonic clock is left alone. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class FalseClock {
  readonly #folder: string;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'quorate-clock-'));
    this.set('+0');
  }

  /** Relative to the true time, as faketime writes it: `-1h`, `+10y`, `-2.5` seconds. */
  set(offset: string): void {
    writeFileSync(this.#file, `${offset}\n`);
  }

  /** Of the node that is to live by this clock. */
  get environment(): Readonly<Record<string, string>> {
    const told = spawnSync('faketime', ['-m', '-f', '+0', 'printenv', 'LD_PRELOAD']);
    return {
      LD_PRELOAD: told.stdout.toString().trim(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      // Without these a jump backwards ends Node, or is seen only some seconds later.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_NO_CACHE: '1',
    };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  get #file(): string {
    return join(this.#folder, 'offset');
  }
}
