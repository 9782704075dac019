/**
 * The promises of an atomic register, checked by versions: every value has one, so the order of
 * things is known and need not be searched for.
 */
import type { Version } from '../../src/version/version.ts';
import { describe, type Operation } from './history.ts';

/** What is wrong, in a sentence; `undefined` when nothing is. */
export function registerFlaw(operations: readonly Operation[]): string | undefined {
  return versionUsedTwice(operations) ?? backInTime(operations);
}

/** No two values carry one version, and no value carries two. */
function versionUsedTwice(operations: readonly Operation[]): string | undefined {
  const values = new Map<Version, string>();
  const versions = new Map<string, Version>();
  for (const operation of operations) {
    const seen = observed(operation);
    if (seen?.value === undefined || seen.version === undefined) continue;
    const value = values.get(seen.version);
    if (value !== undefined && value !== seen.value)
      return `${seen.version} stands for ${value} and ${seen.value}`;
    const version = versions.get(seen.value);
    if (version !== undefined && version !== seen.version)
      return `${seen.value} carries ${version} and ${seen.version}`;
    values.set(seen.version, seen.value);
    versions.set(seen.value, seen.version);
  }
  return undefined;
}

/** Whatever begins after an operation that showed a version shows that version or a newer one. */
function backInTime(operations: readonly Operation[]): string | undefined {
  const ends = operations
    .filter(
      (operation) => observed(operation)?.version !== undefined && operation.endMs !== undefined,
    )
    .sort((a, b) => (a.endMs ?? 0) - (b.endMs ?? 0));
  let highest: { readonly version: Version; readonly by: Operation } | undefined;
  let next = 0;
  for (const operation of [...operations].sort((a, b) => a.startMs - b.startMs)) {
    for (
      let end = ends[next];
      end !== undefined && (end.endMs ?? 0) < operation.startMs;
      end = ends[++next]
    ) {
      const version = observed(end)?.version;
      if (version !== undefined && (highest === undefined || version > highest.version)) {
        highest = { version, by: end };
      }
    }
    const seen = observed(operation);
    if (highest === undefined || seen === undefined) continue;
    if (seen.version !== undefined && isBehind(operation, seen.version, highest.version)) {
      return `${describe(operation)} showed ${seen.version} after ${describe(highest.by)} had shown ${highest.version}`;
    }
  }
  return undefined;
}

/** A write needs a version of its own above; a read may show the same one. */
function isBehind({ action }: Operation, version: Version, highest: Version): boolean {
  return action.kind === 'get' ? version < highest : version <= highest;
}

function observed({ action, result }: Operation) {
  if (result.is !== 'ok') return undefined;
  const value = action.kind === 'put' ? action.value : result.value;
  return { value, version: result.version };
}
