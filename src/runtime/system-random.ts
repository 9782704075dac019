import { randomBytes } from 'node:crypto';
import type { Random } from './random.ts';

/** The operating system's randomness for identities, the engine's for jitter. */
export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  fraction: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};
