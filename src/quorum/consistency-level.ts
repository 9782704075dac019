/** How many replicas a request needs: any one of them, a quorum, or all. */
export const CONSISTENCY_LEVELS = ['one', 'quorum', 'all'] as const;
export type ConsistencyLevel = (typeof CONSISTENCY_LEVELS)[number];

/** More than half of `replicas`: any two quorums share a replica. */
export function quorumOf(replicas: number): number {
  return Math.floor(replicas / 2) + 1;
}

/** The number of answers that `level` asks of a replica set of this size. */
export function requiredAnswers(level: ConsistencyLevel, replicas: number): number {
  switch (level) {
    case 'one':
      return Math.min(1, replicas);
    case 'quorum':
      return quorumOf(replicas);
    case 'all':
      return replicas;
  }
}
