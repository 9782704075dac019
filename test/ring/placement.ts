/** What the tests of placement share: members to place, and the rules told a second time, another way. */
import type { Address, NodeId } from '../../src/ids.ts';
import type { Member } from '../../src/ring/member.ts';
import type { Assignment } from '../../src/ring/replica-set.ts';

export function nodeId(number: number): NodeId {
  return number.toString(16).padStart(16, '0') as NodeId;
}

export function member(number: number, zone = 'default', weight = 1): Member {
  return {
    id: nodeId(number),
    name: `node${number}`,
    address: `node${number}:7400` as Address,
    zone,
    weight,
    joining: false,
    leaving: 'no',
  };
}

export function membersFrom(first: number, count: number): readonly Member[] {
  return Array.from({ length: count }, (_, index) => member(first + index));
}

/** Replicas kept by each node. */
export function loadsOf(assignment: Assignment): ReadonlyMap<NodeId, number> {
  const loads = new Map<NodeId, number>();
  for (const id of assignment.flat()) loads.set(id, (loads.get(id) ?? 0) + 1);
  return loads;
}

/** Replicas of `after` that their member did not have before. */
export function movesBetween(
  before: readonly (readonly string[])[],
  after: readonly (readonly string[])[],
): number {
  const newcomers = after.map((replicas, partition) =>
    replicas.filter((id) => before[partition]?.includes(id) !== true),
  );
  return newcomers.flat().length;
}

/** The smallest limit of replicas per zone with which `replicas` of them find room. */
export function smallestZoneLimit(members: readonly Member[], replicas: number): number {
  const sizes = [...new Set(members.map(({ zone }) => zone))].map(
    (zone) => members.filter((one) => one.zone === zone).length,
  );
  let limit = Math.ceil(replicas / sizes.length);
  while (sizes.reduce((sum, size) => sum + Math.min(size, limit), 0) < replicas) limit += 1;
  return limit;
}

/** Shares by weight under both limits, found by trying water levels instead of computing them. */
export function waterFilledShares(
  members: readonly Member[],
  partitions: number,
  replicas: number,
): ReadonlyMap<Member, number> {
  const zoneMost = partitions * smallestZoneLimit(members, replicas);
  const zones = groupByZone(members);
  const amountsAt = (level: number, some: readonly Member[]) =>
    some.map(({ weight }) => Math.min(partitions, weight * level));
  const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0);
  const zoneAt = (level: number, zone: readonly Member[]) =>
    Math.min(zoneMost, sum(amountsAt(level, zone)));

  const level = bisect(
    (tried) => sum([...zones.values()].map((zone) => zoneAt(tried, zone))),
    partitions * replicas,
  );
  const shares = new Map<Member, number>();
  for (const zone of zones.values()) {
    const held = zoneAt(level, zone);
    const zoneLevel = bisect((tried) => sum(amountsAt(tried, zone)), held);
    for (const one of zone) shares.set(one, Math.min(partitions, one.weight * zoneLevel));
  }
  return shares;
}

/** The smallest argument at which the rising function `amountAt` reaches `wanted`, nearly. */
function bisect(amountAt: (level: number) => number, wanted: number): number {
  let low = 0;
  let high = 1e6;
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2;
    if (amountAt(middle) < wanted - 1e-9) low = middle;
    else high = middle;
  }
  return high;
}

function groupByZone(members: readonly Member[]): ReadonlyMap<string, readonly Member[]> {
  const names = [...new Set(members.map(({ zone }) => zone))];
  return new Map(names.map((name) => [name, members.filter(({ zone }) => zone === name)]));
}
