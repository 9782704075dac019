/** A volume of a few megabytes, to be filled. Mounting one needs root. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class SmallVolume {
  readonly folder: string;

  /** `size` as mount understands it: `8m`. */
  static mount(size: string): SmallVolume {
    const volume = new SmallVolume();
    try {
      run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', volume.folder]);
    } catch (error) {
      rmdirSync(volume.folder);
      throw error;
    }
    return volume;
  }

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'quorate-volume-'));
  }

  grow(size: string): void {
    run('mount', ['-o', `remount,size=${size}`, this.folder]);
  }

  unmount(): void {
    run('umount', [this.folder]);
    rmdirSync(this.folder);
  }
}

/** Whether volumes can be mounted here; otherwise a line says that `tests` are skipped. */
export function canMount(tests: string): boolean {
  try {
    SmallVolume.mount('1m').unmount();
    return true;
  } catch {
    console.warn(`skipped: ${tests}, as mounting a tmpfs is not allowed here (it needs root)`);
    return false;
  }
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args);
  if (status !== 0) throw new Error(`${command}: ${error ?? stderr}`);
}
