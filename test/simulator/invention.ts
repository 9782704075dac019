/** Values out of nowhere: read or kept, but never written; or written, and answered "not applied". */
import type { DiskRecord } from './disk-record.ts';
import { Findings, type Flaw } from './flaw.ts';
import { describe, type Operation } from './history.ts';

/** What is read, and what is kept at the end, was written to that key, and not only later. */
export function inventions(
  key: string,
  operations: readonly Operation[],
  kept: readonly DiskRecord[],
): readonly Flaw[] {
  const findings = new Findings('no-invention');
  const writes = new Map(
    operations.flatMap((o) => (o.action.kind === 'put' ? [[o.action.value, o]] : [])),
  );
  for (const read of operations) {
    const value = valueRead(read);
    if (value === undefined) continue;
    const write = writes.get(value);
    if (write === undefined)
      findings.add(`${describe(read)} returned ${value}, which nobody wrote`);
    else if (write.startMs > (read.endMs ?? 0))
      findings.add(`${describe(read)} returned ${value} before it was written`);
  }
  for (const { value } of kept) {
    if (value !== undefined && !writes.has(value))
      findings.add(`a replica of ${key} keeps ${value}, which nobody wrote`);
  }
  if (kept.some(({ value }) => value === undefined) && !operations.some(isDelete))
    findings.add(`a replica of ${key} keeps a tombstone, and nobody deleted it`);
  return findings.flaws;
}

/** What was answered "not applied" is never read, and never was on a disk. */
export function appliedThoughDenied(
  operations: readonly Operation[],
  wasOnDisk: (value: string) => boolean,
): readonly Flaw[] {
  const findings = new Findings('not-applied');
  const readers = new Map(operations.map((operation) => [valueRead(operation), operation]));
  for (const { action, result } of operations) {
    if (action.kind !== 'put' || result.is !== 'not_applied') continue;
    const reader = readers.get(action.value);
    if (reader !== undefined)
      findings.add(
        `${describe(reader)} returned ${action.value}, whose write was answered "not applied"`,
      );
    else if (wasOnDisk(action.value))
      findings.add(`${action.value} was on a disk, and its write was answered "not applied"`);
  }
  return findings.flaws;
}

function isDelete({ action }: Operation): boolean {
  return action.kind === 'delete';
}

function valueRead({ action, result }: Operation): string | undefined {
  return action.kind === 'get' && result.is === 'ok' ? result.value : undefined;
}
