/**
 * How many replicas each member should keep: its share by weight, of which two limits may take
 * something away. A member keeps at most one replica of a partition, and a zone only so many. What a
 * limit takes from one goes to the others by weight, as water fills basins of different depth.
 *
 * Computed in whole numbers (a level is a fraction), so that a share of exactly 48 is 48 everywhere.
 */
import { invariant } from '../invariant.ts';
import type { Member } from './member.ts';

/** A member's share, rounded down and up: it keeps the one number or the other. */
export interface Share {
  readonly least: number;
  readonly most: number;
}

/**
 * The most replicas of one partition that a zone may keep: as few as possible, so ceil(replicas /
 * zones) as long as every zone has that many members.
 */
export function zoneLimitOf(members: readonly Member[], replicas: number): number {
  const sizes = [...byZone(members).values()].map((zone) => zone.length);
  for (let limit = 1; limit < replicas; limit++) {
    const room = sizes.reduce((sum, size) => sum + Math.min(size, limit), 0);
    if (room >= replicas) return limit;
  }
  return replicas;
}

/** The share of each member, when every one of `partitions` partitions has `replicas` replicas. */
export function sharesOf(options: {
  readonly members: readonly Member[];
  readonly partitions: number;
  readonly replicas: number;
  readonly zoneLimit: number;
}): ReadonlyMap<Member, Share> {
  const { members, partitions, replicas, zoneLimit } = options;
  const zoneMost = partitions * zoneLimit;
  const shares = new Map<Member, Share>();
  let open = [...byZone(members).values()];
  let units = partitions * replicas;

  // A zone that is too full keeps its limit; the level of the others rises, so it stays too full.
  while (open.length > 0) {
    const level = levelOf(open.flat(), units, partitions);
    const full = open.filter((zone) => holdsMoreThan(zoneMost, zone, level, partitions));
    const done = full.length === 0 ? open : full;
    for (const zone of done) {
      const zoneLevel = full.length === 0 ? level : levelOf(zone, zoneMost, partitions);
      for (const member of zone) shares.set(member, shareAt(zoneLevel, member, partitions));
      if (full.length > 0) units -= zoneMost;
    }
    open = open.filter((zone) => !done.includes(zone));
  }
  return shares;
}

/** Replicas per unit of weight: `units / weight`. A weight of 0 means that everyone is full. */
interface Level {
  readonly units: number;
  readonly weight: number;
}

/** The level at which `members`, each holding `most` at the most, hold `units` together. */
function levelOf(members: readonly Member[], units: number, most: number): Level {
  const heaviestFirst = [...members].sort((a, b) => b.weight - a.weight);
  let weight = members.reduce((sum, member) => sum + member.weight, 0);
  let left = units;
  for (const member of heaviestFirst) {
    if (member.weight * left < most * weight) return { units: left, weight };
    left -= most;
    weight -= member.weight;
  }
  invariant(left === 0, 'room for every replica');
  return { units: 1, weight: 0 };
}

function shareAt({ units, weight }: Level, member: Member, most: number): Share {
  const amount = member.weight * units;
  if (amount >= most * weight) return { least: most, most };
  const least = Math.floor(amount / weight);
  return { least, most: amount % weight === 0 ? least : least + 1 };
}

function holdsMoreThan(
  limit: number,
  zone: readonly Member[],
  level: Level,
  most: number,
): boolean {
  const { units, weight } = level;
  let amount = 0; // times level.weight, to stay whole
  for (const member of zone) amount += Math.min(member.weight * units, most * weight);
  return weight === 0 ? zone.length * most > limit : amount > limit * weight;
}

function byZone(members: readonly Member[]): ReadonlyMap<string, readonly Member[]> {
  const zones = new Map<string, Member[]>();
  for (const member of members) {
    const zone = zones.get(member.zone);
    if (zone === undefined) zones.set(member.zone, [member]);
    else zone.push(member);
  }
  return zones;
}
