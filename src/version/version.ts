/**
 * Versions: a hybrid logical clock reading (Kulkarni et al., "Logical Physical Clocks", 2014) plus
 * the node and its incarnation, so that no two writes ever share one.
 *
 * A version is text of fixed width whose order as text is the order of versions:
 * `pppppppppppp-llll-nnnnnnnnnnnnnnnn-iiiiiiii`, all hexadecimal: physical milliseconds (48 bits),
 * logical counter (16), node id (64), incarnation (32).
 */
import type { Brand, Incarnation, NodeId } from '../ids.ts';
import { invariant } from '../invariant.ts';

export type Version = Brand<string, 'Version'>;

export const VERSION_LENGTH = 43;
export const MAX_PHYSICAL_MS = 2 ** 48 - 1;
export const MAX_LOGICAL = 0xffff;

const SHAPE = /^[0-9a-f]{12}-[0-9a-f]{4}-[0-9a-f]{16}-[0-9a-f]{8}$/;

export interface VersionParts {
  /** Milliseconds since 1970. */
  readonly physical: number;
  readonly logical: number;
  readonly node: NodeId;
  readonly incarnation: Incarnation;
}

export function formatVersion(parts: VersionParts): Version {
  const { physical, logical, node, incarnation } = parts;
  invariant(physical >= 0 && physical <= MAX_PHYSICAL_MS, 'physical time of 48 bits');
  invariant(logical >= 0 && logical <= MAX_LOGICAL, 'a logical counter of 16 bits');
  return `${hex(physical, 12)}-${hex(logical, 4)}-${node}-${hex(incarnation, 8)}` as Version;
}

/** The parts of a version; `version` is known to be one. */
export function parseVersion(version: Version): VersionParts {
  return {
    physical: physicalOf(version),
    logical: Number.parseInt(version.slice(13, 17), 16),
    node: version.slice(18, 34) as NodeId,
    incarnation: Number.parseInt(version.slice(35), 16) as Incarnation,
  };
}

/** Milliseconds since 1970 at which the version was drawn, by its coordinator's clock. */
export function physicalOf(version: Version): number {
  return Number.parseInt(version.slice(0, 12), 16);
}

export function isVersion(text: string): text is Version {
  return text.length === VERSION_LENGTH && SHAPE.test(text);
}

/** The higher of two, where `undefined` (nothing known) is below all. */
export function laterVersion(a: Version | undefined, b: Version | undefined): Version | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a > b ? a : b;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
