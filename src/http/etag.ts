import type { Version } from '../version/version.ts';

/** The entity tag of a record: its version in quotes. */
export function etagOf(version: Version): string {
  return `"${version}"`;
}

/**
 * Whether `etag` is among those of an `If-None-Match` (RFC 9110, 13.1.2): a list, or `*` for any.
 * The comparison is the weak one, so a proxy that weakened the tag does no harm.
 */
export function isListed(etag: string, ifNoneMatch: string): boolean {
  return ifNoneMatch
    .split(',')
    .map((tag) => tag.trim())
    .some((tag) => tag === '*' || tag === etag || tag === `W/${etag}`);
}
