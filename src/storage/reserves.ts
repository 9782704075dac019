/**
 * Two reserves at the end of a volume: below the first, new values are refused, below the second one
 * repair and votes as well (`Space`).
 */
import type { Space } from './store.ts';

const MIB = 1024 * 1024;

/** 10 % of the whole, at most 64 MiB. */
export function lowBelow(wholeBytes: number): number {
  return Math.min(64 * MIB, Math.floor(wholeBytes * 0.1));
}

/** 3 % of the whole, at most 16 MiB. */
export function exhaustedBelow(wholeBytes: number): number {
  return Math.min(16 * MIB, Math.floor(wholeBytes * 0.03));
}

export function spaceOf(availableBytes: number, wholeBytes: number): Space {
  if (availableBytes < exhaustedBelow(wholeBytes)) return 'exhausted';
  if (availableBytes < lowBelow(wholeBytes)) return 'low';
  return 'ample';
}
