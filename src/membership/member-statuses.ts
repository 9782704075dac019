import type { NodeId } from '../ids.ts';
import { Gather } from '../rpc/gather.ts';
import type { ReplyOf } from '../rpc/messages.ts';
import type { Transport } from '../rpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';

const TIMEOUT_MS = 1_000;

/** What `members` say of themselves; those that are silent for a second are left out. */
export async function statusesOf(
  members: readonly NodeId[],
  transport: Pick<Transport, 'call'>,
  clock: Clock,
): Promise<ReadonlyMap<NodeId, ReplyOf<'member.status'>>> {
  const options = { timeoutMs: TIMEOUT_MS, traffic: 'membership' } as const;
  const call = (to: NodeId) => transport.call(to, { type: 'member.status' }, options);
  const said = new Map<NodeId, ReplyOf<'member.status'>>();
  for await (const answer of new Gather(members, call, clock, TIMEOUT_MS))
    if (answer.ok) said.set(answer.from, answer.reply);
  return said;
}
