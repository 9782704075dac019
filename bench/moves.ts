/** How much a change of the ring has to move. Members by name, all of one weight. */

/** The replicas of each partition. */
type Placement = readonly (readonly string[])[];

/**
 * The fewest replicas that have to move so that `members` keep `copies` replicas of each partition, each
 * member its share: whatever a member that stays keeps beyond its share has to go, and all that is not
 * kept has to come from somewhere.
 */
export function fewestMoves(before: Placement, members: readonly string[], copies: number): number {
  const replicas = before.length * Math.min(copies, members.length);
  const share = Math.floor(replicas / members.length);
  let oneMore = replicas % members.length;
  let kept = 0;
  for (const name of members) {
    const held = before.filter((names) => names.includes(name)).length;
    const isOver = held > share && oneMore > 0;
    if (isOver) oneMore -= 1;
    kept += Math.min(held, isOver ? share + 1 : share);
  }
  return replicas - kept;
}

/** By how many partitions the fullest member keeps more than the emptiest. */
export function spreadOf(placement: Placement): number {
  const held = new Map<string, number>();
  for (const name of placement.flat()) held.set(name, (held.get(name) ?? 0) + 1);
  return Math.max(...held.values()) - Math.min(...held.values());
}
