/** The rules of a ring change that can be left out one at a time, each with what happens without it. */
export const RING_CLAUSES = {
  'older epochs refused': 'replicas answer requests of rings that they know to be out of date',
  'newer epoch taken first': 'replicas answer requests of a newer ring without taking that ring',
  'old set asked': 'while joint, a read asks a quorum of the wanted set only',
  'wanted set asked': 'while joint, a read asks a quorum of the old set only',
  'old set stores': 'while joint, a write is acknowledged by a quorum of the wanted set alone',
  'wanted set stores': 'while joint, a write is acknowledged by a quorum of the old set alone',
  'old set written back': 'while joint, a read writes back to a quorum of the wanted set only',
  'wanted set written back': 'while joint, a read writes back to a quorum of the old set only',
  'old set agrees': 'while joint, a read skips the write-back when the wanted set agrees',
  'wanted set agrees': 'while joint, a read skips the write-back when the old set agrees',
  'reads write back': 'reads return the highest version that they saw, and write nothing back',
  'pulls from n-q+1': 'a replica pulls from one replica of the old set and is content',
  'kept replicas pull': 'replicas that keep their place do not pull',
  'all pull again after a fold': 'a replica that pulled before the fold does not pull again',
  'sources take the joint epoch': 'a source answers a pull without taking the joint epoch first',
  'new when all have pulled':
    'the new ring is decided when the first replica of the wanted set has pulled',
  'old set stays while joint': 'a fold takes the set wanted before it as its old set',
  'same version after a refusal': 'a write refused by epoch starts again under a new version',
} as const;

/**
 * Rules that are stricter than an atomic register needs: nothing is found without them. They are kept
 * for other promises (N copies of everything before the old replicas are let go) or because the
 * simpler rule is easier to trust.
 */
export const SPARE_RULES = {
  'all have pulled, not only a quorum':
    'the new ring is decided when a quorum of the wanted set has pulled',
  'answers counted anew': 'a write counts answers under an older ring towards the newer one',
} as const;

export type Clause = keyof typeof RING_CLAUSES | keyof typeof SPARE_RULES;
