import type { Address, NodeId } from '../ids.ts';
import type { ReplyOf } from '../rpc/messages.ts';
import type { AddressAnswer } from '../rpc/transport.ts';
import { type FoundingTerms, foundersOf } from './founding-terms.ts';

export type Introduction = ReplyOf<'membership.introduce'>;

/** A founder that answered, at the address by which all know it. */
export interface Founder {
  readonly address: Address;
  readonly introduction: Introduction;
}

/** What the founders' answers allow. */
export type Agreement =
  | { readonly state: 'agreed'; readonly founders: readonly Founder[] }
  /** These of them belong to a cluster already. */
  | { readonly state: 'formed'; readonly members: readonly NodeId[] }
  | { readonly state: 'waiting'; readonly why: string };

/**
 * Whether a cluster may be formed: only when every listed founder answered, is empty, is a node of
 * its own and was given the same list, cluster name, replication factor, number of partitions, grace period
 * and rule for the last survivor.
 */
export function judgeFounders(
  terms: FoundingTerms,
  self: NodeId,
  answers: ReadonlyMap<Address, AddressAnswer<Introduction>>,
): Agreement {
  const founders: Founder[] = [];
  const missing: string[] = [];
  for (const [address, answer] of answers) {
    if (!answer.ok) missing.push(`${address} (${answer.reason})`);
    else founders.push({ address, introduction: answer.reply });
  }

  const formed = founders.filter(({ introduction }) => introduction.epoch > 0);
  if (formed.length > 0)
    return { state: 'formed', members: formed.map(({ introduction }) => introduction.node) };
  if (missing.length > 0) return waiting(`waiting for these founders: ${missing.join(', ')}`);
  if (!founders.some(({ introduction }) => introduction.node === self)) {
    return waiting(
      `none of ${foundersOf(terms).join(', ')} belongs to a cluster yet, and this node, which QUORATE_SEEDS ` +
        'does not list, only joins one; start those nodes, or list this one on all of them',
    );
  }
  return disagreement(terms, founders) ?? { state: 'agreed', founders };
}

function disagreement(terms: FoundingTerms, founders: readonly Founder[]): Agreement | undefined {
  const byNode = new Map<string, Founder>();
  const byName = new Map<string, Founder>();
  for (const founder of founders) {
    const { node, name } = founder.introduction;
    const sameNode = byNode.get(node);
    if (sameNode !== undefined) {
      return waiting(
        `${sameNode.address} and ${founder.address} lead to one node; list each node once in QUORATE_SEEDS`,
      );
    }
    const sameName = byName.get(name);
    if (sameName !== undefined) {
      return waiting(
        `${sameName.address} and ${founder.address} are both named ${name}; give each its own QUORATE_NODE_NAME`,
      );
    }
    byNode.set(node, founder);
    byName.set(name, founder);
  }
  for (const founder of founders) {
    const why = difference(terms, founder);
    if (why !== undefined) return waiting(why);
  }
  return undefined;
}

function difference(terms: FoundingTerms, { address, introduction }: Founder): string | undefined {
  const own = {
    QUORATE_CLUSTER_NAME: terms.clusterName,
    QUORATE_REPLICATION_FACTOR: terms.replicationFactor,
    QUORATE_PARTITIONS: terms.partitionCount,
    QUORATE_REPLACE_AFTER: `${terms.graceMs}ms`,
    QUORATE_LAST_SURVIVOR: terms.lastSurvivor,
    QUORATE_SEEDS: [...foundersOf(terms)].sort().join(','),
  };
  const theirs = {
    QUORATE_CLUSTER_NAME: introduction.clusterName,
    QUORATE_REPLICATION_FACTOR: introduction.replicationFactor,
    QUORATE_PARTITIONS: introduction.partitionCount,
    QUORATE_REPLACE_AFTER: `${introduction.graceMs}ms`,
    QUORATE_LAST_SURVIVOR: introduction.lastSurvivor,
    QUORATE_SEEDS: [...introduction.founders].sort().join(','),
  };
  for (const name of Object.keys(own) as (keyof typeof own)[]) {
    if (own[name] === theirs[name]) continue;
    return (
      `${introduction.name} (${address}) was started with ${name}=${theirs[name]}, this node with ` +
      `${own[name]}; start all founders with the same value`
    );
  }
  return undefined;
}

function waiting(why: string): Agreement {
  return { state: 'waiting', why };
}
