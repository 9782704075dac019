/**
 * Where the nodes of `dev` live: a folder with their data, their logs and the cluster secret. It is
 * a temporary one, removed at the end, unless a folder was named.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Environment } from '../config.ts';
import { CommandError } from './command-error.ts';

export interface DevHome {
  /** Absolute. */
  readonly folder: string;
  readonly lifetime: 'kept' | 'temporary';
}

export async function openHome(folder: string | undefined): Promise<DevHome> {
  if (folder === undefined) {
    return { folder: await mkdtemp(join(tmpdir(), 'quorate-dev-')), lifetime: 'temporary' };
  }
  const absolute = resolve(folder);
  try {
    await mkdir(absolute, { recursive: true });
  } catch (error) {
    const reason = (error as Error).message;
    throw new CommandError(`--data-dir: cannot make ${absolute} (${reason})`, {
      cause: error,
    });
  }
  return { folder: absolute, lifetime: 'kept' };
}

export async function closeHome({ folder, lifetime }: DevHome): Promise<void> {
  if (lifetime === 'temporary') await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

/**
 * The file with the secret that `dev` draws for its nodes, the same one whenever the folder is used
 * again; `undefined` when the user has configured a secret.
 */
export async function ownSecretFile(
  { folder }: DevHome,
  environment: Environment,
): Promise<string | undefined> {
  const configured =
    environment['QUORATE_CLUSTER_SECRET'] ?? environment['QUORATE_CLUSTER_SECRET_FILE'];
  if (configured !== undefined) return undefined;
  const file = join(folder, 'cluster-secret');
  try {
    await writeFile(file, `${randomBytes(32).toString('hex')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return file;
}

export async function readSecret(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim();
}
