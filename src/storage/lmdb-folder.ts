/**
 * The data directory of the LMDB adapter, which owns it: made, looked at, measured.
 *
 * It is looked at before LMDB does: given a file that is not its own, lmdb's `open` ends the process
 * with a segmentation fault (3.5.6). Here that is an error with a remedy.
 */
// biome-ignore lint/style/noRestrictedImports: the LMDB adapter owns the data directory.
import { access, constants, mkdir, open, realpath, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StartupError } from '../errors.ts';

const DATABASE = 'data.mdb';
const ZEROS_AT_ONCE = 1024 * 1024;

/** Where the first page of an LMDB file says what it is, and what it says. */
const MAGIC_AT = 24;
const MAGIC = 0xbeefc0de;
const FILE_FORMAT = 2;
/** Where it says how large its pages are, in bytes. The first two of them say where all else is. */
const PAGE_SIZE_AT = 48;
const HEAD_BYTES = PAGE_SIZE_AT + 4;

/** `folder`, made if need be, fit for LMDB, as a path without links. @throws StartupError */
export async function usableFolder(folder: string): Promise<string> {
  try {
    await makeFolder(folder);
    const path = await realpath(folder);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    await requireLmdbFile(join(path, DATABASE));
    await requireWritable(join(path, 'lock.mdb'));
    return path;
  } catch (error) {
    throw error instanceof StartupError ? error : unusable(folder, error);
  }
}

export interface Volume {
  readonly availableBytes: number;
  readonly wholeBytes: number;
}

/** The volume that `folder` lies on. */
export async function volumeOf(folder: string): Promise<Volume> {
  const { bavail, bsize, blocks } = await statfs(folder);
  return { availableBytes: bavail * bsize, wholeBytes: blocks * bsize };
}

/** What the database has of the volume, whether LMDB uses it or not. */
export async function databaseBytes(folder: string): Promise<number> {
  const { size, blocks } = await stat(join(folder, DATABASE));
  return Math.min(size, blocks * 512);
}

/** Writes zeros behind the end of the database, where LMDB has nothing yet. @throws when there is no room. */
export async function lengthenDatabase(folder: string, toBytes: number): Promise<void> {
  const file = await open(join(folder, DATABASE), 'r+');
  try {
    const zeros = new Uint8Array(ZEROS_AT_ONCE);
    for (let { size } = await file.stat(); size < toBytes; ) {
      const { bytesWritten } = await file.write(
        zeros,
        0,
        Math.min(zeros.length, toBytes - size),
        size,
      );
      size += bytesWritten;
    }
  } finally {
    await file.close();
  }
}

export function unusable(folder: string, cause: unknown): StartupError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StartupError(
    `the data directory ${folder} cannot be used (${reason}); ` +
      'make it a folder that this user may write to, or name another one (QUORATE_DATA_DIR)',
    { cause },
  );
}

/** Not node's `recursive`: that one never returns where a parent exists but takes no children (/proc). */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (isCode(error, 'EEXIST') && (await stat(folder)).isDirectory()) return;
    if (!isCode(error, 'ENOENT') || dirname(folder) === folder) throw error;
    await makeFolder(dirname(folder));
    await mkdir(folder);
  }
}

/** A file that is empty or not there yet is one that LMDB makes. */
async function requireLmdbFile(file: string): Promise<void> {
  await requireWritable(file);
  const head = await firstBytes(file, HEAD_BYTES);
  if (head.length === 0) return;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const known =
    head.length === HEAD_BYTES &&
    view.getUint32(MAGIC_AT, true) === MAGIC &&
    (view.getUint32(MAGIC_AT + 4, true) & 0xffff) === FILE_FORMAT &&
    (await stat(file)).size >= 2 * view.getUint32(PAGE_SIZE_AT, true);
  if (known) return;
  throw new StartupError(
    `${file} is damaged, or not a file of this store; move it away to start empty (the other nodes ` +
      'then copy here what belongs here), or name another folder (QUORATE_DATA_DIR)',
  );
}

async function requireWritable(file: string): Promise<void> {
  await access(file, constants.R_OK | constants.W_OK).catch(unlessMissing);
}

async function firstBytes(file: string, count: number): Promise<Uint8Array> {
  const handle = await open(file, 'r').catch(unlessMissing);
  if (handle === undefined) return new Uint8Array();
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function unlessMissing(error: unknown): undefined {
  if (!isCode(error, 'ENOENT')) throw error;
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
