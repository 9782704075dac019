/** The random port. Identities and jitter come from it, so that a simulation can repeat a run. */
export interface Random {
  /** `count` bytes that nobody can guess (from a seed, in a simulation). */
  bytes(count: number): Uint8Array;
  /** Uniform in [0, 1), for jitter; not for secrets. */
  fraction(): number;
}

/** `byteCount` random bytes as lower-case hex digits. */
export function randomHex(random: Random, byteCount: number): string {
  return Buffer.from(random.bytes(byteCount)).toString('hex');
}
